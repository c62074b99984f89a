"""The outbox: which messages leave next, and how many each of our numbers may send now.

Each number has a bucket of tokens, one row for all processes, refilled by the database's clock. It is opened in the
transaction that claims, so exactly what is claimed is taken out. How many that may be is told by `rate_limit.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from relais.conversations.delivery_states import LONGEST_PAUSE, mark_claimed
from relais.conversations.models import Deliveries, MessageDelivery
from relais.conversations.send_rate_limit import RateLimit, SendBudget

SLICE = 4
"""Tokens to wait for when there are none left: fewer, larger claims cost less."""
MIN_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.005, 1.0
SLOWED = 4
"""Divides the rate of a number that Twilio finds too fast."""

OPEN = "select sender, tokens, counted_at, slow_until, recent_claims from sender_paces order by sender for update"
# Asked after the rows are locked: whoever waited for them counts from when he had them.
NOW = "select clock_timestamp()"
# How many messages wait changes faster than what the planner knows of it. Whatever it believes, the index that stands
# in their order is followed until there are enough; it would else read and sort them all, for each look.
FOLLOW_THE_INDEX = """
set local enable_sort = off; set local enable_hashjoin = off; set local enable_mergejoin = off;
set local enable_bitmapscan = off; set local enable_seqscan = off
"""
TAKE_OUT = "update sender_paces set tokens = %s, counted_at = %s, recent_claims = %s where sender = %s"
KNOW = "insert into sender_paces (sender) select unnest(%s::text[]) on conflict do nothing"
SLOW = """
update sender_paces
   set slow_until = greatest(clock_timestamp() + %(pause)s,
                             case when slow_until < clock_timestamp() + %(longest)s then slow_until end)
 where sender = %(sender)s
"""


@dataclass
class Turn:
    """What one look at the outbox came to."""

    at: datetime
    """The database's time of the look."""
    claimed: list[MessageDelivery] = field(default_factory=list)
    stale: list[MessageDelivery] = field(default_factory=list)
    """Silenced by a take-over or the end of their conversation: `claim` refuses them, one by one."""
    wide: bool = False
    wait: float | None = None
    """Seconds after which to look again although nobody tells of anything: when there are tokens anew."""


def slow_down(sender: str, *, seconds: float) -> None:
    """Twilio finds this number too fast."""
    pause = min(timedelta(seconds=seconds), LONGEST_PAUSE)
    with connection.cursor() as cursor:
        given: Any = {"sender": sender, "pause": pause, "longest": 2 * LONGEST_PAUSE}
        cursor.execute(SLOW, given)


@transaction.atomic
def next_turn(
    *, by: str, rate: float, most: int, automatic: int, wide: bool = True, without: Collection[int] = ()
) -> Turn:
    """Claim for the process `by` what may leave now: `rate` a second of each of our numbers, at most `most`, and
    `automatic` that no person wrote.

    Never waits for a conversation that somebody else holds. `without` are not touched. Where one number has used up
    its tokens, what others have is only looked for when `wide`: all its rows are passed by.
    """
    budgets, at = _opened(rate)
    turn = Turn(at)
    empty = [sender for sender, budget in budgets.items() if not budget.available]
    if empty and (len(empty) == len(budgets) or not wide):
        turn.wait = _seconds_until(1, [budgets[sender] for sender in empty])
        return turn
    turn.wide = bool(empty)
    due = (
        MessageDelivery.objects.due(at).exclude(pk__in=without)
        if without
        else MessageDelivery.objects.due(at)
    )
    chosen = _within(budgets, _locked(due, empty, most, budgets), automatic)
    still_due = MessageDelivery.objects.due(at).filter(pk__in=chosen.ids)
    fresh = list(still_due.select_related("event", "conversation__address"))
    turn.stale = [each for each in fresh if each.epoch not in (None, each.conversation.epoch)]
    turn.claimed = mark_claimed([each for each in fresh if each not in turn.stale], by=by, at=at)
    _take_out(budgets, Counter(each.conversation.sender for each in turn.claimed), at)
    if waiting := [budgets[sender] for sender in {*empty, *chosen.exhausted}]:
        turn.wait = _seconds_until(SLICE, waiting)
    if chosen.unknown:
        _know(chosen.unknown)
        turn.wait = 0.0
    return turn


def _seconds_until(number: int, budgets: Iterable[SendBudget]) -> float:
    """When the first of these may send so many, or half of what ever may leave at once: tokens that come in while the
    bucket is full are lost, and a look may be late.
    """
    waits = (budget.seconds_until(max(1, min(number, int(budget.limit.burst / 2)))) for budget in budgets)
    return max(MIN_WAIT_SECONDS, min(MAX_WAIT_SECONDS, *waits))


@dataclass
class _Chosen:
    ids: list[int] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    exhausted: set[str] = field(default_factory=set)
    """Numbers that have more to send than they may now."""


def _opened(rate: float) -> tuple[dict[str, SendBudget], datetime]:
    """What each number may send now, its row kept from others until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"{FOLLOW_THE_INDEX};{OPEN};{NOW}")
        while not cursor.description:
            cursor.nextset()
        rows = cursor.fetchall()
        cursor.nextset()
        [at] = cursor.fetchone()
    return {sender: _budget(rate, at, *state) for sender, *state in rows}, at


def _budget(
    rate: float,
    at: datetime,
    tokens: float,
    counted_at: datetime,
    slow_until: datetime | None,
    recent_claims: str,
) -> SendBudget:
    is_slowed = slow_until is not None and at <= slow_until <= at + 2 * LONGEST_PAUSE
    return SendBudget.opened(
        RateLimit(rate / SLOWED if is_slowed else rate),
        at=at.timestamp(),
        tokens=tokens,
        counted_at=counted_at.timestamp(),
        recent=json.loads(recent_claims),
    )


def _locked(
    due: Deliveries, empty: list[str], most: int, budgets: dict[str, SendBudget]
) -> list[MessageDelivery]:
    if empty:
        due = due.exclude(conversation__sender__in=empty)
    due = due.select_related("conversation")
    due = due.select_for_update(no_key=True, skip_locked=True, of=("conversation",))
    worth_it = 1 + sum(budget.available for budget in budgets.values())
    return list(due[: min(most, worth_it)])


def _within(budgets: dict[str, SendBudget], found: list[MessageDelivery], automatic: int) -> _Chosen:
    """The first of each number, as many as it has tokens for."""
    left, chosen = {sender: budget.available for sender, budget in budgets.items()}, _Chosen()
    for delivery in found:
        sender = delivery.conversation.sender
        if sender not in left:
            chosen.unknown.add(sender)
        elif not left[sender]:
            chosen.exhausted.add(sender)
        elif delivery.by_person or len(chosen.ids) < automatic:
            left[sender] -= 1
            chosen.ids.append(delivery.pk)
    return chosen


def _know(senders: Iterable[str]) -> None:
    if listed := sorted(senders):
        with connection.cursor() as cursor:
            cursor.execute(KNOW, [listed])


def _take_out(budgets: dict[str, SendBudget], taken: Counter[str], at: datetime) -> None:
    with connection.cursor() as cursor:
        for sender, number in taken.items():
            budget = budgets[sender]
            budget.take(number)
            cursor.execute(TAKE_OUT, [budget.tokens, at, json.dumps(budget.recent), sender])
