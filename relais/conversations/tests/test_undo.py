"""Undoing a message or a closing: while its text is held in the outbox the client has seen nothing of it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from relais.action_errors import NotAllowed
from relais.conversations.errors import StateConflict
from relais.conversations.models import Conversation, MessageDelivery, SenderRateLimit
from relais.conversations.outbox import claim_batch
from tests.cast import OUR_NUMBER, MachineClock, event_types_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    return MachineClock()


def send(conversation, agent, text, at, undo_seconds=5):
    return conversation.send_as_agent(text, agent=agent, at=at, undo_seconds=undo_seconds)


def claimed_texts():
    SenderRateLimit.objects.update_or_create(
        sender=OUR_NUMBER, defaults={"tokens": 10, "counted_at": timezone.now()}
    )
    batch = claim_batch(by="p", rate=80, limit=10, automatic_limit=10)
    return [delivery.event.body for delivery in batch.claimed]


def due_texts(at):
    return [delivery.event.body for delivery in MessageDelivery.objects.due(at).select_related("event")]


@pytest.fixture
def after_take_over(held_by_awa):
    """Nothing is left in the outbox from the take-over."""
    MessageDelivery.objects.update(state="sent")
    return held_by_awa


# -- messages -----------------------------------------------------------------------------------------------


def test_a_message_is_held_for_its_author_to_undo(after_take_over, awa, clock):
    at = clock.now
    send(after_take_over, awa, "Bonjour", at)
    assert due_texts(at + timedelta(seconds=4.9)) == []
    assert due_texts(at + timedelta(seconds=5)) == ["Bonjour"]


def test_a_held_message_holds_back_the_next_ones(after_take_over, awa, clock):
    at = clock.now
    send(after_take_over, awa, "un", at)
    send(after_take_over, awa, "deux", at, undo_seconds=0)
    assert due_texts(at + timedelta(seconds=1)) == []
    assert due_texts(at + timedelta(seconds=6)) == ["un"]


def test_a_message_is_not_held_when_the_clock_was_set_back(after_take_over, awa, clock):
    at = clock.now
    send(after_take_over, awa, "Bonjour", at)
    assert due_texts(at - timedelta(hours=1)) == ["Bonjour"]


def test_the_sender_does_not_claim_what_is_held(after_take_over, awa, clock):
    send(after_take_over, awa, "plus tard", clock.now, undo_seconds=50)
    assert claimed_texts() == []
    MessageDelivery.objects.update(held_until=clock.now - timedelta(seconds=1))
    assert claimed_texts() == ["plus tard"]


def test_an_undone_message_is_not_sent(after_take_over, awa, clock):
    at = clock.now
    held = send(after_take_over, awa, "Oups", at)
    send(after_take_over, awa, "Bonjour", at, undo_seconds=0)
    undone = after_take_over.undo_send(held.event, agent=awa, at=at + timedelta(seconds=2))
    assert (undone.state, undone.reason) == ("refused", "undone")
    assert due_texts(at + timedelta(hours=1)) == ["Bonjour"]


def test_undoing_twice_is_undoing_once(after_take_over, awa, clock):
    held = send(after_take_over, awa, "Oups", clock.now)
    after_take_over.undo_send(held.event, agent=awa, at=clock.now)
    rev = Conversation.objects.get().rev
    assert after_take_over.undo_send(held.event, agent=awa, at=clock.now).reason == "undone"
    assert Conversation.objects.get().rev == rev


def test_what_was_claimed_cannot_be_undone(after_take_over, awa, clock):
    held = send(after_take_over, awa, "Oups", clock.now)
    assert held.claim(by="p", at=clock.now + timedelta(seconds=6))
    with pytest.raises(StateConflict) as refusal:
        after_take_over.undo_send(held.event, agent=awa, at=clock.now + timedelta(seconds=6))
    assert refusal.value.code == "already_sent"


def test_a_message_that_was_not_held_cannot_be_undone(after_take_over, awa, clock):
    sent = send(after_take_over, awa, "Oups", clock.now, undo_seconds=0)
    with pytest.raises(StateConflict):
        after_take_over.undo_send(sent.event, agent=awa, at=clock.now)


def test_only_the_author_undoes_a_message(after_take_over, awa, mariam, clock):
    held = send(after_take_over, awa, "Oups", clock.now)
    with pytest.raises(NotAllowed):
        after_take_over.undo_send(held.event, agent=mariam, at=clock.now)


def test_undoing_after_a_reassignment_is_still_the_authors(after_take_over, awa, koffi, mariam, clock):
    held = send(after_take_over, awa, "Oups", clock.now)
    after_take_over.reassign(koffi, by=mariam, at=clock.now)
    assert after_take_over.undo_send(held.event, agent=awa, at=clock.now).reason == "undone"


# -- closing ------------------------------------------------------------------------------------------------


def close(conversation, by, at, undo_seconds=5):
    conversation.close(by, at=at, undo_seconds=undo_seconds)


def test_an_undone_closing_is_as_if_it_had_not_been(after_take_over, awa, clock):
    at = clock.now
    epoch = after_take_over.epoch
    close(after_take_over, awa, at)
    after_take_over.reopen(awa, at=at + timedelta(seconds=3))
    conversation = Conversation.objects.get()
    assert (conversation.status, conversation.agent_id, conversation.ended_at) == (
        "transferred",
        awa.pk,
        None,
    )
    assert conversation.duration_seconds is None
    assert conversation.epoch == epoch + 2
    assert event_types_of(conversation)[-3:] == [
        "conversation_closed",
        "message_sent",
        "conversation_reopened",
    ]
    assert due_texts(at + timedelta(hours=1)) == []


def test_undoing_a_closing_twice_is_undoing_it_once(after_take_over, awa, clock):
    close(after_take_over, awa, clock.now)
    after_take_over.reopen(awa, at=clock.now)
    after_take_over.reopen(awa, at=clock.now)
    assert event_types_of(after_take_over).count("conversation_reopened") == 1


def test_a_supervisor_gives_it_back_to_its_holder(after_take_over, awa, mariam, clock):
    close(after_take_over, mariam, clock.now)
    after_take_over.reopen(mariam, at=clock.now)
    assert Conversation.objects.get().agent == awa


def test_a_holder_who_left_meanwhile_does_not_get_it_back(after_take_over, awa, mariam, clock):
    close(after_take_over, mariam, clock.now)
    awa.deactivate(by=None, at=clock.now)
    after_take_over.reopen(mariam, at=clock.now)
    assert Conversation.objects.get().situation.value == "waiting"


def test_a_conversation_of_the_bot_goes_back_to_the_bot(with_bot, mariam, clock):
    close(with_bot, mariam, clock.now)
    with_bot.reopen(mariam, at=clock.now)
    assert Conversation.objects.get().situation.value == "bot"


@pytest.mark.parametrize("seconds", [11, 3600])
def test_after_a_while_a_closing_stays(after_take_over, awa, clock, seconds):
    at = clock.now
    close(after_take_over, awa, at)
    with pytest.raises(StateConflict) as refusal:
        after_take_over.reopen(awa, at=at + timedelta(seconds=seconds))
    assert refusal.value.code == "too_late"


def test_a_closing_without_time_to_undo_stays(after_take_over, awa, clock):
    close(after_take_over, awa, clock.now, undo_seconds=0)
    with pytest.raises(StateConflict):
        after_take_over.reopen(awa, at=clock.now)


def test_who_did_not_close_it_cannot_undo_it(after_take_over, awa, koffi, mariam, clock):
    close(after_take_over, awa, clock.now)
    for other in (koffi, mariam):
        with pytest.raises(StateConflict):
            after_take_over.reopen(other, at=clock.now)


def test_a_closing_whose_text_has_left_stays(after_take_over, awa, clock):
    at = clock.now
    close(after_take_over, awa, at)
    text = MessageDelivery.objects.get(state="queued")
    assert text.claim(by="p", at=at + timedelta(seconds=6))
    with pytest.raises(StateConflict) as refusal:
        after_take_over.reopen(awa, at=at + timedelta(seconds=6))
    assert refusal.value.code == "too_late"


def test_a_client_who_wrote_again_has_another_conversation(after_take_over, awa, fatou_writes, clock):
    close(after_take_over, awa, clock.now)
    fatou_writes("encore moi")
    with pytest.raises(StateConflict) as refusal:
        after_take_over.reopen(awa, at=clock.now)
    assert refusal.value.code == "too_late"
    assert not Conversation.objects.get(pk=after_take_over.pk).is_open


# -- over HTTP ----------------------------------------------------------------------------------------------


@pytest.fixture
def awa(awa):
    awa.undo_seconds = 5
    awa.save()
    return awa


def post(user, conversation, action, **fields):
    client = Client(headers={"accept": "application/json"})
    client.force_login(user)
    return client.post(f"/dashboard/chat/{conversation.pk}/{action}", fields)


def test_a_page_asks_for_time_to_undo_and_a_program_does_not(after_take_over, awa):
    post(awa, after_take_over, "send", message="à l'instant")
    post(awa, after_take_over, "send", message="dans un instant", undo="1")
    assert due_texts(timezone.now()) == ["à l'instant"]
    held = MessageDelivery.objects.get(event__body="dans un instant").held_until
    assert held > timezone.now()


def test_an_agent_who_wants_no_delay_has_none(after_take_over, awa):
    awa.undo_seconds = 0
    awa.save()
    post(awa, after_take_over, "send", message="Bonjour", undo="1")
    assert due_texts(timezone.now()) == ["Bonjour"]


def test_undoing_a_message_over_http(after_take_over, awa):
    sent = post(awa, after_take_over, "send", message="Oups", undo="1").json()
    undone = post(awa, after_take_over, "undo-send", event=sent["event_id"]).json()
    assert (undone["success"], undone["status"]) == (True, "refused")
    assert "Annulé" in undone["html"]
    assert "Renvoyer" not in undone["html"]


def test_undoing_too_late_over_http(after_take_over, awa):
    sent = post(awa, after_take_over, "send", message="Parti").json()
    response = post(awa, after_take_over, "undo-send", event=sent["event_id"])
    assert (response.status_code, response.json()["code"]) == (409, "already_sent")


def test_undoing_a_closing_over_http(after_take_over, awa):
    assert post(awa, after_take_over, "close", undo="1").json()["success"]
    response = post(awa, after_take_over, "reopen")
    assert (response.status_code, response.json()["status"]) == (200, "transferred")
    assert post(awa, after_take_over, "close").json()["success"]
    response = post(awa, after_take_over, "reopen")
    assert (response.status_code, response.json()["code"]) == (409, "too_late")


def test_out_of_reach_nothing_can_be_undone(after_take_over, yao, sales):
    Conversation.objects.update(team=sales)
    assert post(yao, after_take_over, "undo-send", event=1).status_code == 404
    assert post(yao, after_take_over, "reopen").status_code == 404


def test_the_list_shows_the_message_before_the_undone_one(after_take_over, awa, clock):
    from relais.conversations.list_rows import message_preview, with_row_data

    held = send(after_take_over, awa, "Oups", clock.now)
    after_take_over.undo_send(held.event, agent=awa, at=clock.now)
    row = with_row_data(Conversation.objects.all()).get()
    preview = message_preview(row)
    assert preview is not None
    assert preview.text == "mercedes"
