"""Drafts on the server: one per user and conversation, never one of a message that was sent."""

from datetime import datetime

import pytest
from django.test import Client
from django.utils import timezone

from relais.conversations.drafts import MAX_DRAFT_CHARACTERS, conversations_with_draft
from relais.conversations.models import Conversation, Draft

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def open_window(held_by_awa):
    """The views read the machine's clock, which is long after the one of the cast."""
    Conversation.objects.update(last_inbound_at=timezone.now())


def client_of(user):
    client = Client(headers={"accept": "application/json"})
    client.force_login(user)
    return client


def address(conversation, action="draft"):
    return f"/dashboard/chat/{conversation.pk}/{action}"


def save(user, conversation, text, **fields):
    return client_of(user).post(address(conversation), {"text": text, **fields})


def send(user, conversation, text, ref):
    response = client_of(user).post(address(conversation, "send"), {"message": text, "ref": ref})
    return response.status_code


def test_a_draft_is_found_on_another_device(held_by_awa, awa):
    before = timezone.now()
    assert save(awa, held_by_awa, " Bonjour\nFatou ").json()["success"]
    draft = client_of(awa).get(address(held_by_awa)).json()
    assert draft["text"] == " Bonjour\nFatou "
    assert datetime.fromisoformat(draft["saved_at"]) >= before.replace(microsecond=0)


def test_without_a_draft_the_text_is_empty(held_by_awa, awa):
    assert client_of(awa).get(address(held_by_awa)).json() == {"text": "", "saved_at": None}


def test_the_newest_text_replaces_the_older_one_and_an_empty_one_removes_it(held_by_awa, awa):
    save(awa, held_by_awa, "un")
    save(awa, held_by_awa, "deux")
    assert [draft.text for draft in Draft.objects.all()] == ["deux"]
    assert save(awa, held_by_awa, " \n").json()["success"]
    assert not Draft.objects.exists()


def test_each_user_has_a_draft_of_his_own(held_by_awa, awa, koffi):
    save(awa, held_by_awa, "d'Awa")
    save(koffi, held_by_awa, "de Koffi")
    assert client_of(awa).get(address(held_by_awa)).json()["text"] == "d'Awa"
    assert client_of(koffi).get(address(held_by_awa)).json()["text"] == "de Koffi"


def test_sending_the_message_removes_its_draft(held_by_awa, awa):
    save(awa, held_by_awa, "Bonjour", ref="r1")
    assert send(awa, held_by_awa, "Bonjour", "r1") == 200
    assert not Draft.objects.exists()


def test_sending_keeps_the_draft_of_the_next_message(held_by_awa, awa):
    save(awa, held_by_awa, "et encore", ref="r2")
    assert send(awa, held_by_awa, "Bonjour", "r1") == 200
    assert Draft.objects.get().text == "et encore"


def test_a_draft_that_arrives_after_its_message_is_dropped(held_by_awa, awa):
    assert send(awa, held_by_awa, "Bonjour", "r1") == 200
    assert save(awa, held_by_awa, "Bonj", ref="r1").json()["success"]
    assert not Draft.objects.exists()


def test_a_late_draft_of_a_sent_message_leaves_the_next_draft(held_by_awa, awa):
    assert send(awa, held_by_awa, "Bonjour", "r1") == 200
    save(awa, held_by_awa, "la suite", ref="r2")
    save(awa, held_by_awa, "", ref="r1")
    assert Draft.objects.get().text == "la suite"


def test_a_refused_message_keeps_its_draft(held_by_awa, awa):
    save(awa, held_by_awa, "x" * 1_601, ref="r1")
    assert send(awa, held_by_awa, "x" * 1_601, "r1") == 422
    assert Draft.objects.exists()


def test_a_draft_that_is_too_long_is_refused_and_the_former_kept(held_by_awa, awa):
    save(awa, held_by_awa, "court")
    response = save(awa, held_by_awa, "x" * (MAX_DRAFT_CHARACTERS + 1))
    assert (response.status_code, response.json()["code"]) == (422, "too_long")
    assert Draft.objects.get().text == "court"


def test_a_reference_that_is_too_long_is_refused(held_by_awa, awa):
    response = save(awa, held_by_awa, "x", ref="r" * 65)
    assert (response.status_code, response.json()["code"]) == (422, "ref")


def test_what_postgres_cannot_store_is_removed(held_by_awa, awa):
    save(awa, held_by_awa, "a\x00b")
    assert Draft.objects.get().text == "ab"


def test_out_of_reach_there_is_no_draft(held_by_awa, yao, sales):
    Conversation.objects.update(team=sales)
    assert save(yao, held_by_awa, "x").status_code == 404
    assert client_of(yao).get(address(held_by_awa)).status_code == 404


def test_the_anonymous_are_told_to_sign_in(held_by_awa):
    response = Client(headers={"accept": "application/json"}).post(address(held_by_awa), {"text": "x"})
    assert (response.status_code, response.json()["code"]) == (401, "login")


def test_rows_are_marked_where_the_reader_has_a_draft(held_by_awa, awa, koffi):
    save(awa, held_by_awa, "x")
    assert conversations_with_draft(awa) == [held_by_awa.pk]
    assert conversations_with_draft(koffi) == []
