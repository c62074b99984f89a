"""The outbox: which messages leave next, and how many each of our numbers may send now.

Each number has a bucket of tokens, one row for all processes, refilled by the database's clock. It is opened in the
transaction that claims, so exactly what is claimed is taken out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from relais.conversations.fate import LONGEST_PAUSE, mark_claimed
from relais.conversations.models import Deliveries, MessageDelivery

CAPACITY = 0.15
"""Seconds' worth of tokens that a bucket holds: what may leave at once after a rest, or after a busy moment of ours."""
SLICE = 4
"""Tokens to wait for when there are none left: fewer, larger claims cost less."""
SLOWED = 4
"""Divides the rate of a number that Twilio finds too fast."""

# A clock set back by more than lock waits explain would keep the bucket empty for as long: it is full then.
OPEN = """
select p.sender, now.at,
       least(pace.capacity, case when p.counted_at > now.at + interval '1 second' then pace.capacity
             else p.tokens + pace.rate * greatest(0, extract(epoch from now.at - p.counted_at)) end)
  from sender_paces p,
       lateral (select clock_timestamp() as at, p.sender) now,
       lateral (select %(rate)s::float8 / case when p.slow_until between now.at and now.at + %(longest)s
                       then %(slowed)s else 1 end as rate) slowed,
       lateral (select slowed.rate, greatest(1, slowed.rate * %(capacity)s) as capacity) pace
 order by p.sender for update of p
"""
NOW = "select clock_timestamp()"
# How many messages wait changes faster than what the planner knows of it. Whatever it believes, the index that stands
# in their order is followed until there are enough; it would else read and sort them all, for each look.
FOLLOW_THE_INDEX = """
set local enable_sort = off; set local enable_hashjoin = off; set local enable_mergejoin = off;
set local enable_bitmapscan = off; set local enable_seqscan = off
"""
TAKE_OUT = "update sender_paces set tokens = %s, counted_at = %s where sender = %s"
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
    tokens, at = _opened(rate)
    turn = Turn(at)
    empty = [sender for sender, left in tokens.items() if left < 1]
    if empty and (len(empty) == len(tokens) or not wide):
        turn.wait = _seconds_for(1, rate)
        return turn
    turn.wide = bool(empty)
    due = (
        MessageDelivery.objects.due(at).exclude(pk__in=without)
        if without
        else MessageDelivery.objects.due(at)
    )
    chosen = _within(tokens, _locked(due, empty, most, tokens), automatic)
    if chosen.too_many or empty:
        turn.wait = _seconds_for(SLICE, rate)
    if chosen.unknown:
        _know(chosen.unknown)
        turn.wait = 0.0
    still_due = MessageDelivery.objects.due(at).filter(pk__in=chosen.ids)
    fresh = list(still_due.select_related("event", "conversation__address"))
    turn.stale = [each for each in fresh if each.epoch not in (None, each.conversation.epoch)]
    turn.claimed = mark_claimed([each for each in fresh if each not in turn.stale], by=by, at=at)
    _take_out(tokens, Counter(each.conversation.sender for each in turn.claimed), at)
    return turn


def _seconds_for(tokens: int, rate: float) -> float:
    return max(0.005, min(1.0, tokens / rate))


@dataclass
class _Chosen:
    ids: list[int]
    unknown: set[str]
    too_many: bool


def _opened(rate: float) -> tuple[dict[str, float], datetime]:
    """What each number may send now, its row kept from others until the transaction ends."""
    given: Any = {"rate": rate, "slowed": SLOWED, "capacity": CAPACITY, "longest": 2 * LONGEST_PAUSE}
    with connection.cursor() as cursor:
        cursor.execute(FOLLOW_THE_INDEX)
        cursor.execute(OPEN, given)
        rows = cursor.fetchall()
        if not rows:
            cursor.execute(NOW)
            return {}, cursor.fetchone()[0]
    return {sender: tokens for sender, _at, tokens in rows}, max(at for _sender, at, _tokens in rows)


def _locked(due: Deliveries, empty: list[str], most: int, tokens: dict[str, float]) -> list[MessageDelivery]:
    if empty:
        due = due.exclude(conversation__sender__in=empty)
    due = due.select_related("conversation")
    due = due.select_for_update(no_key=True, skip_locked=True, of=("conversation",))
    worth_it = 1 + sum(int(max(0, left)) for left in tokens.values())
    return list(due[: min(most, worth_it)])


def _within(tokens: dict[str, float], found: list[MessageDelivery], automatic: int) -> _Chosen:
    """The first of each number, as many as it has tokens for."""
    left, chosen = dict(tokens), _Chosen([], set(), False)
    for delivery in found:
        sender = delivery.conversation.sender
        if sender not in left:
            chosen.unknown.add(sender)
        elif left[sender] < 1:
            chosen.too_many = True
        elif delivery.by_person or len(chosen.ids) < automatic:
            left[sender] -= 1
            chosen.ids.append(delivery.pk)
    return chosen


def _know(senders: Iterable[str]) -> None:
    if listed := sorted(senders):
        with connection.cursor() as cursor:
            cursor.execute(KNOW, [listed])


def _take_out(tokens: dict[str, float], taken: Counter[str], at: datetime) -> None:
    with connection.cursor() as cursor:
        for sender, number in taken.items():
            cursor.execute(TAKE_OUT, [tokens[sender] - number, at, sender])
