"""Which events are told, to whom, and in which words."""

from datetime import timedelta

import pytest
from django.utils import translation

from relais.conversations.events import BOT
from relais.conversations.service_window import SERVICE_WINDOW
from relais.notes.models import Note
from relais.notifications import tasks
from relais.notifications.models import NotificationPreferences
from relais.notifications.notification import Notification, users_who_reach
from relais.notifications.notification_kinds import NotificationKind
from relais.notifications.tests.conftest import run_jobs

pytestmark = pytest.mark.django_db


def told(frames, kind):
    """The users told of this kind, and the frames."""
    of_kind = [(users, frame) for users, frame in frames if frame["event"] == kind]
    return sorted(user for users, _frame in of_kind for user in users), [frame for _users, frame in of_kind]


class TestMyClientWrote:
    def test_the_holder_is_told_once_for_a_burst(self, held_by_awa, awa, koffi, fatou_writes, frames):
        run_jobs()
        fatou_writes("bonjour")
        run_jobs()
        users, [frame] = told(frames, "client_message")
        assert users == [awa.pk]
        assert frame["title"] == "Fatou"
        first = held_by_awa.events.get(body="bonjour")
        assert frame["url"] == f"/dashboard/chat/{held_by_awa.pk}#message-{first.pk}"
        assert (frame["sound"], frame["desktop"]) == (True, True)

    def test_nobody_while_the_bot_answers_or_the_client_waits(self, waiting, awa, fatou_writes, frames):
        fatou_writes("bonjour")
        run_jobs()
        assert told(frames, "client_message") == ([], [])

    def test_not_what_was_read_meanwhile(self, held_by_awa, awa, fatou_writes, frames):
        fatou_writes("bonjour").mark_read_by(awa)
        run_jobs()
        assert told(frames, "client_message") == ([], [])

    def test_the_text_only_to_who_chose_so(self, held_by_awa, awa, fatou_writes, frames):
        fatou_writes("mon secret")
        run_jobs()
        assert "secret" not in str(frames)
        NotificationPreferences.objects.create(user=awa, shows_text=True)
        fatou_writes("mon " + "long " * 100 + "secret")
        run_jobs()
        body = told(frames, "client_message")[1][-1]["body"]
        assert body.startswith("mon long long") and len(body) <= 140

    def test_in_the_users_language(self, held_by_awa, awa, fatou_writes, frames):
        type(awa).objects.update(language="en")
        fatou_writes("bonjour")
        with translation.override("fr"):
            run_jobs()
        assert told(frames, "client_message")[1][0]["body"] == "New message from your client"

    def test_nobody_who_does_not_want_to_be_disturbed(self, held_by_awa, awa, fatou_writes, frames):
        NotificationPreferences.objects.create(user=awa, do_not_disturb=True)
        fatou_writes("bonjour")
        run_jobs()
        assert frames == []


class TestSomeoneWaits:
    def test_everybody_who_may_take_it_is_told_without_a_sound(
        self, with_bot, awa, koffi, yao, mariam, clock, frames
    ):
        with_bot.ask_for_agent(by=BOT, at=clock.now, reason="le client le demande")
        run_jobs()
        users, [frame] = told(frames, "waiting")
        assert users == sorted([awa.pk, koffi.pk, yao.pk, mariam.pk])
        assert (frame["sound"], frame["desktop"]) == (False, True)

    def test_nobody_outside_its_team(self, with_bot, awa, yao, mariam, clock, frames):
        with_bot.team = yao.team
        with_bot.save()
        with_bot.ask_for_agent(by=BOT, at=clock.now)
        run_jobs()
        assert told(frames, "waiting")[0] == sorted([yao.pk, mariam.pk])

    def test_who_is_told_is_who_reaches_it(self, with_bot, awa, yao, koffi, mariam, nadia, sales):
        koffi.is_active = False
        koffi.save()
        everybody = [awa, yao, koffi, mariam, nadia]
        for team in (None, yao.team, sales):
            with_bot.team = team
            with_bot.save()
            reaching = {user for user in everybody if user.reachable_conversations().exists()}
            assert set(users_who_reach(with_bot)) == reaching

    def test_nobody_once_it_was_taken(self, waiting, awa, koffi, clock, frames):
        waiting.take_over(koffi, at=clock.now)
        run_jobs()
        assert told(frames, "waiting") == ([], [])

    def test_again_when_its_holder_leaves(self, held_by_awa, awa, koffi, clock, frames):
        run_jobs()
        awa.deactivate(by=None, at=clock.now)
        run_jobs()
        assert told(frames, "waiting")[0] == [koffi.pk]

    def test_the_team_it_was_transferred_to_but_not_who_did(
        self, held_by_awa, awa, yao, mariam, clock, frames
    ):
        held_by_awa.transfer_to_team(yao.team, by=mariam, at=clock.now, note="une pièce")
        run_jobs()
        assert told(frames, "waiting")[0] == [yao.pk]


class TestTransferredToMe:
    def test_the_colleague_is_told_by_whom(self, held_by_awa, awa, koffi, clock, frames):
        held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now, note="elle parle dioula")
        run_jobs()
        users, [frame] = told(frames, "transfer")
        assert users == [koffi.pk]
        assert frame["body"] == "Awa Diop vous confie cette conversation"

    def test_the_note_only_to_who_chose_so(self, held_by_awa, awa, koffi, clock, frames):
        NotificationPreferences.objects.create(user=koffi, shows_text=True)
        held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now, note="elle parle dioula")
        run_jobs()
        assert told(frames, "transfer")[1][0]["body"].endswith("\nelle parle dioula")

    def test_not_a_supervisor_who_gives_it_to_himself(self, waiting, mariam, clock, frames):
        waiting.reassign(mariam, by=mariam, at=clock.now)
        run_jobs()
        assert told(frames, "transfer") == ([], [])

    def test_not_once_it_was_given_on(self, held_by_awa, awa, koffi, mariam, clock, frames):
        held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now)
        held_by_awa.reassign(mariam, by=mariam, at=clock.now)
        run_jobs()
        assert told(frames, "transfer") == ([], [])

    def test_no_push_once_it_was_opened(self, held_by_awa, awa, koffi, clock):
        held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now)
        event = held_by_awa.events.last()
        assert Notification(NotificationKind.TRANSFER, held_by_awa, event).still_concerns(koffi)
        held_by_awa.mark_read_by(koffi)
        held_by_awa.refresh_from_db()
        assert not Notification(NotificationKind.TRANSFER, held_by_awa, event).still_concerns(koffi)


class TestFailure:
    def test_the_author_is_told(self, held_by_awa, awa, koffi, clock, frames):
        delivery = held_by_awa.send_as_agent("bonjour", agent=awa, at=clock.now)
        delivery.claim(by="test", at=clock.now)
        delivery.mark_failed(at=clock.now, code=63016, error="refusé")
        run_jobs()
        users, [frame] = told(frames, "failure")
        assert users == [awa.pk]
        assert frame["body"] == "Votre message n'est pas parti"

    def test_not_twice_and_not_of_the_bots(self, with_bot, awa, clock, frames):
        delivery = with_bot.send_as_program("bonjour", by=BOT, at=clock.now)
        delivery.mark_failed(at=clock.now, code=1, error="refusé")
        delivery.mark_failed(at=clock.now, code=1, error="refusé")
        run_jobs()
        assert told(frames, "failure") == ([], [])


class TestWindowClosing:
    def test_the_holder_is_told_once_an_hour_before(self, held_by_awa, awa, koffi, frames):
        run_jobs()
        frames.clear()
        closes_at = held_by_awa.last_inbound_at + SERVICE_WINDOW
        minute = (closes_at - tasks.WINDOW_WARNING).replace(second=0, microsecond=0)
        for shift in range(-2, 4):
            tasks.warn_of_closing_windows.func(int((minute + timedelta(minutes=shift)).timestamp()))
        users, [frame] = told(frames, "window_closing")
        assert users == [awa.pk]
        assert frame["body"].startswith("La fenêtre de 24 h se ferme")

    def test_nobody_for_what_nobody_holds(self, waiting, awa, frames):
        at = waiting.last_inbound_at + SERVICE_WINDOW - tasks.WINDOW_WARNING
        for shift in (0, 1):
            tasks.warn_of_closing_windows.func(int((at + timedelta(minutes=shift)).timestamp()))
        assert told(frames, "window_closing") == ([], [])


class TestMention:
    def test_the_mentioned_colleague_is_told_once(self, held_by_awa, awa, koffi, clock, frames):
        note = Note.write(held_by_awa, "@Koffi Mensah un secret", author=awa, at=clock.now)
        run_jobs()
        users, [frame] = told(frames, "mention")
        assert users == [koffi.pk]
        assert frame["body"] == "Awa Diop vous mentionne dans une note"
        note.edit("@Koffi Mensah autre chose", by=awa, at=clock.now)
        run_jobs()
        assert told(frames, "mention")[0] == [koffi.pk]

    def test_the_note_only_to_who_chose_so(self, held_by_awa, awa, koffi, clock, frames):
        NotificationPreferences.objects.create(user=koffi, shows_text=True)
        Note.write(held_by_awa, "@Koffi Mensah regarde", author=awa, at=clock.now)
        run_jobs()
        assert told(frames, "mention")[1][0]["body"].endswith("\n@Koffi Mensah regarde")

    def test_not_of_a_note_that_was_deleted_meanwhile(self, held_by_awa, awa, koffi, clock, frames):
        Note.write(held_by_awa, "@Koffi Mensah", author=awa, at=clock.now).remove(by=awa, at=clock.now)
        run_jobs()
        assert told(frames, "mention") == ([], [])
