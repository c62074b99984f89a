"""Importing clients: columns, preview, running in chunks, the report; who may, and what a second run changes."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.accounts import audit
from relais.action_errors import ActionRefused, InvalidField, NotAllowed
from relais.clients.models import Client, ClientAddress, ClientChange
from relais.clients.phone_numbers import address_of_number
from relais.crm import client_import
from relais.crm.client_import import (
    configure_import,
    create_import,
    discard_import,
    outcome_counts,
    preview_import,
    run_chunk,
    start_import,
)
from relais.crm.editing import edit_client
from relais.crm.errors import ClientConflict
from relais.crm.import_columns import check_targets, guess_targets
from relais.crm.import_files import read_file
from relais.crm.models import ClientImport, ClientImportRow
from tests.cast import FATOU, IBRAHIM

pytestmark = pytest.mark.django_db
FATOU_NUMBER = FATOU.removeprefix("whatsapp:")
FILE = f"""Nom;Téléphone;E-mail;VIN;Carte VIP;Étiquettes;Ville
Fatou Benali;{FATOU_NUMBER};fatou@example.com;;;Flotte, Gold;Rabat
Ibrahim Sow;+2250700000002;;wdb 2030461A123456;V-7;;
Sans numéro;;sans@example.com;;;;
;;;;;;Fès
Mauvais numéro;12;;;;;
Mauvais e-mail;+212612000001;pas une adresse;;;;
Encore Fatou;{FATOU_NUMBER};autre@example.com;;;;
"""


@pytest.fixture
def imported(mariam, clock):
    """A function that imports a text as a file, and returns the finished import."""

    def run(text: str = FILE, *, by: Any = None, chunk: bool = False, **options: Any) -> ClientImport:
        at = clock.passes(minutes=1)
        draft = create_import(read_file(text.encode()), "clients.csv", by=by or mariam, at=at)
        options = {"targets": draft.targets, "region": "MA", "replaces_filled": False} | options
        configure_import(draft, **options, by=by or mariam)
        start_import(draft, by=by or mariam, at=at)
        while run_chunk(draft.pk, at=clock.passes(seconds=1)):
            pass
        draft.refresh_from_db()
        return draft

    return run


def counts(done: ClientImport) -> tuple[int, ...]:
    return tuple(outcome_counts(done).values())


def problems(done: ClientImport) -> dict[int, str]:
    return dict(done.rows.values_list("number", "problem"))


def state_of_clients() -> list[Any]:
    fields = ("client_full_name", "email", "vin", "carte_vip", "is_client", "attributes", "tags")
    rows = list(Client.objects.order_by("pk").values_list("pk", *fields))
    return [*rows, *ClientAddress.objects.order_by("pk").values_list("client", "address")]


# -- columns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("titles", "targets"),
    [
        (["Nom", "Prénom"], ["last_name", "first_name"]),
        (["Nom", "N° de téléphone", "E-MAIL"], ["client_full_name", "phone_number", "email"]),
        (["Full name", "Phone number", "Email address"], ["client_full_name", "phone_number", "email"]),
        (["الاسم", "رقم الهاتف"], ["client_full_name", "phone_number"]),
        (["Châssis", "VIP card", "Tags"], ["vin", "carte_vip", "tags"]),
        (["Tél.", "Mobile"], ["phone_number", ""]),
        (["Ville", "  ", "Ville"], ["attribute:Ville", "", ""]),
        (["Déjà client ?", "Connu depuis"], ["is_client", ""]),
    ],
)
def test_columns_are_guessed_by_their_titles(titles, targets):
    assert guess_targets(titles) == targets


@pytest.mark.parametrize(
    "targets",
    [
        ["client_full_name", ""],
        ["email", "email"],
        ["email", "password"],
        ["email", "attribute:"],
        ["client_full_name", "first_name", "email"],
    ],
)
def test_columns_that_do_not_fit_are_refused(targets):
    with pytest.raises(InvalidField):
        check_targets(targets, ["a", "b", "c"])


# -- phone numbers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "region", "address"),
    [
        ("06 12-34.56 78", "MA", "+212612345678"),
        ("612345678", "MA", "+212612345678"),
        ("212612345678", "MA", "+212612345678"),
        ("00212 612345678", "CI", "+212612345678"),
        ("+33 6 12 34 56 78", "MA", "+33612345678"),
        ("33612345678", "MA", "+33612345678"),
        ("٠٦١٢٣٤٥٦٧٨", "MA", "+212612345678"),
        ("0701020304", "CI", "+2250701020304"),
        ("701020304", "CI", "+2250701020304"),
        ("07 12 34 56", "CI", "+2250707123456"),
        ("whatsapp:+212612345678", "CI", "+212612345678"),
    ],
)
def test_a_number_is_normalised_in_its_country(text, region, address):
    assert address_of_number(text, region) == f"whatsapp:{address}"


@pytest.mark.parametrize("text", ["12", "abc", "+999123456789", "06 12", "0612345678901234"])
def test_what_is_no_number_is_a_sentence(text):
    with pytest.raises(ValueError, match=r"\.$"):
        address_of_number(text, "MA")


# -- importing ----------------------------------------------------------------------------------------------


def test_each_line_is_created_updated_or_refused_with_its_reason(with_bot, imported, mariam):
    done = imported()
    assert counts(done) == (2, 1, 0, 4)
    assert (done.state, done.row_count, done.author) == ("done", 7, mariam)
    fatou = with_bot.client
    fatou.refresh_from_db()
    assert (fatou.client_full_name, fatou.email) == ("Fatou Benali", "fatou@example.com")
    assert (fatou.tags, fatou.attributes["Ville"]) == (["Flotte", "Gold"], "Rabat")
    ibrahim = ClientAddress.objects.get(address=IBRAHIM).client
    assert (ibrahim.client_full_name, ibrahim.vin, ibrahim.carte_vip) == (
        "Ibrahim Sow",
        "WDB2030461A123456",
        "V-7",
    )
    assert Client.objects.get(email="sans@example.com").addresses.count() == 0
    reasons = problems(done)
    assert list(reasons) == [5, 6, 7, 8]
    assert "rien ne désigne" in reasons[5]
    assert "« 12 » n'est pas un numéro" in reasons[6].replace("\xa0", " ")
    assert "pas une adresse" in reasons[7]
    assert reasons[8] == "Même client que la ligne 2."


def test_the_same_file_twice_changes_nothing(with_bot, imported):
    imported()
    before, journal = state_of_clients(), ClientChange.objects.count()
    rev = type(with_bot).objects.get(pk=with_bot.pk).rev
    for replaces in (False, True):
        assert counts(imported(replaces_filled=replaces)) == (0, 0, 3, 4)
    assert (state_of_clients(), ClientChange.objects.count()) == (before, journal)
    assert type(with_bot).objects.get(pk=with_bot.pk).rev == rev


def test_filled_fields_stay_unless_the_importer_says_otherwise(with_bot, imported, awa, clock):
    edit_client(with_bot.client, {"client_full_name": "Fatou B.", "vin": "OLD"}, by=awa, at=clock.now)
    text = f"Nom;Tel;VIN;E-mail\nFatou Benali;{FATOU_NUMBER};;f@example.com\n"
    assert counts(imported(text)) == (0, 1, 0, 0)
    client = Client.objects.get(pk=with_bot.client_id)
    assert (client.client_full_name, client.vin, client.email) == ("Fatou B.", "OLD", "f@example.com")
    assert counts(imported(text, replaces_filled=True)) == (0, 1, 0, 0)
    client.refresh_from_db()
    assert (client.client_full_name, client.vin) == ("Fatou Benali", "OLD"), "an empty cell removes nothing"


def test_an_import_is_seen_in_the_conversation_and_in_the_journal(with_bot, imported, mariam):
    imported()
    assert with_bot.events.filter(metadata__client_changed__isnull=False).exists()
    change = ClientChange.objects.filter(client=with_bot.client_id, field="email").get()
    assert (change.author, change.new_value) == (mariam, "fatou@example.com")
    created = ClientChange.objects.get(field="import", client__vin="WDB2030461A123456")
    assert (created.new_value, created.author_name) == ("clients.csv", str(mariam))


def test_a_line_without_a_number_finds_its_client_by_a_code(imported):
    one = Client.objects.create(client_full_name="A", vin="WDB1")
    two = Client.objects.create(client_full_name="B", email="x@example.com", carte_vip="7")
    Client.objects.create(client_full_name="C", email="y@example.com")
    Client.objects.create(client_full_name="D", email="Y@example.com")
    done = imported("VIN;E-mail;Carte VIP;Ville\nwdb 1;;;Fès\n;X@EXAMPLE.com;;Rabat\n;y@example.com;;Salé\n")
    assert counts(done) == (0, 2, 0, 1)
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.attributes, two.attributes) == ({"Ville": "Fès"}, {"Ville": "Rabat"})
    assert "Plusieurs clients" in problems(done)[4]


def test_a_new_number_joins_the_client_of_its_e_mail_who_has_none(imported, with_bot):
    known = Client.objects.create(email="x@example.com")
    Client.objects.filter(pk=with_bot.client_id).update(email="fatou@example.com")
    text = "Tel;E-mail\n0612345678;x@example.com\n0612345679;fatou@example.com\n"
    assert counts(imported(text)) == (1, 1, 0, 0)
    assert [address.address for address in known.addresses.all()] == ["whatsapp:+212612345678"]
    assert with_bot.client.addresses.count() == 1, "another number may be another person"


def test_first_and_last_name_are_joined(imported):
    imported("Prénom;Nom;Tel\nAwa;Diop;0612345678\n;Sow;0612345679\n")
    assert set(Client.objects.values_list("client_full_name", flat=True)) == {"Awa Diop", "Sow"}


def test_a_client_who_writes_meanwhile_is_found(imported, fatou_writes, monkeypatch):
    """He is created between the plan of the line and its execution."""
    plan, calls = client_import.import_row.__globals__["plan_row"], []

    def plan_before_he_writes(*args: Any, **options: Any) -> Any:
        planned = plan(*args, **options)
        if not calls:
            calls.append(fatou_writes("bonjour"))
        return planned

    monkeypatch.setitem(client_import.import_row.__globals__, "plan_row", plan_before_he_writes)
    done = imported(f"Nom;Tel\nFatou Benali;{FATOU_NUMBER}\n")
    assert counts(done) == (0, 1, 0, 0)
    assert calls[0].client.addresses.count() == Client.objects.count() == 1


# -- running ------------------------------------------------------------------------------------------------


def test_a_repeated_job_continues_where_it_stopped(mariam, clock, monkeypatch):
    monkeypatch.setattr(client_import, "CHUNK_ROWS", 2)
    lines = "".join(f"Client {n};06120000{n:02}\n" for n in range(5))
    draft = create_import(read_file(f"Nom;Tel\n{lines}".encode()), "a.csv", by=mariam, at=clock.now)
    start_import(draft, by=mariam, at=clock.now)
    assert run_chunk(draft.pk, at=clock.now)
    draft.refresh_from_db()
    assert (draft.state, counts(draft)) == ("running", (2, 0, 0, 0))
    assert run_chunk(draft.pk, at=clock.now)
    assert not run_chunk(draft.pk, at=clock.now)
    assert not run_chunk(draft.pk, at=clock.now), "a job too many does nothing"
    draft.refresh_from_db()
    assert (draft.state, counts(draft), Client.objects.count()) == ("done", (5, 0, 0, 0), 5)
    assert not draft.rows.exists(), "of a finished import only refused lines are kept"


def test_each_job_is_deferred_once_and_the_task_runs_to_the_end(mariam, clock, monkeypatch):
    from relais.crm.tasks import run_import

    monkeypatch.setattr(client_import, "CHUNK_ROWS", 1)
    draft = create_import(
        read_file(b"Nom;Tel\nA;0612000001\nB;0612000002\n"), "a.csv", by=mariam, at=clock.now
    )
    start_import(draft, by=mariam, at=clock.now)
    for number in (1, 2):
        jobs = ProcrastinateJob.objects.filter(task_name=client_import.RUN_TASK)
        assert [job.args for job in jobs] == [{"import_id": draft.pk}] * number
        run_import(draft.pk)
    assert ClientImport.objects.get().state == "done"
    assert jobs.count() == 2


def test_a_line_that_the_database_refuses_does_not_stop_the_others(imported, monkeypatch):
    from django.db import DataError

    create = client_import.import_row.__globals__["_create"]

    def failing_create(values: Any, **options: Any) -> Any:
        if values.fields["client_full_name"] == "B":
            raise DataError
        return create(values, **options)

    monkeypatch.setitem(client_import.import_row.__globals__, "_create", failing_create)
    done = imported("Nom;Tel\nA;0612000001\nB;0612000002\nC;0612000003\n")
    assert counts(done) == (2, 0, 0, 1)


# -- preview ------------------------------------------------------------------------------------------------


def test_the_preview_says_what_the_import_then_does(with_bot, mariam, clock, imported):
    draft = create_import(read_file(FILE.encode()), "clients.csv", by=mariam, at=clock.now)
    before = state_of_clients()
    preview = preview_import(draft).rows
    assert state_of_clients() == before
    assert [each.outcome for each in preview] == ["updated", "created", "created", *["refused"] * 4]
    assert preview[0].plan and preview[0].plan.client == with_bot.client
    assert set(preview[0].plan.changed) == {"client_full_name", "email", "tags", "attribute:Ville"}
    expected = {each.row.number: each.problem for each in preview if each.problem}
    assert problems(imported()) == expected


# -- who, and when ------------------------------------------------------------------------------------------


def test_an_agent_may_not_import(awa, mariam, clock):
    file = read_file(b"Nom;Tel\nA;0612000001\n")
    with pytest.raises(NotAllowed):
        create_import(file, "a.csv", by=awa, at=clock.now)
    draft = create_import(file, "a.csv", by=mariam, at=clock.now)
    with pytest.raises(NotAllowed):
        start_import(draft, by=awa, at=clock.now)
    with pytest.raises(NotAllowed):
        discard_import(draft, by=awa)


def test_a_started_import_is_neither_changed_nor_started_again(mariam, nadia, clock):
    draft = create_import(read_file(b"Nom;Tel\nA;0612000001\n"), "a.csv", by=mariam, at=clock.now)
    start_import(draft, by=mariam, at=clock.now)
    options = {"targets": draft.targets, "region": "MA", "replaces_filled": True}
    late: list[Any] = [
        lambda: start_import(draft, by=nadia, at=clock.now),
        lambda: configure_import(draft, **options, by=nadia),
        lambda: discard_import(draft, by=nadia),
    ]
    for action in late:
        with pytest.raises(ClientConflict):
            action()
    assert ProcrastinateJob.objects.filter(task_name=client_import.RUN_TASK).count() == 1


def test_the_country_is_that_of_the_last_import_or_of_the_newest_client(
    mariam, clock, imported, fatou_writes
):
    assert client_import.default_region() == "MA"
    fatou_writes("Bonjour", address=IBRAHIM)
    assert client_import.default_region() == "CI"
    imported("Nom;Tel\nA;+33612345678\n", region="FR")
    assert client_import.default_region() == "FR"


def test_old_drafts_are_deleted_with_the_next_upload(mariam, clock):
    file = read_file(b"Nom;Tel\nA;0612000001\n")
    old = create_import(file, "a.csv", by=mariam, at=clock.now)
    create_import(file, "b.csv", by=mariam, at=clock.now + timedelta(days=8))
    assert not ClientImport.objects.filter(pk=old.pk).exists()
    assert ClientImportRow.objects.count() == 1


# -- pages --------------------------------------------------------------------------------------------------


def uploaded(content: str = FILE, name: str = "clients.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode())


def test_the_import_by_json(
    desk, mariam, clock_starts_now, with_bot, caplog, django_capture_on_commit_callbacks
):
    browser = desk(mariam)
    with django_capture_on_commit_callbacks(execute=True), caplog.at_level(logging.INFO, audit.log.name):
        status, draft = browser.post("clients/import", file=uploaded())
        assert (status, draft["state"], draft["rows"], draft["region"]) == (200, "draft", 7, "MA")
        assert [row["outcome"] for row in draft["preview"]][:4] == [
            "updated",
            "created",
            "created",
            "refused",
        ]
        path = f"clients/imports/{draft['id']}"
        status, body = browser.post(path, targets=draft["targets"], region="MA", run="1")
        assert (status, body["state"]) == (200, "running")
        assert browser.post(path, targets=draft["targets"], region="MA", run="1")[0] == 409
        run_chunk(draft["id"], at=with_bot.started_at)
    status, body = browser.json(path)
    assert (body["state"], body["created"], body["updated"], body["refused"]) == ("done", 2, 1, 4)
    assert [each["line"] for each in body["refusals"]] == [5, 6, 7, 8]
    acts = [record.act for record in caplog.records if record.name == audit.log.name]
    assert acts == ["clients file uploaded", "clients import started", "clients import finished"]
    assert "Fatou" not in caplog.text


def test_the_pages_without_scripts(desk, mariam, clock_starts_now, with_bot):
    browser = desk(mariam)
    assert "Importer des clients" in browser.page("clients/import").content.decode()
    response = browser.post("clients/import", accept="text/html", file=uploaded())
    assert response.status_code == 302
    draft = ClientImport.objects.get()
    path = f"clients/imports/{draft.pk}"
    page = browser.page(path).content.decode()
    assert "Importer 7\xa0lignes" in page or "Importer 7 lignes" in page
    assert "Même client que la ligne 2." in page
    bad = browser.post(path, accept="text/html", targets=["client_full_name"] + [""] * 6, region="MA")
    assert bad.status_code == 422 and "Choisissez la colonne du téléphone" in bad.content.decode()
    done = browser.post(path, accept="text/html", targets=draft.targets, region="MA", run="1")
    assert done.status_code == 302
    assert "Import en cours" in browser.page(path).content.decode()
    run_chunk(draft.pk, at=with_bot.started_at)
    report = browser.page(path).content.decode()
    assert "2 nouveaux" in report.replace("\xa0", " ") and "Lignes refusées en CSV" in report
    refused = b"".join(browser.page(f"{path}/refused").streaming_content).decode("utf-8-sig")
    lines = refused.split("\r\n")
    assert lines[0].endswith(";Ligne;Motif du refus")
    assert lines[1].startswith(";;;;;;Fès;5;Ni téléphone")
    assert "clients.csv" in browser.page("clients/import").content.decode()


def test_a_discarded_file_is_gone(desk, mariam, clock_starts_now):
    browser = desk(mariam)
    _status, draft = browser.post("clients/import", file=uploaded())
    assert browser.post(f"clients/imports/{draft['id']}/discard")[0] == 200
    assert browser.post(f"clients/imports/{draft['id']}/discard")[0] == 404
    assert ClientImportRow.objects.count() == 0


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_agents_are_refused_and_the_anonymous_sent_to_sign_in(desk, awa, mariam, clock, accept):
    draft = create_import(read_file(b"Nom;Tel\nA;0612000001\n"), "a.csv", by=mariam, at=clock.now)
    for path in ("clients/import", f"clients/imports/{draft.pk}"):
        response = desk(awa).http.get(f"/dashboard/{path}", headers={"accept": accept})
        assert response.status_code == 403
        anonymous = desk().http.get(f"/dashboard/{path}", headers={"accept": accept})
        assert anonymous.status_code == (401 if "json" in accept else 302)
    page = desk(awa).page("clients").content.decode()
    assert "/clients/import" not in page
    assert "/clients/import" in desk(mariam).page("clients").content.decode()


@pytest.mark.parametrize("fields", [{}, {"file": uploaded("rien")}, {"file": uploaded("x", "a.xlsx")}])
def test_an_unusable_file_is_a_sentence(desk, mariam, fields):
    for each in fields.values():
        each.seek(0)
    status, body = desk(mariam).post("clients/import", **fields)
    assert (status, body["code"]) == (422, "file")
    assert ActionRefused.http_status == 422
