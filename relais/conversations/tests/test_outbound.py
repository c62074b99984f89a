"""Sending: by whom, when not, once, in what order, and what becomes of it."""

import pytest

from relais.action_errors import NotAllowed
from relais.clients.models import ClientAddress
from relais.conversations.errors import CannotSend, StateConflict
from relais.conversations.events import BOT, Author
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.outbound import Template
from relais.conversations.outgoing_text import clean_message
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db
PROGRAM = Author("api", "CRM")


def test_the_holder_can_send(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("  Bonjour Fatou  ", agent=awa, at=clock.now)
    assert (delivery.state, delivery.by_person, delivery.epoch) == ("queued", True, None)
    assert delivery.event.body == "Bonjour Fatou"
    assert delivery.event.author_name == "Awa Diop"
    assert delivery.rev == delivery.event.rev


def test_the_same_ref_sends_once_even_after_the_end(held_by_awa, awa, clock):
    first = held_by_awa.send_as_agent("une fois", agent=awa, at=clock.now, ref="r1")
    held_by_awa.close(awa, at=clock.passes(seconds=5))
    assert held_by_awa.send_as_agent("deux fois", agent=awa, at=clock.now, ref="r1").pk == first.pk
    assert messages_to_client(held_by_awa).count("une fois") == 1


@pytest.mark.parametrize("situation", ["with_bot", "waiting"])
def test_nobody_sends_before_taking_over(situation, request, awa, clock):
    with pytest.raises(NotAllowed):
        request.getfixturevalue(situation).send_as_agent("bonjour", agent=awa, at=clock.now)


def test_neither_another_agent_nor_a_supervisor_sends_for_the_holder(held_by_awa, koffi, mariam, clock):
    for who in (koffi, mariam):
        with pytest.raises(NotAllowed, match="Awa Diop"):
            held_by_awa.send_as_agent("bonjour", agent=who, at=clock.now)


def test_after_the_end_nothing_can_be_sent(ended, awa, clock):
    with pytest.raises(StateConflict):
        ended.send_as_agent("encore un mot", agent=awa, at=clock.now)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("\u200b\u200d", "empty"),
        ("\x00", "empty"),
        ("é" * (MAX_MESSAGE_CHARACTERS + 1), "too_long"),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_with_a_code(held_by_awa, awa, clock, text, code):
    with pytest.raises(CannotSend) as refusal:
        held_by_awa.send_as_agent(text, agent=awa, at=clock.now)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "text", ["𝔐" * MAX_MESSAGE_CHARACTERS, "مرحبا", "👩🏽‍🔧 ok", "<b>gras</b>", "a\u202eb"]
)
def test_text_of_any_script_is_sent_unchanged(held_by_awa, awa, clock, text):
    assert held_by_awa.send_as_agent(text, agent=awa, at=clock.now).event.body == text


def test_characters_that_postgresql_cannot_store_are_removed():
    assert clean_message("a\x00b\ud800c\r\nd") == "ab?c\nd"


def test_the_window_closes_a_day_after_the_client_s_last_message(held_by_awa, awa, fatou_writes, clock):
    clock.passes(hours=23, minutes=59)
    held_by_awa.send_as_agent("à temps", agent=awa, at=clock.now)
    with pytest.raises(CannotSend) as refusal:
        held_by_awa.send_as_agent("trop tard", agent=awa, at=clock.passes(minutes=1))
    assert refusal.value.code == "window_closed"
    fatou_writes("me revoilà")
    held_by_awa.send_as_agent("bonjour", agent=awa, at=clock.now)


def test_the_window_is_of_the_channel_not_of_the_conversation(ended, fatou_writes, awa, clock):
    clock.passes(hours=20)
    new = fatou_writes("rebonjour")
    Conversation.objects.filter(pk=new.pk).update(last_inbound_at=None)
    new.take_over(awa, at=clock.now)
    assert new.send_as_agent("d'après l'ancienne", agent=awa, at=clock.now).state == "queued"


def test_nothing_is_sent_to_a_client_who_opted_out(held_by_awa, awa, clock):
    ClientAddress.objects.update(opted_out_at=clock.now)
    with pytest.raises(CannotSend) as refusal:
        held_by_awa.send_as_agent("bonjour", agent=awa, at=clock.now)
    assert refusal.value.code == "opted_out"


def test_a_verb_stands_although_its_text_cannot_be_sent(with_bot, awa, clock):
    with_bot.take_over(awa, at=clock.passes(hours=25))
    delivery = with_bot.deliveries.get()
    assert (with_bot.agent, delivery.state, delivery.reason) == (awa, "refused", "window_closed")


def test_a_program_can_send_until_an_agent_holds(waiting, awa, clock):
    delivery = waiting.send_as_program("Votre rendez-vous est pris.", by=PROGRAM, at=clock.now)
    assert (delivery.epoch, delivery.by_person) == (0, False)
    waiting.take_over(awa, at=clock.now)
    with pytest.raises(StateConflict) as refusal:
        waiting.send_as_program("encore", by=PROGRAM, at=clock.now)
    assert refusal.value.agent == awa


def test_a_take_over_withholds_the_bot_s_queued_text_and_sends_its_own(with_bot, awa, clock):
    menu = with_bot.send_as_program("Menu : 1, 2, 3", by=BOT, at=clock.now)
    with_bot.take_over(awa, at=clock.passes(seconds=1))
    at = clock.passes(seconds=1)
    assert menu.claim(by="p", at=at) is False
    assert (menu.state, menu.reason) == ("refused", "taken_over")
    take_over_text = with_bot.deliveries.get(epoch=None)
    assert take_over_text.claim(by="p", at=at) is True


def test_a_text_claimed_before_the_take_over_stands_above_it(with_bot, awa, clock):
    menu = with_bot.send_as_program("Menu : 1, 2, 3", by=BOT, at=clock.now)
    assert menu.claim(by="p", at=clock.now)
    with_bot.take_over(awa, at=clock.passes(seconds=1))
    assert event_types_of(with_bot)[-3:] == ["message_sent", "agent_takeover", "message_sent"]


# -- order -------------------------------------------------------------------------------------------


def test_within_a_conversation_messages_are_sent_one_after_the_other(held_by_awa, awa, clock):
    first, second = (held_by_awa.send_as_agent(t, agent=awa, at=clock.now) for t in ("un", "deux"))
    take_over_text = held_by_awa.deliveries.order_by("id").first()
    due = lambda: list(MessageDelivery.objects.due(clock.now))  # noqa: E731
    assert due() == [take_over_text]
    assert not first.claim(by="p", at=clock.now)
    assert take_over_text.claim(by="p", at=clock.now)
    assert due() == []
    take_over_text.mark_sent("SM1", at=clock.now)
    assert due() == [first]
    first.claim(by="p", at=clock.now)
    first.mark_uncertain(at=clock.now, error="?")
    assert due() == []
    clock.passes(minutes=2)
    assert due() == [second]


def test_persons_go_before_automatic_texts_of_other_conversations(held_by_awa, awa, fatou_writes, clock):
    for delivery in held_by_awa.deliveries.all():
        delivery.claim(by="p", at=clock.now)
        delivery.mark_sent(f"SM{delivery.pk}", at=clock.now)
    other = fatou_writes(address="whatsapp:+2250700000009")
    automatic = other.send_as_program("Menu", by=BOT, at=clock.now)
    personal = held_by_awa.send_as_agent("bonjour", agent=awa, at=clock.now)
    assert list(MessageDelivery.objects.due(clock.now)) == [personal, automatic]


# -- states -----------------------------------------------------------------------------------------


@pytest.fixture
def claimed(held_by_awa, awa, clock):
    """The take-over's text, claimed, before Twilio's answer."""
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    return delivery


def test_a_claim_is_won_once_and_raises_rev(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    before = delivery.rev
    assert delivery.claim(by="a", at=clock.now)
    assert not MessageDelivery.objects.get(pk=delivery.pk).claim(by="b", at=clock.now)
    assert delivery.rev == before + 1


@pytest.mark.parametrize(
    "states",
    [
        ["sent", "delivered", "read"],
        ["read", "delivered", "sent"],
        ["delivered", "delivered", "read", "sent", "read"],
    ],
)
def test_states_only_move_forward_in_any_order(claimed, states, clock):
    for state in states:
        claimed.advance(state, at=clock.now, sid="SM1")
    assert (claimed.state, claimed.sid) == ("read", "SM1")


def test_a_status_before_the_call_s_answer_stays(claimed, clock):
    claimed.advance("delivered", at=clock.now, sid="SM1")
    claimed.mark_sent("SM1", at=clock.now)
    assert claimed.state == "delivered"


def test_the_first_error_stays(claimed, clock):
    claimed.mark_failed(at=clock.now, code=63016, error="fenêtre fermée")
    claimed.mark_failed(at=clock.now, code=30008, error="autre")
    claimed.advance("sent", at=clock.now, sid="SM1")
    assert (claimed.state, claimed.error_code, claimed.sid) == ("failed", 63016, "SM1")


def test_a_delivered_message_does_not_fail(claimed, clock):
    claimed.advance("delivered", at=clock.now, sid="SM1")
    assert not claimed.mark_failed(at=clock.now, code=30008, error="?")
    assert claimed.state == "delivered"


def test_a_status_resolves_an_uncertain_message(claimed, clock):
    claimed.mark_uncertain(at=clock.now, error="?")
    claimed.advance("sent", at=clock.now, sid="SM1")
    assert claimed.state == "sent"


# -- resend ----------------------------------------------------------------------------------------


def test_a_failed_message_is_resent_once(claimed, held_by_awa, awa, clock):
    claimed.mark_failed(at=clock.now, code=30008, error="?")
    resent = held_by_awa.resend(claimed.event, agent=awa, at=clock.now)
    assert resent.event.resend_of == claimed.event
    assert resent.event.body == claimed.event.body
    before = claimed.rev
    assert held_by_awa.resend(claimed.event, agent=awa, at=clock.now).pk == resent.pk
    claimed.refresh_from_db()
    assert claimed.state == "failed"
    assert claimed.rev > before, "every screen shows that it was resent"


def test_a_failed_template_can_be_resent_although_the_window_is_closed(with_bot, awa, clock):
    template = Template("HX" + "1" * 32, {"1": "Fatou"})
    delivery = with_bot.send_as_program("", by=BOT, at=clock.passes(hours=30), template=template)
    assert delivery.claim(by="p", at=clock.now)
    delivery.mark_failed(at=clock.now, code=63012, error="?")
    with_bot.take_over(awa, at=clock.passes(minutes=1))
    resent = with_bot.resend(delivery.event, agent=awa, at=clock.now)
    assert (resent.state, resent.event.metadata["content_sid"]) == ("queued", template.content_sid)


def test_a_sent_message_is_not_resent(claimed, held_by_awa, awa, clock):
    claimed.mark_sent("SM1", at=clock.now)
    with pytest.raises(StateConflict):
        held_by_awa.resend(claimed.event, agent=awa, at=clock.now)


def test_the_holder_decides_about_an_uncertain_message(claimed, held_by_awa, awa, koffi, clock):
    claimed.mark_uncertain(at=clock.now, error="?")
    with pytest.raises(NotAllowed):
        held_by_awa.confirm_arrival(claimed.event, agent=koffi, at=clock.now)
    assert held_by_awa.confirm_arrival(claimed.event, agent=awa, at=clock.now).state == "sent"


def test_an_uncertain_message_that_is_resent_is_marked_failed(claimed, held_by_awa, awa, clock):
    claimed.mark_uncertain(at=clock.now, error="?")
    held_by_awa.resend(claimed.event, agent=awa, at=clock.now)
    claimed.refresh_from_db()
    assert (claimed.state, claimed.reason) == ("failed", "resent")
