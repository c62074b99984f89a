"""The outbox: which deliveries are claimed next, and how many each of our numbers may send now.

Each number has a token bucket, one row shared by all processes and refilled by the database's clock. It is locked in
the transaction that claims, so exactly what is claimed is spent. The arithmetic is in `send_rate_limit.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from relais.conversations.delivery_states import claim_deliveries, withholding_reason
from relais.conversations.models import MessageDelivery
from relais.conversations.querysets import MessageDeliveryQuerySet
from relais.conversations.send_rate_limit import RateLimit, SendBudget
from relais.conversations.time_limits import MAX_RETRY_DELAY

REFILL_TOKENS = 4
"""Tokens to wait for when there are none left: fewer, larger claims cost less."""
MIN_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.005, 1.0
THROTTLE_DIVISOR = 4
"""Divides the rate of a number that Twilio throttles."""

LOCK_BUCKETS = """
select sender, tokens, counted_at, slow_until, recent_claims from sender_paces order by sender for update
"""
# Read after the rows are locked: whoever waited for them counts from when he got them.
NOW = "select clock_timestamp()"
# The number of queued messages changes faster than the planner's statistics. Make it follow the index in sending order
# until the limit is reached; otherwise it reads and sorts all queued rows each time.
FOLLOW_THE_INDEX = """
set local enable_sort = off; set local enable_hashjoin = off; set local enable_mergejoin = off;
set local enable_bitmapscan = off; set local enable_seqscan = off
"""
UPDATE_BUCKET = "update sender_paces set tokens = %s, counted_at = %s, recent_claims = %s where sender = %s"
REGISTER_SENDERS = "insert into sender_paces (sender) select unnest(%s::text[]) on conflict do nothing"
THROTTLE = """
update sender_paces
   set slow_until = greatest(clock_timestamp() + %(pause)s,
                             case when slow_until < clock_timestamp() + %(longest)s then slow_until end)
 where sender = %(sender)s
"""


@dataclass
class ClaimedBatch:
    """The result of one poll of the outbox."""

    at: datetime
    """The database's time of the poll."""
    claimed: list[MessageDelivery] = field(default_factory=list)
    withheld: list[MessageDelivery] = field(default_factory=list)
    """May not leave any more (`withholding_reason`): `MessageDelivery.claim` refuses them one by one."""
    skipped_senders: bool = False
    """It passed by the rows of senders without tokens."""
    wait_seconds: float | None = None
    """When to poll again without a notification: when there are tokens again. None: wait for a notification."""


def throttle(sender: str, *, seconds: float) -> None:
    """Twilio answered 429 for this number: send at a fraction of the rate for so long."""
    pause = min(timedelta(seconds=seconds), MAX_RETRY_DELAY)
    params: Any = {"sender": sender, "pause": pause, "longest": 2 * MAX_RETRY_DELAY}
    with connection.cursor() as cursor:
        cursor.execute(THROTTLE, params)


@transaction.atomic
def claim_batch(
    *,
    by: str,
    rate: float,
    limit: int,
    automatic_limit: int,
    skip_senders: bool = True,
    exclude: Collection[int] = (),
) -> ClaimedBatch:
    """Claim for the process `by` what may be sent now: at `rate` messages a second of each of our numbers, at most
    `limit`, and at most `automatic_limit` that no person wrote.

    Never waits for a locked conversation (SKIP LOCKED). `exclude` are ids not to touch. When a number has no tokens
    left, messages of other numbers are looked for only with `skip_senders`: it passes by all rows of that number.
    """
    budgets, at = _lock_buckets(rate)
    batch = ClaimedBatch(at)
    empty = [sender for sender, budget in budgets.items() if not budget.available]
    if empty and (len(empty) == len(budgets) or not skip_senders):
        batch.wait_seconds = _seconds_until(1, [budgets[sender] for sender in empty])
        return batch
    batch.skipped_senders = bool(empty)
    due = (
        MessageDelivery.objects.due(at).exclude(pk__in=exclude)
        if exclude
        else MessageDelivery.objects.due(at)
    )
    selected = _select(budgets, _lock_due(due, empty, limit, budgets), automatic_limit)
    still_due = MessageDelivery.objects.due(at).filter(pk__in=selected.ids)
    deliveries = list(still_due.select_related("event", "conversation__address"))
    batch.withheld = [each for each in deliveries if withholding_reason(each, each.conversation, at=at)]
    batch.claimed = claim_deliveries(
        [each for each in deliveries if each not in batch.withheld], by=by, at=at
    )
    _spend_tokens(budgets, Counter(each.conversation.sender for each in batch.claimed), at)
    if waiting := [budgets[sender] for sender in {*empty, *selected.exhausted}]:
        batch.wait_seconds = _seconds_until(REFILL_TOKENS, waiting)
    if selected.unregistered:
        _register_senders(selected.unregistered)
        batch.wait_seconds = 0.0
    return batch


def _seconds_until(number: int, budgets: Iterable[SendBudget]) -> float:
    """When the first of these may send so many, or half of the largest burst: tokens that arrive while the bucket is
    full are lost, and a poll may be late.
    """
    waits = (budget.seconds_until(max(1, min(number, int(budget.limit.burst / 2)))) for budget in budgets)
    return max(MIN_WAIT_SECONDS, min(MAX_WAIT_SECONDS, *waits))


@dataclass
class _Selection:
    ids: list[int] = field(default_factory=list)
    unregistered: set[str] = field(default_factory=set)
    exhausted: set[str] = field(default_factory=set)
    """Numbers that have more to send than they have tokens."""


def _lock_buckets(rate: float) -> tuple[dict[str, SendBudget], datetime]:
    """What each number may send now; its row stays locked until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(f"{FOLLOW_THE_INDEX};{LOCK_BUCKETS};{NOW}")
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
    is_throttled = slow_until is not None and at <= slow_until <= at + 2 * MAX_RETRY_DELAY
    return SendBudget.refilled(
        RateLimit(rate / THROTTLE_DIVISOR if is_throttled else rate),
        at=at.timestamp(),
        tokens=tokens,
        counted_at=counted_at.timestamp(),
        recent=json.loads(recent_claims),
    )


def _lock_due(
    due: MessageDeliveryQuerySet, empty: list[str], limit: int, budgets: dict[str, SendBudget]
) -> list[MessageDelivery]:
    if empty:
        due = due.exclude(conversation__sender__in=empty)
    due = due.select_related("conversation")
    due = due.select_for_update(no_key=True, skip_locked=True, of=("conversation",))
    useful = 1 + sum(budget.available for budget in budgets.values())
    return list(due[: min(limit, useful)])


def _select(
    budgets: dict[str, SendBudget], deliveries: list[MessageDelivery], automatic_limit: int
) -> _Selection:
    """The first of each number, as many as it has tokens for."""
    left, selection = {sender: budget.available for sender, budget in budgets.items()}, _Selection()
    for delivery in deliveries:
        sender = delivery.conversation.sender
        if sender not in left:
            selection.unregistered.add(sender)
        elif not left[sender]:
            selection.exhausted.add(sender)
        elif delivery.by_person or len(selection.ids) < automatic_limit:
            left[sender] -= 1
            selection.ids.append(delivery.pk)
    return selection


def _register_senders(senders: Iterable[str]) -> None:
    if listed := sorted(senders):
        with connection.cursor() as cursor:
            cursor.execute(REGISTER_SENDERS, [listed])


def _spend_tokens(budgets: dict[str, SendBudget], spent: Counter[str], at: datetime) -> None:
    with connection.cursor() as cursor:
        for sender, number in spent.items():
            budget = budgets[sender]
            budget.spend(number)
            cursor.execute(UPDATE_BUCKET, [budget.tokens, at, json.dumps(budget.recent), sender])
