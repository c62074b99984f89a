"""Writing, editing and deleting notes by HTTP, each tried for: success, wrong state, no permission, out of reach, repeat."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from relais.conversations.models import Conversation, MessageDelivery
from relais.notes.limits import MAX_NOTE_CHARACTERS
from relais.notes.models import Note, NoteRevision
from tests.cast import Clock, event_types_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    """The real time, because views read the clock themselves."""
    clock = Clock()
    clock.now = timezone.now()
    return clock


def program(user=None, accept="application/json"):
    client = Client(headers={"accept": accept})
    if user:
        client.force_login(user)
    return client


def browser(user):
    return program(user, accept="text/html")


def add(user, conversation, accept="application/json", **fields):
    fields = {"body": "À rappeler demain"} | fields
    return program(user, accept).post(f"/dashboard/chat/{conversation.pk}/notes", fields)


def rev_of(conversation):
    return Conversation.objects.values_list("rev", flat=True).get(pk=conversation.pk)


# -- writing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", ["with_bot", "waiting", "held_by_awa", "ended"])
def test_anyone_in_reach_adds_a_note_in_each_situation(request, situation, koffi):
    conversation = request.getfixturevalue(situation)
    rev, events, deliveries = (
        rev_of(conversation),
        event_types_of(conversation),
        MessageDelivery.objects.count(),
    )
    response = add(koffi, conversation, body="  Il veut un devis.\r\nPas avant lundi. ")
    note = Note.objects.get()
    assert response.status_code == 200
    assert response.json() == {"success": True, "note_id": note.pk, "html": response.json()["html"]}
    assert (note.body, note.author, note.author_name) == (
        "Il veut un devis.\nPas avant lundi.",
        koffi,
        "Koffi Mensah",
    )
    conversation.refresh_from_db()
    assert (note.after_seq, note.rev, rev_of(conversation)) == (conversation.seq, rev + 1, rev + 1)
    assert event_types_of(conversation) == events
    assert MessageDelivery.objects.count() == deliveries


def test_the_same_ref_is_answered_as_the_first_time(with_bot, koffi):
    first = add(koffi, with_bot, ref="r1").json()
    rev = rev_of(with_bot)
    assert add(koffi, with_bot, ref="r1", body="un autre texte").json() == first
    assert (Note.objects.count(), rev_of(with_bot)) == (1, rev)
    assert Note.objects.get().body == "À rappeler demain"


def test_a_ref_belongs_to_its_author_and_conversation(with_bot, koffi, awa, fatou_writes):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Autre")
    ids = {add(user, c, ref="r1").json()["note_id"] for user in (koffi, awa) for c in (with_bot, other)}
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("body", "code"),
    [("", "empty"), (" \u200b\n", "empty"), ("a" * (MAX_NOTE_CHARACTERS + 1), "too_long")],
)
def test_an_empty_or_too_long_note_is_refused(with_bot, koffi, body, code):
    response = add(koffi, with_bot, body=body)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["success"] is False
    assert not Note.objects.exists()


def test_the_longest_note_is_accepted(with_bot, koffi):
    assert add(koffi, with_bot, body="é" * MAX_NOTE_CHARACTERS).status_code == 200


def test_a_ref_that_is_too_long_is_refused(with_bot, koffi):
    assert add(koffi, with_bot, ref="r" * 65).status_code == 422


def test_an_outsider_and_the_anonymous_add_nothing(with_bot, sales, yao):
    Conversation.objects.update(team=sales)
    assert add(yao, with_bot).status_code == 404
    assert add(None, with_bot).status_code == 401
    assert program(yao).post("/dashboard/chat/99999999/notes", {"body": "x"}).status_code == 404
    assert not Note.objects.exists()


def test_without_scripts_the_form_returns_to_the_conversation(with_bot, koffi):
    response = add(koffi, with_bot, accept="text/html")
    note = Note.objects.get()
    assert (response.status_code, response["Location"]) == (
        302,
        f"/dashboard/chat/{with_bot.pk}#note-{note.pk}",
    )


def test_without_scripts_a_refused_text_is_not_lost(with_bot, koffi):
    text = "mot " * MAX_NOTE_CHARACTERS
    response = add(koffi, with_bot, accept="text/html", body=text, ref="r1")
    assert response.status_code == 422
    assert text.strip() in response.text
    assert 'name="ref" value="r1"' in response.text
    assert "dépasse" in response.text


# -- editing and deleting -----------------------------------------------------------------------------------


def edit(user, note, body="Corrigé", accept="application/json"):
    return program(user, accept).post(f"/dashboard/notes/{note.pk}", {"body": body})


def delete(user, note):
    return program(user).delete(f"/dashboard/notes/{note.pk}")


def test_the_author_edits_with_a_trace(with_bot, koffi, koffi_notes):
    note = koffi_notes(with_bot, "Faute")
    rev = rev_of(with_bot)
    response = edit(koffi, note, "Corrigé")
    assert (response.status_code, response.json()["note_id"]) == (200, note.pk)
    note.refresh_from_db()
    assert (note.body, note.rev, note.edited_at is not None) == ("Corrigé", rev + 1, True)
    trace = NoteRevision.objects.get()
    assert (trace.note, trace.action, trace.body, trace.by_name) == (note, "edited", "Faute", "Koffi Mensah")


def test_an_unchanged_text_leaves_no_trace(with_bot, koffi, koffi_notes):
    note = koffi_notes(with_bot)
    rev = rev_of(with_bot)
    assert edit(koffi, note, note.body).status_code == 200
    assert (NoteRevision.objects.count(), rev_of(with_bot)) == (0, rev)


def test_the_author_deletes_with_a_trace(with_bot, koffi, koffi_notes):
    note = koffi_notes(with_bot, "Secret")
    rev = rev_of(with_bot)
    first, second = delete(koffi, note), delete(koffi, note)
    assert (first.status_code, first.json()["note_id"]) == (200, note.pk)
    assert second.json() == first.json()
    note.refresh_from_db()
    assert (note.body, note.rev, note.is_deleted) == ("", rev + 1, True)
    assert list(note.revisions.values_list("action", "body")) == [("deleted", "Secret")]
    assert "Secret" not in first.json()["html"]


@pytest.mark.parametrize("action", [edit, delete])
def test_a_note_of_someone_else_cannot_be_changed(with_bot, awa, mariam, koffi_notes, action):
    note = koffi_notes(with_bot)
    for user in (awa, mariam):
        response = action(user, note)
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    note.refresh_from_db()
    assert (note.body, note.deleted_at) == ("À rappeler", None)


@pytest.mark.parametrize("action", [edit, delete])
def test_after_ten_minutes_a_note_cannot_be_changed(with_bot, koffi, koffi_notes, action):
    note = koffi_notes(with_bot)
    Note.objects.update(created_at=timezone.now() - timedelta(minutes=9))
    assert action(koffi, note).status_code == 200
    late = koffi_notes(with_bot)
    Note.objects.filter(pk=late.pk).update(created_at=timezone.now() - timedelta(minutes=10, seconds=1))
    response = action(koffi, late)
    assert (response.status_code, response.json()["code"]) == (403, "too_late")
    assert "10 minutes" in response.json()["error"]


def test_a_deleted_note_cannot_be_edited(with_bot, koffi, koffi_notes):
    note = koffi_notes(with_bot)
    delete(koffi, note)
    response = edit(koffi, note)
    assert (response.status_code, response.json()["code"]) == (409, "deleted")


@pytest.mark.parametrize("body", ["", "a" * (MAX_NOTE_CHARACTERS + 1)])
def test_an_edit_has_the_limits_of_a_note(with_bot, koffi, koffi_notes, body):
    note = koffi_notes(with_bot)
    assert edit(koffi, note, body).status_code == 422
    assert not NoteRevision.objects.exists()


def test_out_of_reach_a_note_does_not_exist(with_bot, sales, yao, koffi, koffi_notes):
    note = koffi_notes(with_bot)
    Conversation.objects.update(team=sales)
    for user in (yao, koffi):
        assert edit(user, note).status_code == delete(user, note).status_code == 404
        assert program(user).get(f"/dashboard/notes/{note.pk}").status_code == 404
    assert edit(None, note).status_code == delete(None, note).status_code == 401


def test_the_database_keeps_no_text_of_a_deleted_note(with_bot, koffi_notes):
    note = koffi_notes(with_bot)
    with pytest.raises(IntegrityError), transaction.atomic():
        Note.objects.filter(pk=note.pk).update(deleted_at=timezone.now())


# -- the page of a note --------------------------------------------------------------------------------------


def test_without_scripts_the_author_edits_and_deletes_on_the_notes_page(with_bot, koffi, koffi_notes):
    note = koffi_notes(with_bot, "Faute")
    page = browser(koffi).get(f"/dashboard/notes/{note.pk}").text
    assert f'action="/dashboard/notes/{note.pk}"' in page
    assert f'action="/dashboard/notes/{note.pk}/delete"' in page
    back = f"/dashboard/chat/{with_bot.pk}#note-{note.pk}"
    assert edit(koffi, note, accept="text/html")["Location"] == back
    assert browser(koffi).post(f"/dashboard/notes/{note.pk}/delete")["Location"] == back
    note.refresh_from_db()
    assert note.is_deleted


def test_a_refused_edit_keeps_its_text(with_bot, koffi, koffi_notes):
    note = koffi_notes(with_bot)
    response = edit(koffi, note, "mot " * MAX_NOTE_CHARACTERS, accept="text/html")
    assert response.status_code == 422
    assert "mot mot mot" in response.text
    Note.objects.update(created_at=timezone.now() - timedelta(hours=1))
    response = edit(koffi, note, "trop tard, mais pas perdu", accept="text/html")
    assert response.status_code == 403
    assert "trop tard, mais pas perdu" in response.text


def test_colleagues_see_earlier_texts_but_no_form(with_bot, koffi, awa, koffi_notes):
    note = koffi_notes(with_bot, "Premier texte")
    edit(koffi, note, "Second texte")
    page = browser(awa).get(f"/dashboard/notes/{note.pk}").text
    assert "Premier texte" in page
    assert "Second texte" in page
    assert 'name="body"' not in page


def test_only_supervisors_read_the_text_of_a_deleted_note(with_bot, koffi, awa, mariam, koffi_notes):
    note = koffi_notes(with_bot, "Secret")
    delete(koffi, note)
    assert "Secret" in browser(mariam).get(f"/dashboard/notes/{note.pk}").text
    for user in (awa, koffi):
        page = browser(user).get(f"/dashboard/notes/{note.pk}")
        assert page.status_code == 200
        assert "Secret" not in page.text


# -- in the history ------------------------------------------------------------------------------------------


def history(user, conversation, query=""):
    return browser(user).get(f"/dashboard/chat/{conversation.pk}{query}").text


def test_a_note_is_in_its_place_in_the_history(with_bot, awa, koffi_notes, fatou_writes):
    first, second = koffi_notes(with_bot, "Première note"), koffi_notes(with_bot, "Seconde note")
    fatou_writes("le message d'après")
    page = history(awa, with_bot)
    places = [page.index(f'id="note-{note.pk}"') for note in (first, second)]
    assert page.index("mercedes</p>") < places[0] < places[1] < page.index("le message d&#x27;après</p>")
    assert "Note interne" in page


def test_a_deleted_note_leaves_a_line(with_bot, awa, koffi, koffi_notes):
    note = koffi_notes(with_bot, "Secret")
    delete(koffi, note)
    page = history(awa, with_bot)
    assert "Note supprimée" in page
    assert "Secret" not in page


def test_each_note_is_on_exactly_one_page_of_a_long_history(with_bot, awa, koffi_notes, fatou_writes):
    notes = []
    for number in range(130):
        fatou_writes(f"message {number}")
        notes.append(koffi_notes(with_bot, f"note {number}").pk)
    first = history(awa, with_bot)
    with_bot.refresh_from_db()
    cursors = [with_bot.seq - 59, with_bot.seq - 119]
    pages = [first, *(history(awa, with_bot, f"/earlier?before={cursor}") for cursor in cursors)]
    found = [[note for note in notes if f'id="note-{note}"' in page] for page in pages]
    assert sorted(sum(found, [])) == notes
    assert [len(page) for page in found] == [60, 60, 10]


def test_a_text_with_markup_is_escaped_and_urls_are_links(with_bot, awa, koffi_notes):
    koffi_notes(with_bot, "<b>gras</b> https://example.com/a")
    page = history(awa, with_bot)
    assert "&lt;b&gt;gras&lt;/b&gt;" in page
    assert '<a href="https://example.com/a"' in page


def test_notes_change_neither_the_lists_order_nor_the_preview(with_bot, awa, koffi_notes, clock):
    activity = with_bot.last_activity_at
    clock.passes(hours=1)
    koffi_notes(with_bot, "ne pas montrer dans la liste")
    with_bot.refresh_from_db()
    assert with_bot.last_activity_at == activity
    assert "ne pas montrer dans la liste" not in browser(awa).get("/dashboard/active").text


def test_a_deleted_author_leaves_a_readable_note(with_bot, awa, koffi, koffi_notes):
    koffi_notes(with_bot, "Le texte reste")
    koffi.delete()
    page = history(awa, with_bot)
    assert "Le texte reste" in page
    assert "Koffi Mensah" in page
