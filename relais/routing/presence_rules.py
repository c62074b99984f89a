"""What presence and inactivity make of an agent's state. Pure: time and everything known are parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from relais.routing.models import AgentState
from relais.routing.states import Cause, State


@dataclass(frozen=True)
class Limits:
    grace: timedelta
    """How long an agent without an open page is still there: phones sleep, pages reload."""
    away_after: timedelta
    """After how long without a click or a key an agent who is online is away."""


@dataclass(frozen=True)
class Presence:
    until: datetime
    """Until when a page was open; ahead while one is."""
    active_at: datetime


@dataclass(frozen=True)
class StateChange:
    state: State
    cause: Cause
    since: datetime
    reason: str = ""


def due_change(
    current: AgentState | None,
    previous: AgentState | None,
    presence: Presence | None,
    limits: Limits,
    *,
    is_reachable: Callable[[], bool],
    at: datetime,
) -> StateChange | None:
    """The next change that is due at this moment, dated back to when it became so.

    `is_reachable`: whether a device takes pushes for the agent; asked only if no page of his is open.
    """
    has_page = presence is not None and presence.until + limits.grace >= at
    if current is None:
        return StateChange(State.ONLINE, Cause.PRESENCE, at) if has_page else None
    if current.state == State.OFFLINE:
        has_returned = has_page and presence is not None and presence.until > current.since
        return _resumed(previous, at) if current.cause == Cause.PRESENCE and has_returned else None
    if not has_page and not is_reachable():
        gone_at = presence.until + limits.grace if presence else current.since
        return StateChange(State.OFFLINE, Cause.PRESENCE, max(current.since, gone_at))
    if presence is None:
        return None
    if current.state == State.ONLINE and has_page:
        inactive_at = max(current.since, presence.active_at + limits.away_after)
        return StateChange(State.AWAY, Cause.INACTIVITY, inactive_at) if inactive_at <= at else None
    is_inactive = current.state == State.AWAY and current.cause == Cause.INACTIVITY
    if is_inactive and presence.active_at + limits.away_after > max(current.since, at):
        return StateChange(State.ONLINE, Cause.INACTIVITY, max(current.since, min(presence.active_at, at)))
    return None


def _resumed(previous: AgentState | None, at: datetime) -> StateChange:
    """Who returns has the state in which he left: a break goes on, an inactivity does not."""
    if previous and previous.cause == Cause.HAND and previous.state in (State.AWAY, State.BREAK):
        return StateChange(State(previous.state), Cause.HAND, at, previous.reason)
    return StateChange(State.ONLINE, Cause.PRESENCE, at)
