"""Which events are told, to whom, and in which words."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone, translation
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.clients.models import ClientAddress
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.conversations.service_window import SERVICE_WINDOW
from relais.notes.models import Note
from relais.notifications import tasks
from relais.notifications.models import ClosingWindowWarning, NotificationPreferences
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
    @pytest.fixture
    def warn(self, held_by_awa, frames, monkeypatch):
        """Runs the periodic job, and the jobs it defers, so long before the window closes."""
        run_jobs()
        frames.clear()
        closes_at = held_by_awa.last_inbound_at + SERVICE_WINDOW

        def run(**before):
            at = closes_at - timedelta(**before)
            monkeypatch.setattr(tasks.timezone, "now", lambda: at)
            tasks.warn_of_closing_windows.func(int(at.timestamp()))
            run_jobs()
            return told(frames, "window_closing")

        return run

    def test_the_holder_is_told_once_an_hour_before(self, held_by_awa, awa, koffi, warn):
        assert warn(minutes=61) == ([], [])
        users, [frame] = warn(minutes=59)
        assert users == [awa.pk]
        assert frame["body"].startswith("La fenêtre de 24 h se ferme")
        last_message = held_by_awa.events.get(seq=held_by_awa.last_inbound_seq)
        assert frame["url"] == f"/dashboard/chat/{held_by_awa.pk}#message-{last_message.pk}"
        assert warn(minutes=58)[0] == warn(minutes=1)[0] == [awa.pk]

    def test_late_when_no_job_ran_but_not_after_the_end(self, awa, warn):
        assert warn(minutes=-1) == ([], [])
        assert warn(minutes=5)[0] == [awa.pk]

    def test_not_when_the_job_that_notifies_runs_after_the_end(self, held_by_awa, frames, clock):
        run_jobs()
        at = held_by_awa.last_inbound_at + SERVICE_WINDOW - timedelta(minutes=30)
        tasks.warn_of_closing_windows.func(int(at.timestamp()))
        assert "notify" in run_jobs()  # by now, years later
        assert told(frames, "window_closing") == ([], [])

    def test_not_of_a_client_who_was_answered(self, held_by_awa, awa, warn, clock):
        held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
        assert warn(minutes=30) == ([], [])

    def test_cancelled_by_an_answer_before_it_is_told(self, held_by_awa, awa, frames, clock, monkeypatch):
        run_jobs()
        at = held_by_awa.last_inbound_at + SERVICE_WINDOW - timedelta(minutes=30)
        monkeypatch.setattr(tasks.timezone, "now", lambda: at)
        tasks.warn_of_closing_windows.func(int(at.timestamp()))
        held_by_awa.send_as_agent("Bonjour", agent=awa, at=at)
        run_jobs()
        assert told(frames, "window_closing") == ([], [])

    def test_again_for_the_next_window(self, awa, warn, fatou_writes, clock):
        warn(minutes=30)
        clock.passes(hours=23, minutes=40)
        fatou_writes("et maintenant ?")
        assert warn(hours=-23)[0] == [awa.pk, awa.pk]

    def test_also_while_it_is_snoozed(self, held_by_awa, awa, warn, clock):
        held_by_awa.snooze(None, by=awa, at=clock.now)
        assert warn(minutes=30)[0] == [awa.pk]

    def test_not_of_a_client_who_opted_out(self, held_by_awa, warn, clock):
        ClientAddress.objects.update(opted_out_at=clock.now)
        assert warn(minutes=30) == ([], [])

    @pytest.mark.parametrize("is_answered", [False, True])
    def test_by_push_unless_it_was_answered_meanwhile(
        self, held_by_awa, awa, subscribe, browser_double, push_service, is_answered
    ):
        subscribe(awa)
        run_jobs()
        push_service.received.clear()
        now = timezone.now()
        Conversation.objects.update(last_inbound_at=now - SERVICE_WINDOW + timedelta(minutes=30))
        tasks.warn_of_closing_windows.func(int(now.timestamp()))
        [job] = ProcrastinateJob.objects.filter(task_name=tasks.notify.name)
        tasks.notify.func(**job.args)
        ProcrastinateJob.objects.filter(pk=job.pk).delete()
        if is_answered:
            held_by_awa.send_as_agent("Bonjour", agent=awa, at=now)
        assert "push" in run_jobs()
        events = [json.loads(browser_double.decrypt(each.body))["event"] for each in push_service.received]
        assert events == ([] if is_answered else ["window_closing"])

    def test_nobody_for_what_nobody_holds(self, waiting, frames):
        at = waiting.last_inbound_at + SERVICE_WINDOW - timedelta(minutes=30)
        tasks.warn_of_closing_windows.func(int(at.timestamp()))
        assert "notify" not in run_jobs() or told(frames, "window_closing") == ([], [])


@pytest.mark.django_db(transaction=True)
def test_two_processes_tell_of_a_closing_window_once(held_by_awa, frames):
    run_jobs()
    at = held_by_awa.last_inbound_at + SERVICE_WINDOW - timedelta(minutes=30)
    for _attempt in range(5):
        ClosingWindowWarning.objects.all().delete()
        ProcrastinateJob.objects.filter(task_name=tasks.notify.name).delete()
        barrier = threading.Barrier(4)

        def warn(barrier=barrier):
            barrier.wait()
            try:
                tasks.warn_of_closing_windows.func(int(at.timestamp()))
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as processes:
            for future in [processes.submit(warn) for _ in range(4)]:
                future.result()
        assert ProcrastinateJob.objects.filter(task_name=tasks.notify.name).count() == 1


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
