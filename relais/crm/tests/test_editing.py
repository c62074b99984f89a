"""Editing a client: fields, attributes, tags and notes; the journal, conflicts, and what colleagues see."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.clients.models import Client, ClientAddress
from relais.conversations import list_rows
from relais.conversations.event_text import event_sentence
from relais.conversations.models import Conversation
from tests.browser import Browsers, expect_live

pytestmark = pytest.mark.django_db


@pytest.fixture
def fatou(with_bot):
    return with_bot.client


def edit(desk, user, client, **fields):
    return desk(user).post(f"clients/{client.pk}/edit", **fields)


# -- fields and attributes ----------------------------------------------------------------------------------


def test_an_agent_fills_in_the_client_s_data(awa, fatou, desk):
    status, body = edit(
        desk,
        awa,
        fatou,
        client_full_name="  Fatou  Benali ",
        email="fatou@example.com",
        vin="wdb 2030-461a123456",
        carte_vip="V-12",
        is_client="oui",
        **{"attribute:Ville": "Rabat"},
    )
    assert (status, body["success"]) == (200, True)
    fatou.refresh_from_db()
    assert (fatou.client_full_name, fatou.email, fatou.vin) == (
        "Fatou Benali",
        "fatou@example.com",
        "WDB2030461A123456",
    )
    assert (fatou.carte_vip, fatou.is_client, fatou.attributes) == ("V-12", True, {"Ville": "Rabat"})
    assert body["client"]["name"] == "Fatou Benali"
    assert body["client"]["attributes"] == {"Ville": "Rabat"}


def test_fields_left_out_stay_as_they_are(awa, fatou, desk):
    edit(
        desk,
        awa,
        fatou,
        email="fatou@example.com",
        **{"attribute:Ville": "Rabat", "attribute:Couleur": "bleu"},
    )
    edit(desk, awa, fatou, carte_vip="7")
    fatou.refresh_from_db()
    assert (fatou.email, fatou.carte_vip) == ("fatou@example.com", "7")
    assert fatou.attributes == {"Ville": "Rabat", "Couleur": "bleu"}


def test_an_emptied_attribute_is_removed(awa, fatou, desk):
    edit(desk, awa, fatou, **{"attribute:Ville": "Rabat", "attribute:Couleur": "bleu"})
    edit(desk, awa, fatou, **{"attribute:Ville": " "})
    fatou.refresh_from_db()
    assert fatou.attributes == {"Couleur": "bleu"}


def test_a_program_may_send_json(awa, fatou, desk):
    response = desk(awa).http.post(
        f"/dashboard/clients/{fatou.pk}/edit",
        {"email": "f@example.com", "is_client": False, "attributes": {"Ville": "Fès"}},
        content_type="application/json",
        headers={"accept": "application/json"},
    )
    assert response.status_code == 200
    fatou.refresh_from_db()
    assert (fatou.email, fatou.is_client, fatou.attributes) == ("f@example.com", False, {"Ville": "Fès"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "fatou@"),
        ("is_client", "peut-être"),
        ("client_full_name", "x" * 201),
        ("attribute:", "x"),
        ("attribute:a", "x" * 1001),
    ],
)
def test_an_unusable_value_is_refused_with_a_sentence_and_nothing_is_stored(awa, fatou, desk, field, value):
    status, body = edit(desk, awa, fatou, carte_vip="7", **{field: value})
    assert (status, body["success"], body["code"]) == (422, False, field)
    assert body["errors"] == {field: body["error"]}
    fatou.refresh_from_db()
    assert fatou.carte_vip == ""
    page = desk(awa).post(f"clients/{fatou.pk}/edit", accept="text/html", carte_vip="7", **{field: value})
    assert page.status_code == 422
    assert 'value="7"' in page.content.decode(), "what was typed is not lost"


@pytest.mark.parametrize(
    ("vin", "part", "suspicious"),
    [
        ("WDB20304", "17", True),
        ("WDB2030461A12345O", "sans I, O ni Q", True),
        ("WDB2030461A123456", "en Europe", False),
        ("1M8GDM9A1KP042788", "à vérifier", True),
        ("1M8GDM9AXKP042788", "juste", False),
        ("", "", False),
    ],
)
def test_a_vin_is_checked_and_never_refused(awa, fatou, desk, vin, part, suspicious):
    assert edit(desk, awa, fatou, vin=vin)[0] == 200
    fatou.refresh_from_db()
    assert fatou.vin == vin
    assert part in fatou.vin_hint and bool(fatou.vin_hint) == bool(vin)
    assert fatou.has_suspicious_vin == suspicious


def test_without_scripts_the_form_is_a_page_that_leads_back(awa, fatou, with_bot, desk):
    page = desk(awa).page(f"clients/{fatou.pk}/edit", conversation=with_bot.pk).content.decode()
    assert f"clients/{fatou.pk}/edit?conversation={with_bot.pk}" in page
    response = desk(awa).post(
        f"clients/{fatou.pk}/edit?conversation={with_bot.pk}",
        accept="text/html",
        email="f@example.com",
        tags="VIP, Fidèle",
        new_name="Ville",
        new_value="Rabat",
    )
    assert (response.status_code, response["Location"]) == (302, f"/dashboard/chat/{with_bot.pk}")
    fatou.refresh_from_db()
    assert (fatou.email, fatou.attributes) == ("f@example.com", {"Ville": "Rabat"})
    assert fatou.tags == ["Fidèle", "VIP"]


# -- others at the same time ------------------------------------------------------------------------------------


def test_of_two_who_change_the_same_field_the_second_is_told(awa, koffi, fatou, desk):
    assert edit(desk, koffi, fatou, email="koffi@example.com", **{"seen:email": ""})[0] == 200
    status, body = edit(desk, awa, fatou, email="awa@example.com", carte_vip="7", **{"seen:email": ""})
    assert (status, body["code"]) == (409, "changed")
    assert "koffi@example.com" in body["error"]
    fatou.refresh_from_db()
    assert (fatou.email, fatou.carte_vip) == ("koffi@example.com", "")
    form = desk(awa).post(
        f"clients/{fatou.pk}/edit", accept="text/html", email="awa@example.com", **{"seen:email": ""}
    )
    assert form.status_code == 409
    assert 'name="seen:email" value="koffi@example.com"' in form.content.decode()


def test_two_who_change_different_fields_do_not_disturb_each_other(awa, koffi, fatou, desk):
    seen = {"seen:email": "", "seen:carte_vip": ""}
    assert edit(desk, koffi, fatou, email="k@example.com", carte_vip="", **seen)[0] == 200
    assert edit(desk, awa, fatou, email="", carte_vip="7", **seen)[0] == 409, (
        "an untouched old value is no change of mine"
    )
    assert edit(desk, awa, fatou, carte_vip="7", **seen)[0] == 200


def test_out_of_reach_is_404_and_the_anonymous_are_refused(awa, yao, mariam, sales, fatou, with_bot, desk):
    Conversation.objects.filter(pk=with_bot.pk).update(team=sales)
    note = desk(mariam).post(f"clients/{fatou.pk}/notes", body="à rappeler")[1]["note_id"]
    for path in ("edit", "tags", "notes", f"notes/{note}"):
        assert (
            desk(yao).post(f"clients/{fatou.pk}/{path}", body="x", add="x", email="x@example.com")[0] == 404
        )
        assert desk().post(f"clients/{fatou.pk}/{path}")[0] == 401
    fatou.refresh_from_db()
    assert (fatou.email, len(fatou.tags), fatou.notes.count()) == ("", 0, 1)


# -- the journal, the conversations, the bot ----------------------------------------------------------------


def test_who_changed_what_is_journalled(awa, koffi, fatou, desk):
    edit(desk, awa, fatou, email="a@example.com")
    edit(desk, koffi, fatou, email="k@example.com", **{"attribute:Ville": "Rabat"})
    changes = [(c.field, c.old_value, c.new_value, c.author_name) for c in fatou.changes.order_by("pk")]
    assert changes == [
        ("email", "", "a@example.com", "Awa Diop"),
        ("email", "a@example.com", "k@example.com", "Koffi Mensah"),
        ("attribute:Ville", "", "Rabat", "Koffi Mensah"),
    ]
    page = desk(awa).page(f"clients/{fatou.pk}").content.decode()
    assert "k@example.com" in page.split("Modifications")[1]


def test_open_conversations_are_told_without_the_value(awa, fatou, held_by_awa, desk):
    before = held_by_awa.rev
    edit(desk, awa, fatou, email="secret@example.com")
    held_by_awa.refresh_from_db()
    assert held_by_awa.rev > before
    event = held_by_awa.events.last()
    assert event_sentence(event).replace("\xa0", " ") == "Awa Diop a modifié la fiche du client : E-mail"
    assert "secret" not in str(event.metadata) + event.body


def test_saving_without_a_change_tells_nobody(awa, fatou, with_bot, desk):
    edit(desk, awa, fatou, email="a@example.com")
    with_bot.refresh_from_db()
    before = with_bot.rev
    assert edit(desk, awa, fatou, email="a@example.com")[0] == 200
    with_bot.refresh_from_db()
    assert with_bot.rev == before
    assert fatou.changes.count() == 1


@pytest.mark.parametrize(
    ("step", "field", "typed", "answer"),
    [
        ("collect_email", "email", "awa@example.com", "bot@example.com"),
        ("collect_vin", "vin", "WDB1", "WDB2"),
        ("check_client", "is_client", "oui", "non"),
        ("ville", "attribute:ville", "Rabat", "Fès"),
    ],
)
def test_the_bot_does_not_replace_what_a_person_typed(
    awa, fatou, with_bot, clock, desk, step, field, typed, answer
):
    edit(desk, awa, fatou, **{field: typed})
    assert not with_bot.record_answer(step, user_input=answer, at=clock.now)
    fatou.refresh_from_db()
    assert answer not in (fatou.email, fatou.vin, *fatou.attributes.values())
    assert fatou.is_client in (None, True)
    edit(desk, awa, fatou, **{field: ""})
    assert with_bot.record_answer(step, user_input=answer, at=clock.now), (
        "what a person emptied may be filled again"
    )


# -- tags and notes -----------------------------------------------------------------------------------------


def test_tags_are_added_and_removed_whatever_their_case(awa, fatou, desk):
    assert desk(awa).post(f"clients/{fatou.pk}/tags", add=["VIP", " fidèle ", "vip"]) == (
        200,
        {"success": True, "tags": ["fidèle", "VIP"]},
    )
    assert desk(awa).post(f"clients/{fatou.pk}/tags", add=["Flotte"], remove=["vip"])[1]["tags"] == [
        "fidèle",
        "Flotte",
    ]
    assert desk(awa).post(f"clients/{fatou.pk}/tags", add=["x" * 41])[0] == 422
    assert desk(awa).json(f"clients/{fatou.pk}")[1]["tags"] == ["fidèle", "Flotte"]


def test_a_note_is_written_once_per_ref(awa, fatou, desk):
    path = f"clients/{fatou.pk}/notes"
    first = desk(awa).post(path, body="préfère le matin", ref="r1")
    assert desk(awa).post(path, body="préfère le matin", ref="r1") == first
    assert [note.body for note in fatou.notes.all()] == ["préfère le matin"]
    assert desk(awa).post(path, body=" \u200b ")[0] == 422
    assert "préfère le matin" in desk(awa).page(f"clients/{fatou.pk}").content.decode()


def test_a_note_is_deleted_by_its_author_or_a_supervisor(awa, koffi, mariam, fatou, desk):
    notes = [desk(awa).post(f"clients/{fatou.pk}/notes", body=f"note {n}")[1]["note_id"] for n in range(2)]
    assert desk(koffi).post(f"clients/{fatou.pk}/notes/{notes[0]}")[0] == 403
    assert desk(awa).post(f"clients/{fatou.pk}/notes/{notes[0]}")[0] == 200
    assert desk(mariam).post(f"clients/{fatou.pk}/notes/{notes[1]}")[0] == 200
    assert not fatou.notes.exists()
    assert fatou.changes.filter(field="note", old_value="note 0").exists(), "with trace"


def test_a_note_leaves_the_conversation_where_it_is_in_lists(awa, fatou, held_by_awa, desk):
    """Nothing happened in it: « last activity » is the client's, the bot's and the agents'."""
    before = Conversation.objects.get()
    desk(awa).post(f"clients/{fatou.pk}/notes", body="Préfère le matin")
    after = Conversation.objects.get()
    assert after.rev > before.rev
    assert after.last_activity_at == before.last_activity_at
    assert list_rows.message_preview(after) == list_rows.message_preview(before)


def test_a_note_is_in_no_message(awa, fatou, held_by_awa, desk):
    sent = held_by_awa.deliveries.count()
    desk(awa).post(f"clients/{fatou.pk}/notes", body="ne pas dire au client")
    assert held_by_awa.deliveries.count() == sent
    assert not held_by_awa.events.filter(body__contains="ne pas dire").exists()


# -- in the browser -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_agents_edit_beside_the_chat(run_story, clock_starts_now, awa, koffi, held_by_awa):
    chat = f"/dashboard/chat/{held_by_awa.pk}"

    def story(browsers: Browsers) -> None:
        page, other = browsers.open_page(awa, chat), browsers.open_page(koffi, chat)
        expect_live(page, other)
        data = page.locator("[data-client-details]")
        data.get_by_role("link", name="Modifier").click()
        expect(data.get_by_label("Nom", exact=True).first).to_be_focused()
        data.get_by_label("Nom", exact=True).first.fill("Fatou Benali")
        data.get_by_label("E-mail").fill("fatou@exemple")
        data.get_by_role("button", name="Enregistrer").click()
        expect(data.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
        data.get_by_label("E-mail").fill("fatou@example.com")
        data.get_by_role("button", name="Enregistrer").click()
        expect(data.get_by_role("button", name="fatou@example.com")).to_be_visible()
        # The colleague sees it at once, in the pane, the head and the thread.
        expect(other.get_by_role("button", name="fatou@example.com")).to_be_visible()
        expect(other.get_by_role("heading", level=1)).to_have_text("Fatou Benali")
        expect(other.locator("#thread")).to_contain_text("Awa Diop a modifié la fiche du client")
        # An open form is not replaced by what happens meanwhile.
        other.locator("[data-client-details]").get_by_role("link", name="Modifier").click()
        other.get_by_label("Carte VIP").fill("V-7")
        data.get_by_text("Ajouter une note").click()
        data.get_by_label("Note sur le client").fill("préfère le matin")
        data.get_by_role("button", name="Enregistrer la note").click()
        expect(data).to_contain_text("préfère le matin")
        expect(other.locator("#thread")).to_contain_text("fiche du client : Notes")
        expect(other.get_by_label("Carte VIP")).to_have_value("V-7")
        other.locator("[data-client-details]").get_by_role("button", name="Enregistrer").click()
        expect(page.get_by_role("button", name="V-7")).to_be_visible()

    run_story(story, allow_console_errors="422")
    client = Client.objects.get()
    assert (client.email, client.carte_vip) == ("fatou@example.com", "V-7")


@pytest.mark.django_db(transaction=True)
def test_the_card_is_edited_in_place(run_story, clock_starts_now, awa):
    client = Client.objects.create(client_full_name="Ibrahim")
    ClientAddress.objects.create(
        client=client, address="whatsapp:+2250700000002", phone_number="+2250700000002"
    )

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/clients/{client.pk}")
        page.get_by_role("link", name="Modifier").click()
        page.get_by_label("Nom", exact=True).first.fill("Ibrahim Koné")
        page.get_by_role("button", name="Enregistrer", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim Koné")
        page.get_by_role("link", name="Modifier").click()
        page.get_by_role("link", name="Annuler").click()
        expect(page.get_by_role("link", name="Modifier")).to_be_focused()

    run_story(story)


# -- writing to the client ------------------------------------------------------------------------------------


def test_the_page_leads_to_a_new_conversation_unless_the_client_wants_no_messages(awa, fatou, desk):
    link = f'href="/dashboard/conversations/new?client={fatou.pk}"'
    page = desk(awa).page(f"clients/{fatou.pk}").content.decode()
    assert link in page
    form = desk(awa).page("conversations/new", client=fatou.pk).content.decode()
    assert f'name="client" value="{fatou.pk}"' in form
    fatou.addresses.update(opted_out_at=timezone.now())
    assert link not in desk(awa).page(f"clients/{fatou.pk}").content.decode()
