"""The states of agents: by hand, by presence, by inactivity; each change a row, without gaps, also under races."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from relais.action_errors import InvalidField, NotAllowed
from relais.company import company_settings
from relais.live.models import PresenceLease
from relais.routing.agent_states import (
    apply_all_due_changes,
    apply_due_changes,
    current_state,
    load_of,
    set_state,
)
from relais.routing.models import AgentState
from relais.routing.presence_rules import Limits, Presence, due_change
from relais.routing.states import Cause, State

pytestmark = pytest.mark.django_db


def page_open(user, until, *, active_at=None, process="web"):
    PresenceLease.objects.update_or_create(
        user_id=user.pk, process=process, defaults={"until": until, "active_at": active_at or until}
    )


def history(user):
    rows = AgentState.objects.filter(user=user).order_by("since", "id")
    return [(row.state, row.cause) for row in rows]


def assert_no_gap(user):
    rows = list(AgentState.objects.filter(user=user).order_by("since", "id"))
    assert [row.until for row in rows[:-1]] == [row.since for row in rows[1:]]
    assert rows[-1].until is None


# -- by hand --------------------------------------------------------------------------------------------------


def test_a_state_set_by_hand_has_a_beginning_and_ends_the_one_before(awa, clock):
    began = clock.now
    assert set_state(awa, "online", at=began).since == began
    pause = set_state(awa, "break", reason="  Déjeuner ", at=clock.passes(seconds=30))
    assert (pause.state, pause.reason, pause.since) == ("break", "Déjeuner", clock.now)
    assert AgentState.objects.get(state="online").until == clock.now
    assert_no_gap(awa)


def test_the_same_state_again_keeps_its_beginning(awa, clock):
    first = set_state(awa, "break", reason="Réunion", at=clock.now)
    again = set_state(awa, "break", reason="Réunion", at=clock.passes(seconds=20))
    assert (again.pk, again.since) == (first.pk, first.since)
    assert set_state(awa, "break", reason="Formation", at=clock.now).pk != first.pk


@pytest.mark.parametrize(
    ("state", "reason", "code"), [("busy", "", "state"), ("", "", "state"), ("break", "x" * 81, "reason")]
)
def test_an_invalid_state_or_reason_changes_nothing(awa, clock, state, reason, code):
    with pytest.raises(InvalidField) as refused:
        set_state(awa, state, reason=reason, at=clock.now)
    assert refused.value.code == code
    assert history(awa) == []


def test_who_is_deactivated_is_offline_at_once_and_may_set_nothing(awa, clock):
    set_state(awa, "online", at=clock.now)
    awa.deactivate(by=None, at=clock.passes(seconds=5))
    assert history(awa) == [("online", "hand"), ("offline", "presence")]
    with pytest.raises(NotAllowed):
        set_state(awa, "online", at=clock.now)


# -- by presence ----------------------------------------------------------------------------------------------


def test_without_a_page_online_lasts_for_the_grace_and_ends_exactly_then(awa, clock):
    began = clock.now
    set_state(awa, "online", at=began)
    assert current_state(awa, at=clock.passes(seconds=60)).state == State.ONLINE
    gone = current_state(awa, at=clock.passes(minutes=10))
    assert (gone.state, gone.cause, gone.since) == ("offline", "presence", began + timedelta(seconds=60))


def test_the_grace_is_a_setting(awa, clock):
    company_settings.set_value(company_settings.PRESENCE_GRACE_SECONDS, 5)
    set_state(awa, "online", at=clock.now)
    assert current_state(awa, at=clock.passes(seconds=6)).state == State.OFFLINE


def test_a_page_on_any_node_keeps_the_agent_online(awa, clock):
    set_state(awa, "online", at=clock.now)
    page_open(awa, clock.now + timedelta(minutes=5), process="node-2")
    page_open(awa, clock.now, process="node-1")
    assert current_state(awa, at=clock.passes(minutes=5)).state == State.ONLINE
    assert current_state(awa, at=clock.passes(seconds=61)).state == State.OFFLINE


def test_who_opens_a_page_is_online_and_who_returns_is_again(awa, clock):
    assert current_state(awa, at=clock.now) is None
    page_open(awa, clock.now)
    assert apply_all_due_changes(at=clock.now) == 1
    assert apply_all_due_changes(at=clock.passes(minutes=2)) == 1
    page_open(awa, clock.passes(hours=1))
    apply_all_due_changes(at=clock.now)
    assert history(awa) == [("online", "presence"), ("offline", "presence"), ("online", "presence")]
    assert_no_gap(awa)


def test_a_break_goes_on_after_an_absence_and_an_evening_by_hand_does_too(awa, koffi, clock):
    set_state(awa, "break", reason="Déjeuner", at=clock.now)
    set_state(koffi, "offline", at=clock.now)
    apply_all_due_changes(at=clock.passes(hours=1))
    for agent in (awa, koffi):
        page_open(agent, clock.passes(seconds=1))
    apply_all_due_changes(at=clock.now)
    assert (current_state(awa, at=clock.now).state, current_state(awa, at=clock.now).reason) == (
        "break",
        "Déjeuner",
    )
    assert history(koffi) == [("offline", "hand")]


def test_a_device_that_takes_pushes_keeps_the_agent_online(awa, clock, monkeypatch):
    monkeypatch.setattr("relais.routing.agent_states._takes_pushes", lambda user, at: True)
    set_state(awa, "online", at=clock.now)
    assert current_state(awa, at=clock.passes(hours=3)).state == State.ONLINE
    monkeypatch.setattr("relais.routing.agent_states._takes_pushes", lambda user, at: False)
    assert current_state(awa, at=clock.now).state == State.OFFLINE


# -- by inactivity --------------------------------------------------------------------------------------------


def test_who_touches_no_page_is_away_until_he_does(awa, clock):
    began = clock.now
    set_state(awa, "online", at=began)
    page_open(awa, began + timedelta(hours=2), active_at=began)
    assert current_state(awa, at=clock.passes(minutes=14)).state == State.ONLINE
    away = current_state(awa, at=clock.passes(minutes=10))
    assert (away.state, away.cause, away.since) == ("away", "inactivity", began + timedelta(minutes=15))
    page_open(awa, began + timedelta(hours=2), active_at=clock.passes(minutes=1))
    back = current_state(awa, at=clock.passes(seconds=3))
    assert (back.state, back.cause) == ("online", "inactivity")
    assert_no_gap(awa)


def test_away_by_hand_does_not_end_by_itself(awa, clock):
    set_state(awa, "away", at=clock.now)
    page_open(awa, clock.now + timedelta(hours=1), active_at=clock.now + timedelta(minutes=5))
    apply_all_due_changes(at=clock.passes(minutes=5))
    assert history(awa) == [("away", "hand")]


# -- exact ----------------------------------------------------------------------------------------------------

MINUTES = st.integers(0, 200).map(lambda minutes: timedelta(minutes=minutes))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(State.values), st.sampled_from(Cause.values), MINUTES, MINUTES, MINUTES, st.booleans())
def test_no_presence_makes_an_agent_change_for_ever(
    clock_free, state, cause, until, active, later, reachable
):
    """The rules settle: what is due ends, after a few changes, in a state in which nothing is."""
    start = clock_free
    current, previous = AgentState(state=state, cause=cause, since=start), None
    presence = Presence(start + until, start + min(active, until))
    limits = Limits(timedelta(seconds=60), timedelta(minutes=15))
    changes = 0
    while change := due_change(
        current, previous, presence, limits, is_reachable=lambda: reachable, at=start + later
    ):
        assert current.since <= max(change.since, current.since) <= start + later
        assert change.state != current.state
        previous, current = current, AgentState(state=change.state, cause=change.cause, since=change.since)
        changes += 1
        assert changes < 4


@pytest.fixture(scope="module")
def clock_free():
    from tests.cast import Clock

    return Clock().now


@pytest.mark.django_db(transaction=True)
def test_states_set_at_the_same_time_leave_no_gap(awa, clock):
    """Four tabs and the periodic job at once."""

    def flip(states):
        try:
            for number in range(25):
                at = clock.now + timedelta(seconds=number)
                set_state(awa, states[number % len(states)], at=at)
                apply_due_changes(awa, at=at)
        finally:
            connection.close()

    orders = (["online", "away"], ["break", "online"], ["offline", "online"], ["away", "break", "offline"])
    threads = [threading.Thread(target=flip, args=[order]) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_no_gap(awa)
    assert AgentState.objects.filter(user=awa, until=None).count() == 1
    assert AgentState.objects.filter(user=awa).count() > 4


def test_the_load_is_what_an_agent_holds_and_has_not_snoozed(awa, held_by_awa, clock):
    assert load_of(awa) == 1
    held_by_awa.snooze(clock.now + timedelta(hours=3), by=awa, at=clock.now)
    assert load_of(awa) == 0
