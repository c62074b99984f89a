"""Snoozing: who may, until when, what ends it, and what the lists, the history and the counts show."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from relais.conversations import event_text, fragments, list_filters
from relais.conversations.dashboard_stats import dashboard_stats
from relais.conversations.models import Conversation
from relais.conversations.snooze import end_due_snoozes
from relais.conversations.snooze_times import choice_time, parse_until
from tests.cast import Clock, event_types_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


@pytest.fixture
def post_snooze(client):
    def post(user, conversation, until=""):
        client.force_login(user)
        path = f"/dashboard/chat/{conversation.pk}/snooze"
        return client.post(path, {"until": until}, headers={"accept": "application/json"})

    return post


@pytest.fixture
def later(clock):
    return (clock.now + timedelta(hours=3)).replace(microsecond=0)


def fresh(conversation):
    return Conversation.objects.get(pk=conversation.pk)


def mine(user):
    return list(list_filters.conversations_in_tab(list_filters.find_tab("mine"), user))


def snoozed(user):
    return list(list_filters.conversations_in_tab(list_filters.find_tab("snoozed"), user))


def sentence(event):
    return event_text.event_sentence(event).replace("\xa0", " ")


# -- until a time -----------------------------------------------------------------------------------------


def test_the_holder_snoozes_until_a_time(post_snooze, held_by_awa, awa, later, clock):
    before = fresh(held_by_awa)
    response = post_snooze(awa, held_by_awa, later.isoformat())
    assert (response.status_code, response.json()) == (200, {"success": True, "until": later.isoformat()})
    assert (mine(awa), snoozed(awa)) == ([], [held_by_awa])
    assert dashboard_stats(awa, at=clock.now).mine == 0
    after = fresh(held_by_awa)
    assert (after.rev, after.last_activity_at) == (before.rev + 1, before.last_activity_at)
    event = held_by_awa.events.latest("seq")
    assert sentence(event) == "Awa Diop a mis la conversation en pause, rappel"
    assert event_text.event_time(event) == later
    assert f'datetime="{later.astimezone(UTC):%Y-%m-%dT%H:%M}' in fragments.event_line(event)


def test_it_returns_on_top_with_the_reason(held_by_awa, fatou_writes, awa, later):
    held_by_awa.snooze(later, by=awa, at=later - timedelta(hours=1))
    newer = fatou_writes("bonjour", address="whatsapp:+2250700000077")
    newer.take_over(awa, at=later - timedelta(minutes=30))
    assert end_due_snoozes(Conversation.objects.all(), at=later - timedelta(seconds=1)) == 0
    assert end_due_snoozes(Conversation.objects.all(), at=later) == 1
    assert end_due_snoozes(Conversation.objects.all(), at=later) == 0
    assert [each.pk for each in Conversation.objects.order_by("-last_activity_at")] == [
        held_by_awa.pk,
        newer.pk,
    ]
    assert held_by_awa in mine(awa) and snoozed(awa) == []
    assert "rappel de" in fragments.row(fresh(held_by_awa))
    event = held_by_awa.events.latest("seq")
    assert (event.event_type, event.author_kind, event_text.event_time(event)) == (
        "snooze_ended",
        "system",
        later,
    )


def test_the_reminder_goes_when_the_holder_answers(held_by_awa, awa, later, clock):
    held_by_awa.snooze(later, by=awa, at=clock.now)
    fresh(held_by_awa).end_due_snooze(at=later)
    held_by_awa.send_as_agent("Me revoici", agent=awa, at=clock.now)
    assert (fresh(held_by_awa).snooze_end, fresh(held_by_awa).snoozed_until) == ("", None)


def test_the_reminder_can_be_removed(post_snooze, held_by_awa, awa, later, clock):
    held_by_awa.snooze(later, by=awa, at=clock.now)
    fresh(held_by_awa).end_due_snooze(at=later)
    rev = fresh(held_by_awa).rev
    assert post_snooze(awa, held_by_awa).json() == {"success": True, "until": None}
    assert (fresh(held_by_awa).snooze_end, fresh(held_by_awa).rev) == ("", rev + 1)
    assert event_types_of(held_by_awa).count("snooze_ended") == 1


# -- until the client writes --------------------------------------------------------------------------------


@pytest.mark.parametrize("until", ["reply", "time"])
def test_the_client_ends_every_snooze(post_snooze, held_by_awa, fatou_writes, awa, later, until):
    expected = "reply" if until == "reply" else later.isoformat()
    assert post_snooze(awa, held_by_awa, expected).json()["until"] == expected
    assert mine(awa) == []
    fatou_writes("me voici")
    conversation = fresh(held_by_awa)
    assert (conversation.is_snoozed, conversation.snooze_end, mine(awa)) == (False, "reply", [conversation])
    assert "le client a répondu" in fragments.row(conversation)
    assert end_due_snoozes(Conversation.objects.all(), at=later + timedelta(days=1)) == 0


def test_an_answer_that_a_flow_reports_ends_it_too(held_by_awa, awa, clock):
    held_by_awa.snooze(None, by=awa, at=clock.now)
    held_by_awa.record_answer("collect_vin", user_input="WDD", at=clock.passes(minutes=1))
    assert fresh(held_by_awa).snooze_end == "reply"


def test_writing_to_the_client_does_not_end_it(held_by_awa, awa, clock):
    held_by_awa.snooze(None, by=awa, at=clock.now)
    held_by_awa.send_as_agent("Je vous attends", agent=awa, at=clock.now)
    assert fresh(held_by_awa).is_snoozed


# -- what else ends it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("happening", ["close", "hand_back", "reassign", "transfer", "release"])
def test_it_ends_when_the_conversation_ends_or_changes_hands(
    held_by_awa, awa, koffi, mariam, later, clock, happening
):
    held_by_awa.snooze(later, by=awa, at=clock.now)
    {
        "close": lambda: held_by_awa.close(awa, at=clock.now),
        "hand_back": lambda: held_by_awa.hand_back(awa, at=clock.now),
        "reassign": lambda: held_by_awa.reassign(koffi, by=mariam, at=clock.now),
        "transfer": lambda: held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now),
        "release": lambda: held_by_awa.release(awa, at=clock.now),
    }[happening]()
    conversation = fresh(held_by_awa)
    assert (conversation.snoozed_at, conversation.snoozed_until, conversation.snooze_end) == (None, None, "")
    assert "snooze_ended" not in event_types_of(held_by_awa)


def test_the_holder_ends_it(post_snooze, held_by_awa, awa, clock):
    held_by_awa.snooze(None, by=awa, at=clock.now)
    assert post_snooze(awa, held_by_awa).json() == {"success": True, "until": None}
    assert mine(awa) == [held_by_awa]
    assert sentence(held_by_awa.events.latest("seq")) == "Awa Diop a mis fin à la pause"
    assert post_snooze(awa, held_by_awa).status_code == 200
    assert event_types_of(held_by_awa).count("snooze_ended") == 1


# -- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "until",
    [
        "demain",
        "2026-13-45T10:00",
        "2040-01-01",
        "2001-01-01T00:00+00:00",
        "2999-01-01T00:00:00Z",
        "0001-01-01T00:00+14:00",
        "9999-12-31T23:59-14:00",
        "\u0661\u0662",
    ],
)
def test_a_time_that_is_past_far_or_none_is_refused(post_snooze, held_by_awa, awa, until):
    response = post_snooze(awa, held_by_awa, until)
    assert (response.status_code, response.json()["code"]) == (422, "until")
    assert not fresh(held_by_awa).is_snoozed


def test_only_the_holder_and_supervisors(post_snooze, held_by_awa, koffi, mariam, later):
    response = post_snooze(koffi, held_by_awa, later.isoformat())
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert post_snooze(mariam, held_by_awa, later.isoformat()).status_code == 200


def test_only_a_held_conversation(post_snooze, with_bot, mariam, awa):
    assert post_snooze(mariam, with_bot, "reply").status_code == 409
    assert post_snooze(awa, with_bot, "reply").status_code == 403


def test_an_ended_conversation(post_snooze, ended, awa):
    assert (post_snooze(awa, ended, "reply").status_code, post_snooze(awa, ended).status_code) == (409, 409)


def test_out_of_reach_nothing_is_found(post_snooze, held_by_awa, yao, sales):
    Conversation.objects.filter(pk=held_by_awa.pk).update(team=sales)
    assert post_snooze(yao, held_by_awa, "reply").status_code == 404


def test_repeating_it_changes_nothing(post_snooze, held_by_awa, awa, later):
    first, second = (post_snooze(awa, held_by_awa, later.isoformat()).json() for _ in range(2))
    assert first == second
    assert event_types_of(held_by_awa).count("snoozed") == 1


# -- the dialog -------------------------------------------------------------------------------------------------


def test_the_choices_are_times_of_the_reader():
    with timezone.override(ZoneInfo("Asia/Dubai")):
        at = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)  # a Thursday, 16:30 in Dubai
        times = {
            choice: timezone.localtime(choice_time(choice, at=at)).strftime("%a %d %H:%M")
            for choice in ("one-hour", "evening", "tomorrow", "monday")
        }
        assert times == {
            "one-hour": "Thu 05 17:30",
            "evening": "Thu 05 18:00",
            "tomorrow": "Fri 06 09:00",
            "monday": "Mon 09 09:00",
        }
        assert parse_until("2026-03-06T10:15", at=at) == datetime(2026, 3, 6, 6, 15, tzinfo=UTC)


@pytest.mark.parametrize(("hour", "is_offered"), [(16, True), (17, True), (18, False), (23, False)])
def test_the_evening_is_offered_while_it_is_an_hour_away(
    client, held_by_awa, awa, monkeypatch, hour, is_offered
):
    at = datetime(2026, 3, 5, hour, tzinfo=timezone.get_current_timezone())
    monkeypatch.setattr("relais.conversations.views.snooze.now", lambda: at)
    client.force_login(awa)
    page = client.get(f"/dashboard/chat/{held_by_awa.pk}/snooze").text
    assert ('value="evening"' in page) is is_offered
    assert 'value="one-hour"' in page and 'value="tomorrow"' in page


def test_without_javascript_the_dialog_is_a_page(client, held_by_awa, awa):
    client.force_login(awa)
    path = f"/dashboard/chat/{held_by_awa.pk}/snooze"
    page = client.get(path).text
    assert "<html" in page and 'value="tomorrow"' in page and 'value="reply"' in page
    page = client.post(path, {"until": "tomorrow"}, follow=True)
    assert page.request["PATH_INFO"] == "/dashboard/active" and "En pause, rappel" in page.text
    assert f'id="row-{held_by_awa.pk}"' in client.get("/dashboard/active?tab=snoozed").text
    assert "Reprendre maintenant" in client.get(path).text
    page = client.post(path, {"until": ""}, follow=True)
    assert "plus en pause" in page.text.replace("&#x27;", "'")
