"""The client sees that the holder writes: at most every 20 seconds, within the window, and never because of others."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.company.company_settings import TYPING_INDICATOR, set_value
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.conversations.tests.test_inbound import run_concurrently
from relais.whatsapp import tasks
from relais.whatsapp.models import TypingIndicator
from relais.whatsapp.outbound import typing_indicator, typing_reports
from relais.whatsapp.outbound.typing_reports import TypingReports
from tests.cast import FATOU, OUR_NUMBER, MachineClock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock():
    return MachineClock()


@pytest.fixture
def held(double, awa):
    """Fatou has written through Twilio, and Awa has taken over. The setting is on."""
    set_value(TYPING_INDICATOR, True)
    double.client_writes(FATOU, "bonjour", name="Fatou")
    conversation = Conversation.objects.get()
    conversation.take_over(awa, at=timezone.now())
    return conversation


def show(conversation, user, *, ago=0.0, at=None):
    at = at or timezone.now()
    reported_at = at - timedelta(seconds=ago)
    typing_indicator.show_typing(conversation.pk, user and user.pk, reported_at=reported_at, at=at)


def calls(double):
    return double.requests("typing")


class TestOnThePhone:
    def test_it_is_shown_and_the_message_is_marked_as_read(self, held, awa, double):
        assert not double.sees_typing(FATOU)
        show(held, awa)
        assert double.sees_typing(FATOU)
        [message] = [each for each in double.double.messages.oldest_first() if each.inbound]
        assert message.as_phone_json()["state"] == "read"

    def test_at_most_every_20_seconds(self, held, awa, double):
        now = timezone.now()
        for seconds in (0, 3, 19.9, 20, 39, 41):
            show(held, awa, at=now + timedelta(seconds=seconds))
        assert calls(double) == 3

    def test_once_for_two_processes(self, held, awa, double):
        for _n in range(5):
            TypingIndicator.objects.all().delete()
            before = calls(double)
            run_concurrently(lambda n: show(held, awa), 3)
            assert calls(double) == before + 1

    def test_a_clock_that_was_set_back_does_not_block_it(self, held, awa, double):
        now = timezone.now()
        TypingIndicator.objects.create(conversation=held, shown_at=now + timedelta(hours=1))
        show(held, awa)
        assert calls(double) == 1


class TestNotShown:
    def test_by_default(self, held, awa, double):
        set_value(TYPING_INDICATOR, TYPING_INDICATOR.default())
        show(held, awa)
        assert calls(double) == 0

    def test_for_who_does_not_hold_it(self, held, koffi, mariam, double):
        for user in (koffi, mariam, None):
            show(held, user)
        held.hand_back(held.agent, at=timezone.now())
        show(held, koffi)
        assert calls(double) == 0

    def test_when_it_ended_or_waits(self, held, awa, double):
        held.close(awa, at=timezone.now())
        show(held, awa)
        assert calls(double) == 0

    def test_outside_the_window(self, held, awa, double):
        Conversation.objects.update(last_inbound_at=timezone.now() - timedelta(hours=24, seconds=1))
        show(held, awa)
        assert calls(double) == 0

    def test_to_who_opted_out(self, held, awa, double):
        type(held.address).objects.update(opted_out_at=timezone.now())
        show(held, awa)
        assert calls(double) == 0

    def test_too_late(self, held, awa, double):
        show(held, awa, ago=6)
        assert calls(double) == 0

    def test_after_the_answer(self, held, awa, double):
        reported_at = timezone.now()
        held.send_as_agent("Bonjour", agent=awa, at=timezone.now())
        typing_indicator.show_typing(held.pk, awa.pk, reported_at=reported_at, at=timezone.now())
        assert calls(double) == 0


class TestFailuresAreSilent:
    @pytest.mark.parametrize(
        "rule", [{"fault": "reject", "code": 20404}, {"fault": "5xx"}, {"fault": "429"}, {"fault": "dropped"}]
    )
    def test_of_twilio(self, held, awa, double, rule):
        double.fault("typing", rule.pop("fault"), **rule)
        show(held, awa)
        assert calls(double) == 1
        assert not double.sees_typing(FATOU)

    def test_when_twilio_is_unreachable(self, held, awa, double):
        with double.unreachable():
            show(held, awa)

    def test_of_a_conversation_that_is_gone(self, held, awa, double):
        typing_indicator.show_typing(0, awa.pk, reported_at=timezone.now(), at=timezone.now())
        assert calls(double) == 0


class TestReports:
    @pytest.fixture
    def requested(self, monkeypatch):
        """The requests, as (user, conversation)."""
        made = []
        monkeypatch.setattr(typing_reports, "_request", lambda *call: made.append(call))
        return made

    @pytest.fixture
    def reports(self):
        reports = TypingReports()
        yield reports
        reports._thread.shutdown()

    def test_of_writing_only(self, requested, reports):
        for activity in ("view", "note", "write"):
            reports.on_activity(1, 2, activity)
        reports._thread.shutdown()
        assert requested == [(1, 2)]

    def test_each_user_and_conversation_every_20_seconds(self, requested, reports, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(typing_reports.time, "monotonic", lambda: now[0])
        for at in (0, 3, 6, 19.9, 20.1, 23):
            now[0] = 1000.0 + at
            reports.on_activity(1, 2, "write")
        reports.on_activity(1, 3, "write")
        reports.on_activity(4, 2, "write")
        reports._thread.shutdown()
        assert requested == [(1, 2), (1, 2), (1, 3), (4, 2)]

    def test_remember_a_bounded_number(self, requested, reports, monkeypatch):
        monkeypatch.setattr(typing_reports, "MAX_REMEMBERED", 10)
        for conversation in range(100):
            reports.on_activity(1, conversation, "write")
        assert len(reports._reported_at) <= 10

    def test_become_a_job_if_the_setting_is_on(self, held, awa, double):
        for is_on in (False, True):
            set_value(TYPING_INDICATOR, is_on)
            thread = threading.Thread(target=typing_reports._request, args=(awa.pk, held.pk))
            thread.start()
            thread.join()
        [job] = ProcrastinateJob.objects.filter(task_name=tasks.show_typing.name)
        assert job.queue_name == "typing"
        tasks.show_typing.func(**job.args)
        assert double.sees_typing(FATOU)


def test_the_bot_may_show_it_while_it_works(double):
    set_value(TYPING_INDICATOR, True)
    double.client_writes(FATOU, "bonjour", name="Fatou")
    conversation = Conversation.objects.get()
    show(conversation, None)
    assert double.sees_typing(FATOU)
    conversation.ask_for_agent(by=BOT, at=timezone.now())
    TypingIndicator.objects.all().delete()
    show(conversation, None)
    assert calls(double) == 1
    assert conversation.sender == OUR_NUMBER
