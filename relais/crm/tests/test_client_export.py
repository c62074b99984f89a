"""Exporting clients: reach and search as in the list, cells that run as no formula, and the way back by an import."""

from __future__ import annotations

import csv
import io
import logging
from typing import Any

import pytest
from openpyxl import load_workbook

from relais.accounts import audit
from relais.clients.models import Client, ClientAddress
from relais.conversations.models import Conversation
from relais.crm import client_export
from relais.crm.client_import import create_import, outcome_counts, run_chunk, start_import
from relais.crm.import_files import read_file
from tests.cast import FATOU, IBRAHIM

pytestmark = pytest.mark.django_db


@pytest.fixture
def clients(with_bot, fatou_writes, sales):
    """Fatou whom all reach, Ibrahim of another team, and Hélène, imported, whose data looks like formulas."""
    hidden = fatou_writes("Bonjour", address=IBRAHIM, name="Ibrahim")
    Conversation.objects.filter(pk=hidden.pk).update(team=sales)
    helene = Client.objects.create(
        client_full_name="=HYPERLINK(1)",
        email="h@example.com",
        attributes={"Ville": "@Rabat"},
        tags=["a", "b"],
    )
    ClientAddress.objects.create(
        client=helene, address="whatsapp:+221771234567", phone_number="+221771234567"
    )
    return with_bot.client, helene


def content(response: Any) -> bytes:
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def csv_rows(response: Any) -> list[list[str]]:
    text = content(response).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))


def test_the_csv_has_the_clients_within_reach(desk, awa, mariam, clients):
    titles, *rows = csv_rows(desk(awa).page("clients/export"))
    assert titles[:3] == ["Nom complet", "Téléphone (WhatsApp)", "E-mail"] and titles[-1] == "Ville"
    assert [row[1] for row in rows] == ["'+221771234567", "'" + FATOU.removeprefix("whatsapp:")]
    assert rows[0][0] == "'=HYPERLINK(1)" and rows[0][-1] == "'@Rabat"
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
    assert len(csv_rows(desk(mariam).page("clients/export"))) == 4


def test_the_search_of_the_list_limits_the_export(desk, awa, clients):
    rows = csv_rows(desk(awa).page("clients/export", q="h@example"))
    assert len(rows) == 2
    assert len(csv_rows(desk(awa).page("clients/export", q="Ibrahim"))) == 1
    page = desk(awa).page("clients", q="h@ex").content.decode()
    assert "/dashboard/clients/export?q=h%40ex" in page and "format=xlsx&amp;q=h%40ex" in page


def test_the_workbook_has_texts_only(desk, awa, clients):
    response = desk(awa).page("clients/export", format="xlsx")
    assert response["Content-Disposition"].endswith('.xlsx"')
    sheet = load_workbook(io.BytesIO(content(response))).active
    rows = list(sheet.iter_rows())
    assert len(rows) == 3
    assert {cell.data_type for row in rows for cell in row if cell.value is not None} == {"s"}
    assert [rows[1][0].value, rows[1][1].value, rows[1][-1].value] == [
        "'=HYPERLINK(1)",
        "+221771234567",
        "'@Rabat",
    ]


def test_pages_follow_each_other_without_gap_or_repetition(desk, mariam, monkeypatch):
    monkeypatch.setattr(client_export, "PAGE_SIZE", 3)
    for n in range(10):
        Client.objects.create(client_full_name=f"Client {n}")
    rows = csv_rows(desk(mariam).page("clients/export"))
    assert [row[0] for row in rows[1:]] == [f"Client {n}" for n in reversed(range(10))]


def test_too_many_for_a_workbook_is_a_sentence(desk, mariam, clients, monkeypatch):
    monkeypatch.setattr(client_export, "MAX_WORKBOOK_ROWS", 2)
    status, body = desk(mariam).json("clients/export", format="xlsx")
    assert (status, body["code"]) == (422, "too_many")
    assert desk(mariam).page("clients/export", format="xlsx").status_code == 302
    assert len(csv_rows(desk(mariam).page("clients/export"))) == 4


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_imports_as_it_was(desk, mariam, clients, clock, kind):
    Client.objects.filter(pk=clients[0].pk).update(is_client=True, vin="WDB1", client_full_name="Fatou")
    file = read_file(content(desk(mariam).page("clients/export", format=kind)))
    draft = create_import(file, "a", by=mariam, at=clock.now)
    draft.replaces_filled = True
    draft.save()
    before = list(Client.objects.order_by("pk").values())
    start_import(draft, by=mariam, at=clock.now)
    assert not run_chunk(draft.pk, at=clock.now)
    draft.refresh_from_db()
    assert (tuple(outcome_counts(draft).values()), list(draft.rows.values_list("problem", flat=True))) == (
        (0, 0, 3, 0),
        [],
    )
    assert list(Client.objects.order_by("pk").values()) == before


def test_an_export_is_audited_and_needs_a_sign_in(
    desk, awa, clients, caplog, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True), caplog.at_level(logging.INFO, audit.log.name):
        desk(awa).page("clients/export")
    [record] = [record for record in caplog.records if record.name == audit.log.name]
    assert (record.act, record.actor, record.kind) == ("clients exported", awa.pk, "csv")
    assert desk().page("clients/export").status_code == 302
    assert desk().json("clients/export")[0] == 401
