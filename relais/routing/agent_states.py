"""The states of agents: set by hand, and by what presence and inactivity make of them (`presence_rules.py`).

Every change locks the user's row, closes the current state and opens the next one at the same moment.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import InvalidField, NotAllowed
from relais.company import company_settings
from relais.conversations.models import Conversation
from relais.live.models import PresenceLease
from relais.live.personal_frames import notify_users
from relais.live.user_presence import record_request
from relais.routing.models import MAX_REASON_CHARACTERS, AgentState
from relais.routing.presence_rules import Limits, Presence, StateChange, due_change
from relais.routing.states import STATES_WITH_REASON, Cause, State

# Those whose state may no longer be the one that `due_change` gives; it decides.
USERS_WITH_DUE_CHANGE = """
select u.id
  from users u
  left join agent_states s on s.user_id = u.id and s.until is null
  left join lateral (
    select max(until) as until, max(active_at) as active_at from presence_leases where user_id = u.id
  ) p on true
 where u.is_active
   and (%(among)s::bigint[] is null or u.id = any(%(among)s::bigint[]))
   and case
         when s.id is null then p.until >= %(gone_before)s
         when s.state = 'offline' then s.cause = 'presence' and p.until >= %(gone_before)s and p.until > s.since
         when p.until is null or p.until < %(gone_before)s then true
         when s.state = 'online' then p.active_at <= %(inactive_before)s
         else s.state = 'away' and s.cause = 'inactivity' and p.active_at > %(inactive_before)s
       end
 order by u.id
"""


def set_state(user: User, state: str, *, reason: str = "", at: datetime) -> AgentState:
    """By the user himself. Idempotent: the same state again has no new beginning. Raises InvalidField."""
    if state not in State.values:
        raise InvalidField("state", _("Cet état n'existe pas."))
    reason = " ".join(reason.split()) if state in STATES_WITH_REASON else ""
    if len(reason) > MAX_REASON_CHARACTERS:
        raise InvalidField(
            "reason", _("Le motif dépasse %(most)s caractères.") % {"most": MAX_REASON_CHARACTERS}
        )
    with transaction.atomic():
        if not _lock(user.pk):
            raise NotAllowed(_("Le compte de %(agent)s est désactivé.") % {"agent": user})
        current = _apply_due_changes(user, at=at)
        record_request(user.pk, at=at)
        if current and _is_same(current, state, reason):
            return current
        return _begin(user, current, StateChange(State(state), Cause.HAND, at, reason))


def current_state(user: User, *, at: datetime) -> AgentState | None:
    """The state now, also if its change is due and was not stored yet. None: the user was never there."""
    if _users_with_due_change(at=at, among=[user.pk]):
        apply_due_changes(user, at=at)
    return AgentState.objects.filter(user=user, until=None).first()


def load_of(user: User) -> int:
    """In units of capacity: what the user holds, except what he has snoozed."""
    return Conversation.objects.held_by(user).not_snoozed().count()


@transaction.atomic
def apply_due_changes(user: User, *, at: datetime) -> AgentState | None:
    return _apply_due_changes(user, at=at) if _lock(user.pk) else None


def apply_all_due_changes(*, at: datetime) -> int:
    """Those of all users, each in a transaction of its own; returns how many users had one."""
    return _apply_due_changes_of(_users_with_due_change(at=at), at=at)


def _apply_due_changes_of(ids: Collection[int], *, at: datetime) -> int:
    users = User.objects.in_bulk(ids)
    for user in users.values():
        apply_due_changes(user, at=at)
    return len(users)


def show_own_states(ids: Collection[int]) -> None:
    """To the pages that these users just opened, or that connected again and may have missed a change."""
    at = timezone.now()
    _apply_due_changes_of(_users_with_due_change(at=at, among=ids), at=at)
    with transaction.atomic():
        for state in AgentState.objects.filter(user__in=ids, until=None).select_related("user"):
            _show(state)


def end_on_deactivation(sender: object, *, user: User, at: datetime, **kwargs: Any) -> None:
    """Who may not sign in is offline at once. The caller has the user's row."""
    current = AgentState.objects.filter(user=user, until=None).first()
    if current and current.state != State.OFFLINE:
        _begin(user, current, StateChange(State.OFFLINE, Cause.PRESENCE, at))


def limits() -> Limits:
    values = company_settings.get_values(
        company_settings.PRESENCE_GRACE_SECONDS, company_settings.AWAY_AFTER_MINUTES
    )
    return Limits(
        grace=timedelta(seconds=values[company_settings.PRESENCE_GRACE_SECONDS.key]),
        away_after=timedelta(minutes=values[company_settings.AWAY_AFTER_MINUTES.key]),
    )


# -- under the lock of the user's row -----------------------------------------------------------------------


def _lock(user_id: int) -> bool:
    return User.objects.select_for_update(no_key=True).filter(pk=user_id, is_active=True).exists()


def _apply_due_changes(user: User, *, at: datetime) -> AgentState | None:
    history = list(AgentState.objects.filter(user=user).order_by("-since", "-id")[:2])
    current, previous = (*history, None, None)[:2]
    presence, in_force = _presence_of(user), limits()
    while change := due_change(
        current, previous, presence, in_force, is_reachable=lambda: _takes_pushes(user, at), at=at
    ):
        previous, current = current, _begin(user, current, change)
    return current


def _presence_of(user: User) -> Presence | None:
    latest = PresenceLease.objects.filter(user_id=user.pk).aggregate(
        until=Max("until"), active_at=Max("active_at")
    )
    return Presence(**latest) if latest["until"] else None


def _takes_pushes(user: User, at: datetime) -> bool:
    return any(each.is_valid(at=at) for each in user.push_subscriptions.select_related("user"))


def _is_same(current: AgentState, state: str, reason: str) -> bool:
    # Online is the same whatever caused it; the other states end by themselves unless they were set by hand.
    by_hand = current.cause == Cause.HAND or state == State.ONLINE
    return by_hand and (current.state, current.reason) == (state, reason)


def _begin(user: User, current: AgentState | None, change: StateChange) -> AgentState:
    since = change.since
    if current:
        since = max(since, current.since)
        AgentState.objects.filter(pk=current.pk).update(until=since)
    begun = AgentState.objects.create(
        user=user, state=change.state, reason=change.reason, cause=change.cause, since=since
    )
    _show(begun)
    return begun


def _show(state: AgentState) -> None:
    """On all pages of the user."""
    with translation.override(state.user.language):
        label = str(State(state.state).label)
    frame = {"kind": "agent-state", "state": str(state.state), "reason": state.reason, "label": label}
    notify_users([state.user_id], frame)


def _users_with_due_change(*, at: datetime, among: Collection[int] | None = None) -> list[int]:
    in_force = limits()
    moments = {"gone_before": at - in_force.grace, "inactive_before": at - in_force.away_after}
    ids = None if among is None else [*among]
    with connection.cursor() as cursor:
        cursor.execute(USERS_WITH_DUE_CHANGE, moments | {"among": ids})
        return [id for (id,) in cursor.fetchall()]
