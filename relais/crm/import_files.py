"""Reading a file of clients: CSV as spreadsheets write it, or the first sheet of an XLSX workbook.

Cells become texts. Formulas are not computed and macros never run: of a formula, the value that the spreadsheet stored
is read. A workbook is a zip archive: its unpacked size is bounded before it is read.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.utils.translation import gettext as _

from relais.action_errors import ActionRefused
from relais.text import sanitize_for_postgres
from relais.web.csv_text import decode_text, find_delimiter, unguard_formula

MAX_FILE_BYTES = 5_000_000
MAX_ROWS = 20_000
MAX_COLUMNS = 60
MAX_CELL_CHARACTERS = 2_000
MAX_UNPACKED_BYTES = 50_000_000
MAX_SHEET_ROWS = 1_048_576
"""Empty rows included; no spreadsheet has more."""
MAX_XML_DECLARATION_BYTES = 2_000
ZIP_SIGNATURE = b"PK\x03\x04"
OLD_EXCEL_SIGNATURE = b"\xd0\xcf\x11\xe0"
_DOCTYPE = re.compile(rb"<!DOCTYPE", re.IGNORECASE)


class UnreadableFile(ActionRefused):
    """The file as a whole cannot be imported."""

    code = "file"


@dataclass(frozen=True)
class FileRow:
    number: int
    """Of the line in the file, from 1."""
    cells: list[str]


@dataclass(frozen=True)
class ClientFile:
    titles: list[str]
    rows: list[FileRow]


def read_file(content: bytes) -> ClientFile:
    """By its content, whatever its name. Raises UnreadableFile."""
    if len(content) > MAX_FILE_BYTES:
        raise UnreadableFile(_("Ce fichier dépasse 5 Mo. Importez-le en plusieurs fois."))
    if content.startswith(OLD_EXCEL_SIGNATURE):
        raise UnreadableFile(
            _("C'est un ancien fichier Excel ou un fichier protégé. Enregistrez-le en XLSX ou en CSV.")
        )
    rows = _read_workbook(content) if content.startswith(ZIP_SIGNATURE) else _read_csv(content)
    return _collect(rows)


def _collect(rows: Iterable[FileRow]) -> ClientFile:
    """The first row that is not empty has the titles."""
    titles: list[str] | None = None
    found: list[FileRow] = []
    for row in rows:
        if not any(row.cells):
            continue
        if titles is None:
            titles = row.cells
            continue
        if len(found) == MAX_ROWS:
            raise UnreadableFile(_too_many_rows())
        found.append(row)
    if titles is None or not found:
        raise UnreadableFile(_("Ce fichier n'a aucun client sous sa ligne de titres."))
    tables = [titles, *(row.cells for row in found)]
    width = max(number for cells in tables for number, cell in enumerate(cells, start=1) if cell)
    if width > MAX_COLUMNS:
        raise UnreadableFile(
            _("Ce fichier a plus de %(most)s colonnes. Gardez celles des clients.") % {"most": MAX_COLUMNS}
        )
    return ClientFile(
        _padded(titles, width), [FileRow(row.number, _padded(row.cells, width)) for row in found]
    )


def _too_many_rows() -> str:
    return _("Ce fichier a plus de %(most)s lignes. Importez-le en plusieurs fois.") % {"most": MAX_ROWS}


def _padded(cells: list[str], width: int) -> list[str]:
    return (cells + [""] * width)[:width]


# -- CSV ----------------------------------------------------------------------------------------------------


def _read_csv(content: bytes) -> Iterator[FileRow]:
    text = decode_text(content)
    if text is None:
        raise UnreadableFile(_("Ce fichier ne se lit pas comme un texte. Enregistrez-le en CSV ou en XLSX."))
    # Excel writes a first line such as « sep=; ».
    declared = re.match(r"sep=([;,\t])\r?\n", text)
    delimiter = declared[1] if declared else find_delimiter(text.lstrip())
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    number = 1
    try:
        for cells in reader:
            if not (declared and number == 1):
                yield FileRow(number, [_clean_cell(unguard_formula(cell)) for cell in cells])
            number = reader.line_num + 1
    except csv.Error:
        raise UnreadableFile(_("Ce fichier n'est pas un CSV. Vérifiez les guillemets.")) from None


def _clean_cell(text: str) -> str:
    return sanitize_for_postgres(text).strip()[:MAX_CELL_CHARACTERS]


# -- XLSX ---------------------------------------------------------------------------------------------------


def _read_workbook(content: bytes) -> Iterator[FileRow]:
    import openpyxl  # Large, and needed for imports only.

    _check_archive(content)
    try:
        workbook = openpyxl.load_workbook(
            io.BytesIO(content), read_only=True, data_only=True, keep_links=False, keep_vba=False
        )
        sheet = workbook.worksheets[0]
        # The size that the sheet declares may be wrong.
        sheet.reset_dimensions()
        rows = sheet.iter_rows(max_col=MAX_COLUMNS + 1, values_only=True)
        for number, values in enumerate(rows, start=1):
            if number > MAX_SHEET_ROWS:
                raise UnreadableFile(_too_many_rows())
            yield FileRow(number, [unguard_formula(_cell_text(value)) for value in values])
    except UnreadableFile:
        raise
    except Exception as error:  # Of a broken workbook, openpyxl raises whatever its parts raise.
        raise UnreadableFile(
            _("Ce classeur ne se lit pas. Enregistrez sa première feuille en CSV, puis importez-la.")
        ) from error


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # No more is unpacked of a part than it declares.
            if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise UnreadableFile(
                    _("Ce classeur est trop grand une fois décompressé. Enregistrez-le en CSV.")
                )
            if "xl/workbook.xml" not in archive.namelist():
                raise UnreadableFile(_("Ce fichier n'est ni un CSV ni un classeur XLSX."))
            for part in archive.infolist():
                if part.filename.endswith((".xml", ".rels")):
                    with archive.open(part) as file:
                        if _DOCTYPE.search(file.read(MAX_XML_DECLARATION_BYTES)):
                            raise UnreadableFile(_("Ce classeur contient des déclarations interdites."))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise UnreadableFile(
            _("Ce classeur ne se lit pas. Enregistrez sa première feuille en CSV, puis importez-la.")
        ) from error


def _cell_text(value: Any) -> str:
    """As a person reads the cell: whole numbers without decimals, days without a time."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("oui") if value else _("non")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date):
        return value.isoformat()
    return _clean_cell(str(value))
