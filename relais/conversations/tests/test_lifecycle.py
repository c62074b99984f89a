"""The life cycle table, cell by cell: each verb in each situation."""

from datetime import timedelta

import pytest

from relais.accounts.models import User
from relais.action_errors import NotAllowed
from relais.conversations import lifecycle
from relais.conversations.errors import StateConflict
from relais.conversations.events import BOT
from relais.conversations.lifecycle import end_inactive
from relais.conversations.models import Conversation
from relais.conversations.states import Situation
from relais.typography import typeset
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db

TAKEN_OVER = typeset(
    "Vous êtes maintenant en contact avec un agent Mercedes-Benz. Comment puis-je vous aider ?"
)
CLOSED = typeset(
    "Merci d'avoir contacté Mercedes-Benz. Votre conversation a été clôturée. "
    "N'hésitez pas à nous recontacter si besoin !"
)
WAITING_TEXT = "Votre demande est bien reçue. Un agent Mercedes-Benz vous répond dès que possible."


# -- client writes -----------------------------------------------------------------------------------


def test_client_writes_to_the_bot(with_bot, fatou_writes):
    again = fatou_writes("encore")
    assert again.pk == with_bot.pk
    assert again.situation is Situation.BOT
    assert event_types_of(again) == ["message_received", "message_received"]
    assert messages_to_client(again) == []


def test_client_writes_while_waiting_and_gets_the_waiting_text_once(waiting, fatou_writes, clock):
    fatou_writes("il y a quelqu'un ?")
    fatou_writes("allô")
    assert messages_to_client(waiting) == [WAITING_TEXT]
    clock.passes(minutes=11)
    assert messages_to_client(fatou_writes("toujours là")) == [WAITING_TEXT, WAITING_TEXT]


def test_client_writes_to_the_holder_and_it_is_unread(held_by_awa, fatou_writes, awa):
    conversation = fatou_writes("j'ai une question")
    assert conversation.agent == awa
    assert conversation.is_unread
    assert messages_to_client(conversation) == [TAKEN_OVER]


def test_client_writes_after_the_end_and_opens_a_new_conversation(ended, fatou_writes):
    new = fatou_writes("rebonjour")
    assert new.pk != ended.pk
    assert new.situation is Situation.BOT
    assert (new.epoch, new.seq, new.current_menu) == (0, 1, "main_menu")


def test_a_client_given_to_a_silent_agent_gets_the_waiting_text(waiting, koffi, mariam, fatou_writes, clock):
    waiting.reassign(koffi, by=mariam, at=clock.passes(minutes=1))
    assert messages_to_client(fatou_writes("allô ?")) == [WAITING_TEXT]


# -- flow or API asks for an agent -------------------------------------------------------------------


def test_asking_for_an_agent_from_the_bot(with_bot, clock):
    assert with_bot.ask_for_agent(by=BOT, at=clock.now) is True
    assert with_bot.situation is Situation.WAITING
    assert with_bot.transferred_at == clock.now
    assert with_bot.epoch == 0


def test_asking_for_an_agent_while_waiting_does_nothing(waiting, clock):
    before = event_types_of(waiting)
    assert waiting.ask_for_agent(by=BOT, at=clock.now) is True
    assert event_types_of(waiting) == before


def test_asking_for_an_agent_while_held_does_nothing(held_by_awa, awa, clock):
    assert held_by_awa.ask_for_agent(by=BOT, at=clock.now) is True
    assert held_by_awa.agent == awa


def test_asking_for_an_agent_after_the_end_is_too_late(ended, clock):
    assert ended.ask_for_agent(by=BOT, at=clock.now) is False


# -- take over ---------------------------------------------------------------------------------------


def test_take_over_from_the_bot(with_bot, awa, clock):
    with_bot.take_over(awa, at=clock.now)
    assert (with_bot.situation, with_bot.agent, with_bot.epoch) == (Situation.HELD, awa, 1)
    assert event_types_of(with_bot) == ["message_received", "agent_takeover", "message_sent"]
    assert messages_to_client(with_bot) == [TAKEN_OVER]
    assert not with_bot.is_unread


def test_take_over_of_a_waiting_client(waiting, awa, clock):
    requested_at = waiting.transferred_at
    waiting.take_over(awa, at=clock.passes(minutes=2))
    assert (waiting.situation, waiting.epoch) == (Situation.HELD, 1)
    assert waiting.transferred_at == requested_at


def test_take_over_by_the_holder_again_changes_nothing(held_by_awa, awa, clock):
    before = event_types_of(held_by_awa)
    held_by_awa.take_over(awa, at=clock.now)
    assert event_types_of(held_by_awa) == before
    assert held_by_awa.epoch == 1


def test_take_over_of_what_another_holds_names_the_holder(held_by_awa, koffi, awa, clock):
    with pytest.raises(StateConflict) as refusal:
        held_by_awa.take_over(koffi, at=clock.now)
    assert refusal.value.agent == awa
    assert refusal.value.code == "held"
    assert "Awa Diop" in str(refusal.value)


def test_take_over_after_the_end_is_too_late(ended, koffi, clock):
    with pytest.raises(StateConflict) as refusal:
        ended.take_over(koffi, at=clock.now)
    assert (refusal.value.code, refusal.value.status, refusal.value.agent) == ("ended", "completed", None)


# -- flow complete -----------------------------------------------------------------------------------


def test_complete_by_the_bot(with_bot, clock):
    assert with_bot.complete(by=BOT, at=clock.passes(seconds=42)) is True
    assert (with_bot.status, with_bot.duration_seconds, with_bot.epoch) == ("completed", 42, 0)
    assert messages_to_client(with_bot) == []


@pytest.mark.parametrize("situation", ["waiting", "held_by_awa"])
def test_complete_while_a_human_is_asked_for_or_holds_does_nothing(situation, request, clock):
    conversation = request.getfixturevalue(situation)
    before = event_types_of(conversation)
    assert conversation.complete(by=BOT, at=clock.now) is False
    assert conversation.is_open
    assert event_types_of(conversation) == before


def test_complete_again_is_a_success_with_the_same_duration(with_bot, clock):
    with_bot.complete(by=BOT, at=clock.passes(seconds=42))
    assert with_bot.complete(by=BOT, at=clock.passes(minutes=5)) is True
    assert with_bot.duration_seconds == 42
    assert event_types_of(with_bot).count("flow_complete") == 1


# -- close -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", ["with_bot", "waiting"])
def test_close_of_what_nobody_holds_is_for_supervisors_and_sends_nothing(
    situation, request, awa, mariam, clock
):
    conversation = request.getfixturevalue(situation)
    with pytest.raises(NotAllowed):
        conversation.close(awa, at=clock.now)
    conversation.close(mariam, at=clock.now)
    assert (conversation.status, conversation.epoch) == ("completed", 1)
    assert messages_to_client(conversation) == []


def test_close_by_a_supervisor_can_send_the_closing_text(waiting, mariam, clock):
    waiting.close(mariam, at=clock.now, tell_client=True)
    assert messages_to_client(waiting) == [CLOSED]


def test_close_of_what_was_taken_over_meanwhile_sends_the_closing_text(waiting, awa, mariam, clock):
    stale_copy = Conversation.objects.get(pk=waiting.pk)
    waiting.take_over(awa, at=clock.passes(minutes=1))
    stale_copy.close(mariam, at=clock.passes(minutes=1))
    assert len(messages_to_client(waiting)) == 2


def test_close_by_the_holder_sends_the_closing_text(held_by_awa, awa, clock):
    held_by_awa.close(awa, at=clock.passes(minutes=2))
    assert (held_by_awa.status, held_by_awa.agent, held_by_awa.epoch) == ("completed", awa, 2)
    assert held_by_awa.duration_seconds == 130
    assert messages_to_client(held_by_awa) == [TAKEN_OVER, CLOSED]


def test_close_by_a_supervisor_of_what_another_holds(held_by_awa, mariam, clock):
    held_by_awa.close(mariam, at=clock.now)
    assert messages_to_client(held_by_awa)[-1] == CLOSED


def test_close_by_another_agent_is_not_allowed(held_by_awa, koffi, clock):
    with pytest.raises(NotAllowed, match="Awa Diop"):
        held_by_awa.close(koffi, at=clock.now)
    assert held_by_awa.is_open


def test_close_after_the_end_is_too_late(ended, awa, mariam, clock):
    for who in (awa, mariam):
        with pytest.raises(StateConflict):
            ended.close(who, at=clock.now)


# -- hand back ---------------------------------------------------------------------------------------


def test_hand_back_of_what_the_bot_has_is_too_late(with_bot, awa, mariam, clock):
    for who in (awa, mariam):
        with pytest.raises(StateConflict):
            with_bot.hand_back(who, at=clock.now)


def test_hand_back_of_a_waiting_client_is_for_supervisors(waiting, awa, mariam, clock):
    with pytest.raises(NotAllowed):
        waiting.hand_back(awa, at=clock.now)
    waiting.hand_back(mariam, at=clock.now)
    assert (waiting.situation, waiting.epoch) == (Situation.BOT, 1)


@pytest.mark.parametrize("who", ["awa", "mariam"])
def test_hand_back_by_the_holder_or_a_supervisor_sends_nothing(held_by_awa, who, request, clock):
    held_by_awa.hand_back(request.getfixturevalue(who), at=clock.now, reason="fin")
    assert (held_by_awa.situation, held_by_awa.agent, held_by_awa.epoch) == (Situation.BOT, None, 2)
    assert messages_to_client(held_by_awa) == [TAKEN_OVER]
    release = held_by_awa.events.get(event_type="agent_release")
    assert release.metadata == {"to": "bot", "reason": "fin", "previous_agent": "Awa Diop"}


def test_hand_back_of_what_was_taken_over_meanwhile_names_the_agent(waiting, awa, mariam, clock):
    stale_copy = Conversation.objects.get(pk=waiting.pk)
    waiting.take_over(awa, at=clock.passes(minutes=1))
    stale_copy.hand_back(mariam, at=clock.passes(minutes=1))
    assert waiting.events.get(event_type="agent_release").metadata["previous_agent"] == "Awa Diop"


def test_hand_back_by_another_agent_is_not_allowed(held_by_awa, koffi, clock):
    with pytest.raises(NotAllowed):
        held_by_awa.hand_back(koffi, at=clock.now)


def test_hand_back_after_the_end_is_too_late(ended, mariam, clock):
    with pytest.raises(StateConflict):
        ended.hand_back(mariam, at=clock.now)


# -- reassign ----------------------------------------------------------------------------------------


def test_reassign_of_what_the_bot_has_is_too_late(with_bot, koffi, mariam, clock):
    with pytest.raises(StateConflict):
        with_bot.reassign(koffi, by=mariam, at=clock.now)


@pytest.mark.parametrize("situation", ["waiting", "held_by_awa"])
def test_reassign_by_a_supervisor(situation, request, koffi, mariam, clock):
    conversation = request.getfixturevalue(situation)
    epoch, sent = conversation.epoch, messages_to_client(conversation)
    conversation.reassign(koffi, by=mariam, at=clock.now)
    assert (conversation.agent, conversation.epoch) == (koffi, epoch + 1)
    assert messages_to_client(conversation) == sent
    assert conversation.is_unread


def test_reassign_is_not_for_agents(waiting, awa, koffi, clock):
    with pytest.raises(NotAllowed):
        waiting.reassign(koffi, by=awa, at=clock.now)


def test_reassign_to_an_agent_out_of_reach_or_deactivated_is_refused(
    waiting, mariam, koffi, yao, sales, clock
):
    Conversation.objects.filter(pk=waiting.pk).update(team=sales)
    with pytest.raises(NotAllowed):
        waiting.reassign(yao, by=mariam, at=clock.now)
    koffi.deactivate(by=mariam, at=clock.now)
    with pytest.raises(NotAllowed):
        waiting.reassign(koffi, by=mariam, at=clock.now)


def test_reassign_to_the_holder_changes_nothing(held_by_awa, awa, mariam, clock):
    before = event_types_of(held_by_awa)
    held_by_awa.reassign(awa, by=mariam, at=clock.now)
    assert event_types_of(held_by_awa) == before


def test_reassign_after_the_end_is_too_late(ended, koffi, mariam, clock):
    with pytest.raises(StateConflict):
        ended.reassign(koffi, by=mariam, at=clock.now)


# -- the holder leaves -------------------------------------------------------------------------------


def test_a_deactivated_holder_releases_everything_to_the_queue(held_by_awa, awa, nadia, fatou_writes, clock):
    awa.deactivate(by=nadia, at=clock.passes(minutes=1))
    held_by_awa.refresh_from_db()
    assert (held_by_awa.situation, held_by_awa.epoch) == (Situation.WAITING, 2)
    assert held_by_awa.transferred_at == clock.now
    assert event_types_of(held_by_awa)[-1] == "agent_release"
    assert messages_to_client(fatou_writes("allô ?"))[-1] == WAITING_TEXT


def test_a_deleted_holder_leaves_a_readable_history(held_by_awa, awa):
    awa.delete()
    held_by_awa.refresh_from_db()
    assert held_by_awa.situation is Situation.WAITING
    assert event_types_of(held_by_awa).count("agent_release") == 1
    assert held_by_awa.events.get(event_type="agent_takeover").author_name == "Awa Diop"


def test_a_deleted_agent_is_removed_from_ended_conversations(ended, awa):
    awa.delete()
    ended.refresh_from_db()
    assert (ended.agent_id, ended.situation) == (None, Situation.ENDED)
    assert "agent_release" not in event_types_of(ended)


# -- inactivity --------------------------------------------------------------------------------------


def end_after_a_day(clock) -> int:
    at = clock.passes(hours=24, seconds=1)
    return end_inactive(Conversation.objects.all(), inactive_since=at - timedelta(hours=24), at=at)


def test_inactivity_with_the_bot_is_a_timeout(with_bot, clock):
    assert end_after_a_day(clock) == 1
    with_bot.refresh_from_db()
    assert (with_bot.status, with_bot.epoch) == ("timeout", 0)


def test_inactivity_while_waiting_is_an_abandonment(waiting, clock):
    assert end_after_a_day(clock) == 1
    waiting.refresh_from_db()
    assert waiting.status == "abandoned"


def test_inactivity_while_held_changes_nothing(held_by_awa, clock):
    assert end_after_a_day(clock) == 0


def test_inactivity_after_the_end_changes_nothing(ended, clock):
    assert end_after_a_day(clock) == 0


@pytest.fixture
def five_inactive(fatou_writes, clock, monkeypatch):
    monkeypatch.setattr(lifecycle, "END_BATCH_SIZE", 2)
    for number in range(5):
        fatou_writes(address=f"whatsapp:+21260000001{number}")
    return clock.passes(hours=24, seconds=1)


def test_all_inactive_conversations_are_ended_in_one_run(five_inactive):
    inactive_since = five_inactive - timedelta(hours=24)
    assert end_inactive(Conversation.objects.all(), inactive_since=inactive_since, at=five_inactive) == 5
    assert not Conversation.objects.open().exists()


def test_a_run_out_of_time_leaves_the_rest_for_the_next_run(five_inactive):
    def run():
        inactive_since = five_inactive - timedelta(hours=24)
        conversations = Conversation.objects.all()
        return end_inactive(conversations, inactive_since=inactive_since, at=five_inactive, max_seconds=0)

    assert [run(), run(), run(), run()] == [2, 2, 1, 0]


def test_a_client_who_wrote_recently_is_not_inactive(with_bot, fatou_writes, clock):
    clock.passes(hours=20)
    fatou_writes("je suis là")
    clock.passes(hours=-20)
    assert end_after_a_day(clock) == 0


# -- database constraints ---------------------------------------------------------------------------


def test_two_users_with_one_email_are_refused(awa):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user(email="AWA@example.com", full_name="Awa bis", role="agent")


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "completed"},
        {"status": "asleep"},
        {"duration_seconds": -1},
        {"ended_at": "2026-03-02T10:00:00Z"},
    ],
)
def test_an_impossible_conversation_is_refused(with_bot, fields):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.filter(pk=with_bot.pk).update(**fields)


def test_the_bot_has_no_agent_beside_it(held_by_awa):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.filter(pk=held_by_awa.pk).update(status="active")


def test_events_are_append_only(with_bot):
    from django.db import DatabaseError, transaction

    for attempt in (lambda e: e.update(body="autre"), lambda e: e.delete()):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            attempt(with_bot.events.all())


@pytest.mark.django_db(transaction=True)
def test_a_user_being_deactivated_is_given_no_conversation(fatou_writes, clock):
    from relais.conversations.tests.test_inbound import run_concurrently

    for n in range(40):
        leaving = User.objects.create(
            email=f"l{n}@example.com", full_name="Partant", role="agent", password="!"
        )
        conversation = fatou_writes(address=f"whatsapp:+2125{n:08d}")

        def race(deactivates, conversation=conversation, leaving=leaving):
            if deactivates:
                leaving.deactivate(by=None, at=clock.now)
            else:
                conversation.take_over(leaving, at=clock.now)

        take_over_error, deactivation_error = run_concurrently(race, 2)
        assert deactivation_error is None
        assert take_over_error is None or isinstance(take_over_error, NotAllowed)
        assert not Conversation.objects.held_by(leaving).exists()
