"""What goes out: by whom, when not, once, and in what order."""

import pytest

from relais.clients.models import ClientAddress
from relais.conversations.errors import CannotSend, NotAllowed, StateConflict
from relais.conversations.events import BOT, Author
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.outbound import Template, clean_message
from relais.text import MAX_MESSAGE_CHARACTERS
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db
PROGRAM = Author("api", "CRM")


def test_the_holder_is_heard(held_by_awa, awa, clock):
    delivery = held_by_awa.send_as_agent("  Bonjour Fatou  ", agent=awa, at=clock.now)
    assert (delivery.state, delivery.by_person, delivery.epoch) == ("queued", True, None)
    assert delivery.event.body == "Bonjour Fatou"
    assert delivery.event.author_name == "Awa Diop"
    assert delivery.rev == delivery.event.rev


def test_the_same_ref_says_it_once_even_after_the_end(held_by_awa, awa, clock):
    first = held_by_awa.send_as_agent("une fois", agent=awa, at=clock.now, ref="r1")
    held_by_awa.close(awa, at=clock.passes(seconds=5))
    assert held_by_awa.send_as_agent("deux fois", agent=awa, at=clock.now, ref="r1").pk == first.pk
    assert messages_to_client(held_by_awa).count("une fois") == 1


@pytest.mark.parametrize("situation", ["with_bot", "waiting"])
def test_nobody_speaks_before_taking_over(situation, request, awa, clock):
    with pytest.raises(NotAllowed):
        request.getfixturevalue(situation).send_as_agent("bonjour", agent=awa, at=clock.now)


def test_another_agent_and_even_a_supervisor_do_not_speak_for_the_holder(held_by_awa, koffi, mariam, clock):
    for who in (koffi, mariam):
        with pytest.raises(NotAllowed, match="Awa Diop"):
            held_by_awa.send_as_agent("bonjour", agent=who, at=clock.now)


def test_after_the_end_it_is_too_late_to_speak(ended, awa, clock):
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
def test_a_text_that_cannot_go_is_refused_by_name(held_by_awa, awa, clock, text, code):
    with pytest.raises(CannotSend) as refusal:
        held_by_awa.send_as_agent(text, agent=awa, at=clock.now)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "text", ["𝔐" * MAX_MESSAGE_CHARACTERS, "مرحبا", "👩🏽‍🔧 ok", "<b>gras</b>", "a\u202eb"]
)
def test_any_script_goes_as_it_is(held_by_awa, awa, clock, text):
    assert held_by_awa.send_as_agent(text, agent=awa, at=clock.now).event.body == text


def test_what_cannot_be_stored_is_taken_out():
    assert clean_message("a\x00b\ud800c\r\nd") == "ab?c\nd"


def test_the_window_closes_a_day_after_the_client_s_last_word(held_by_awa, awa, fatou_writes, clock):
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


def test_who_opted_out_is_left_alone(held_by_awa, awa, clock):
    ClientAddress.objects.update(opted_out_at=clock.now)
    with pytest.raises(CannotSend) as refusal:
        held_by_awa.send_as_agent("bonjour", agent=awa, at=clock.now)
    assert refusal.value.code == "opted_out"


def test_a_verb_is_not_undone_by_what_cannot_be_said(with_bot, awa, clock):
    with_bot.take_over(awa, at=clock.passes(hours=25))
    told = with_bot.deliveries.get()
    assert (with_bot.agent, told.state, told.reason) == (awa, "refused", "window_closed")


def test_a_program_speaks_until_an_agent_holds(waiting, awa, clock):
    delivery = waiting.send_as_program("Votre rendez-vous est pris.", by=PROGRAM, at=clock.now)
    assert (delivery.epoch, delivery.by_person) == (0, False)
    waiting.take_over(awa, at=clock.now)
    with pytest.raises(StateConflict) as refusal:
        waiting.send_as_program("encore", by=PROGRAM, at=clock.now)
    assert refusal.value.agent == awa


def test_the_bot_s_late_word_is_withheld_and_the_take_over_s_own_text_goes(with_bot, awa, clock):
    stale = with_bot.send_as_program("Menu : 1, 2, 3", by=BOT, at=clock.now)
    with_bot.take_over(awa, at=clock.passes(seconds=1))
    at = clock.passes(seconds=1)
    assert stale.claim(by="p", at=at) is False
    assert (stale.state, stale.reason) == ("refused", "taken_over")
    told = with_bot.deliveries.get(epoch=None)
    assert told.claim(by="p", at=at) is True


def test_a_word_claimed_before_the_take_over_stands_above_it(with_bot, awa, clock):
    said = with_bot.send_as_program("Menu : 1, 2, 3", by=BOT, at=clock.now)
    assert said.claim(by="p", at=clock.now)
    with_bot.take_over(awa, at=clock.passes(seconds=1))
    assert event_types_of(with_bot)[-3:] == ["message_sent", "agent_takeover", "message_sent"]


# -- order -------------------------------------------------------------------------------------------


def test_within_a_conversation_one_leaves_after_the_other(held_by_awa, awa, clock):
    first, second = (held_by_awa.send_as_agent(t, agent=awa, at=clock.now) for t in ("un", "deux"))
    told = held_by_awa.deliveries.order_by("id").first()
    due = lambda: list(MessageDelivery.objects.due(clock.now))  # noqa: E731
    assert due() == [told]
    assert not first.claim(by="p", at=clock.now)
    assert told.claim(by="p", at=clock.now)
    assert due() == []
    told.mark_sent("SM1", at=clock.now)
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


# -- fate --------------------------------------------------------------------------------------------


@pytest.fixture
def leaving(held_by_awa, awa, clock):
    """The take-over's text, claimed and about to be answered by Twilio."""
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
    "told",
    [
        ["sent", "delivered", "read"],
        ["read", "delivered", "sent"],
        ["delivered", "delivered", "read", "sent", "read"],
    ],
)
def test_ticks_only_go_forward_in_whatever_order_they_come(leaving, told, clock):
    for state in told:
        leaving.advance(state, at=clock.now, sid="SM1")
    assert (leaving.state, leaving.sid) == ("read", "SM1")


def test_a_tick_before_the_answer_keeps_its_place(leaving, clock):
    leaving.advance("delivered", at=clock.now, sid="SM1")
    leaving.mark_sent("SM1", at=clock.now)
    assert leaving.state == "delivered"


def test_the_first_error_stays(leaving, clock):
    leaving.mark_failed(at=clock.now, code=63016, error="fenêtre fermée")
    leaving.mark_failed(at=clock.now, code=30008, error="autre")
    leaving.advance("sent", at=clock.now, sid="SM1")
    assert (leaving.state, leaving.error_code, leaving.sid) == ("failed", 63016, "SM1")


def test_what_was_delivered_does_not_fail(leaving, clock):
    leaving.advance("delivered", at=clock.now, sid="SM1")
    assert not leaving.mark_failed(at=clock.now, code=30008, error="?")
    assert leaving.state == "delivered"


def test_a_tick_resolves_a_doubt(leaving, clock):
    leaving.mark_uncertain(at=clock.now, error="?")
    leaving.advance("sent", at=clock.now, sid="SM1")
    assert leaving.state == "sent"


# -- again -------------------------------------------------------------------------------------------


def test_a_failed_message_is_said_again_once(leaving, held_by_awa, awa, clock):
    leaving.mark_failed(at=clock.now, code=30008, error="?")
    again = held_by_awa.resend(leaving.event, agent=awa, at=clock.now)
    assert again.event.resend_of == leaving.event
    assert again.event.body == leaving.event.body
    before = leaving.rev
    assert held_by_awa.resend(leaving.event, agent=awa, at=clock.now).pk == again.pk
    leaving.refresh_from_db()
    assert leaving.state == "failed"
    assert leaving.rev > before, "every screen is told that it was said again"


def test_a_template_that_failed_is_said_again_although_the_window_is_closed(with_bot, awa, clock):
    template = Template("HX" + "1" * 32, {"1": "Fatou"})
    told = with_bot.send_as_program("", by=BOT, at=clock.passes(hours=30), template=template)
    assert told.claim(by="p", at=clock.now)
    told.mark_failed(at=clock.now, code=63012, error="?")
    with_bot.take_over(awa, at=clock.passes(minutes=1))
    again = with_bot.resend(told.event, agent=awa, at=clock.now)
    assert (again.state, again.event.metadata["content_sid"]) == ("queued", template.content_sid)


def test_what_left_is_not_said_again(leaving, held_by_awa, awa, clock):
    leaving.mark_sent("SM1", at=clock.now)
    with pytest.raises(StateConflict):
        held_by_awa.resend(leaving.event, agent=awa, at=clock.now)


def test_an_uncertain_message_waits_for_a_person_s_choice(leaving, held_by_awa, awa, koffi, clock):
    leaving.mark_uncertain(at=clock.now, error="?")
    with pytest.raises(NotAllowed):
        held_by_awa.confirm_arrival(leaving.event, agent=koffi, at=clock.now)
    assert held_by_awa.confirm_arrival(leaving.event, agent=awa, at=clock.now).state == "sent"


def test_an_uncertain_message_said_again_is_given_up(leaving, held_by_awa, awa, clock):
    leaving.mark_uncertain(at=clock.now, error="?")
    held_by_awa.resend(leaving.event, agent=awa, at=clock.now)
    leaving.refresh_from_db()
    assert (leaving.state, leaving.reason) == ("failed", "resent")
