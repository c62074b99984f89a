"""The clients of a list as a file, CSV or XLSX, read in pages while it is sent. An import reads it again as it was."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from django.db.models import F, Func
from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import ActionRefused
from relais.clients.limits import MAX_ATTRIBUTES
from relais.clients.models import Client
from relais.crm.directory import clients_found, page_of_clients
from relais.crm.fields import as_text
from relais.crm.import_columns import NAME, PHONE, TAGS, target_label
from relais.web.csv_text import BYTE_ORDER_MARK, DELIMITER, guard_formula

PAGE_SIZE = 1_000
MAX_WORKBOOK_ROWS = 50_000
"""A workbook is complete before its first byte is sent; a CSV has no limit."""
FIELDS = (NAME, PHONE, "email", "vin", "carte_vip", "is_client", TAGS)
"""The first columns. After them come the WhatsApp name and the date, which an import ignores, and the attributes."""


class TooManyRows(ActionRefused):
    code = "too_many"


class ClientTable:
    """Its titles are in the language of the request, which has ended when the rows of a CSV are read."""

    def __init__(self, user: User, text: str) -> None:
        self.user, self.text = user, text
        self.attributes = _attribute_names(user, text)
        self.titles = [target_label(field) for field in FIELDS]
        self.titles += [_("Profil WhatsApp"), _("Connu depuis"), *self.attributes]
        self.answers = {True: _("oui"), False: _("non"), None: ""}

    def csv_chunks(self) -> Iterator[str]:
        yield BYTE_ORDER_MARK + _csv_lines([self.titles])
        for rows in self._pages():
            yield _csv_lines(rows)

    def write_workbook(self) -> IO[bytes]:
        """A temporary file, to be read from its beginning. Every cell is a text. Raises TooManyRows."""
        from openpyxl import Workbook  # Large, and needed for workbooks only.

        if (
            clients_found(self.user, self.text).order_by()[: MAX_WORKBOOK_ROWS + 1].count()
            > MAX_WORKBOOK_ROWS
        ):
            raise TooManyRows(
                _("Plus de %(most)s clients : exportez-les en CSV, ou cherchez-en moins.")
                % {"most": MAX_WORKBOOK_ROWS}
            )
        workbook = Workbook(write_only=True)
        sheet = workbook.create_sheet(_("Clients"))
        sheet.append([_text_cell(sheet, title) for title in self.titles])
        for rows in self._pages():
            for row in rows:
                sheet.append([_text_cell(sheet, value) for value in row])
        file = tempfile.TemporaryFile()  # noqa: SIM115
        workbook.save(file)
        file.seek(0)
        return file

    def _pages(self) -> Iterator[list[list[str]]]:
        after = ""
        while True:
            page = page_of_clients(self.user, text=self.text, after=after, size=PAGE_SIZE)
            yield [self._cells(client) for client in page.rows]
            if not page.next:
                return
            after = page.next

    def _cells(self, client: Client) -> list[str]:
        addresses = sorted(client.addresses.all(), key=lambda address: address.pk)
        number = next((each.phone_number for each in addresses if each.phone_number), "")
        cells = [client.client_full_name, number or "", client.email, client.vin, client.carte_vip]
        cells += [self.answers[client.is_client], ", ".join(client.tags), client.whatsapp_profile_name]
        cells.append(localdate(client.created_at).isoformat())
        return cells + [as_text(client.attributes.get(name, "")) for name in self.attributes]


def _attribute_names(user: User, text: str) -> list[str]:
    with_attributes = clients_found(user, text).exclude(attributes={})
    keys = with_attributes.annotate(key=Func(F("attributes"), function="jsonb_object_keys")).order_by()
    return sorted(keys.values_list("key", flat=True).distinct()[:MAX_ATTRIBUTES])


def _csv_lines(rows: list[list[str]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=DELIMITER, lineterminator="\r\n")
    writer.writerows([guard_formula(cell) for cell in row] for row in rows)
    return file.getvalue()


def _text_cell(sheet: Any, value: str) -> Any:
    """XML has no control characters. A phone number stays as it is; what else begins like a formula is guarded."""
    from openpyxl.cell import WriteOnlyCell

    text = "".join(character for character in value if character >= " " or character in "\t\n")
    is_number = text[:1] == "+" and text[1:].isdigit()
    cell = WriteOnlyCell(sheet, value=text if is_number else guard_formula(text))
    cell.data_type = "s"  # openpyxl would write a text that begins with = as a formula.
    return cell
