"""Reading files of clients: encodings, separators, workbooks, and what is refused as a whole."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from relais.crm import import_files
from relais.crm.import_files import UnreadableFile, read_file

TEXT = "Nom;Téléphone\nHélène;0612345678\nPénélope;0612345679\n"
TITLES, ROWS = ["Nom", "Téléphone"], [(2, ["Hélène", "0612345678"]), (3, ["Pénélope", "0612345679"])]


def table(content: bytes) -> Any:
    file = read_file(content)
    return file.titles, [(row.number, row.cells) for row in file.rows]


def workbook(*rows: list[Any], **options: Any) -> bytes:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    for name in options.get("other_sheets", ()):
        book.create_sheet(name).append(["rien"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def rewritten(content: bytes, **changed: bytes) -> bytes:
    """The workbook with other contents of some parts, by the last word of their names."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            word = part.rpartition("/")[2].partition(".")[0]
            new.writestr(part, changed.get(word, old.read(part)))
    return file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encoding_and_separator_are_found(encoding, delimiter, line_end):
    content = TEXT.replace(";", delimiter).replace("\n", line_end).encode(encoding)
    assert table(content) == (TITLES, ROWS)


def test_quotes_empty_lines_and_the_line_of_excel():
    content = (
        'sep=;\r\n\r\n"Nom; prénom";"Note, longue"\r\n"Diop; ""A""";"deux\r\nlignes"\r\n;\r\nx;\'=1+1\r\n'
    )
    assert table(content.encode()) == (
        ["Nom; prénom", "Note, longue"],
        [(4, ['Diop; "A"', "deux\r\nlignes"]), (7, ["x", "=1+1"])],
    )


def test_short_and_long_lines_have_all_columns():
    assert table(b"a;b;;\n1\n1;2;3;\n") == (["a", "b", ""], [(2, ["1", "", ""]), (3, ["1", "2", "3"])])


def test_the_first_sheet_of_a_workbook_is_read_as_people_see_it():
    content = workbook(
        [],
        ["Nom", "Téléphone", "Depuis", "VIP"],
        ["Hélène", 612345678, date(2024, 3, 1), True],
        [],
        ["Ibrahim", 1.5, datetime.fromisoformat("2024-03-01 14:30"), None],
        other_sheets=["Autre"],
    )
    assert table(content) == (
        ["Nom", "Téléphone", "Depuis", "VIP"],
        [(3, ["Hélène", "612345678", "2024-03-01", "oui"]), (5, ["Ibrahim", "1.5", "2024-03-01 14:30", ""])],
    )


def test_a_formula_is_not_computed_but_its_stored_value_read():
    content = workbook(["Nom"], ["=1+1"], ["Awa"])
    assert table(content) == (["Nom"], [(3, ["Awa"])])
    sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    stored = rewritten(content, sheet1=sheet.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>"))
    assert table(stored) == (["Nom"], [(2, ["2"]), (3, ["Awa"])])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Nom;Tel\n",
        b"\n\n;;\n",
        b"\x81\x8d\x00",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\n",
        b"PK\x03\x04 no archive",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"x" * (import_files.MAX_FILE_BYTES + 1),
        b"a;b\n" + b'"' + b"x" * 200_000,
        ";".join(f"c{n}" for n in range(61)).encode() + b"\n" + b";".join([b"1"] * 61),
    ],
)
def test_what_cannot_be_read_is_a_sentence(content):
    with pytest.raises(UnreadableFile, match=r"\.$"):
        read_file(content)


def test_more_lines_than_allowed_are_refused(monkeypatch):
    monkeypatch.setattr(import_files, "MAX_ROWS", 2)
    assert len(read_file(b"a\n1\n\n2\n").rows) == 2
    with pytest.raises(UnreadableFile, match="plus de 2 lignes"):
        read_file(b"a\n1\n2\n3\n")
    with pytest.raises(UnreadableFile, match="plus de 2 lignes"):
        read_file(workbook(["a"], [1], [2], [3]))


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked():
    bomb = rewritten(workbook(["Nom"], ["Awa"]), sheet1=b" " * (import_files.MAX_UNPACKED_BYTES + 1))
    assert len(bomb) < import_files.MAX_FILE_BYTES
    with pytest.raises(UnreadableFile, match="trop grand"):
        read_file(bomb)


def test_a_sheet_with_a_far_row_or_column_takes_no_memory_for_the_gap():
    sheet = b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
      <row r="1"><c r="A1" t="inlineStr"><is><t>Nom</t></is></c></row>%s</sheetData></worksheet>"""
    far = b'<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>Awa</t></is></c></row>'
    base = workbook(["Nom"], ["Awa"])
    assert table(rewritten(base, sheet1=sheet % far)) == (["Nom"], [(1_048_576, ["Awa"])])
    with pytest.raises(UnreadableFile):
        read_file(rewritten(base, sheet1=sheet % far.replace(b"1048576", b"99999999999")))
    with pytest.raises(UnreadableFile):
        read_file(rewritten(base, sheet1=sheet % b'<row r="2"><c r="XFD2"><v>1</v></c></row>'))


def test_entities_are_refused():
    evil = (
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'
    )
    with pytest.raises(UnreadableFile, match="interdites"):
        read_file(rewritten(workbook(["Nom"], ["Awa"]), sheet1=evil))


@pytest.mark.parametrize("part", ["workbook", "sheet1"])
def test_a_broken_workbook_is_a_sentence(part):
    content = rewritten(workbook(["Nom"], ["Awa"]), **{part: b"<broken"})
    with pytest.raises(UnreadableFile):
        read_file(content)


def test_another_archive_is_a_sentence():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(UnreadableFile, match="ni un CSV"):
        read_file(file.getvalue())
