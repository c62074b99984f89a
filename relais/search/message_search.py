"""Events and files that match a query, newest first, within the reach of a user.

The ids are divided into slices. The newest slices are searched first and further back only while too few hits are
found: a frequent word ends in the first step, and a rare one has few hits to read in the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connection, transaction
from django.db.models.expressions import RawSQL
from psycopg.errors import QueryCanceled

from relais.conversations.event_types import MESSAGE_EVENT_TYPES
from relais.conversations.models import ConversationEvent
from relais.conversations.querysets import ConversationQuerySet
from relais.search.tsquery import CompiledQuery

SLICE_BITS = 14
"""As in the index: see migration 0002."""
STEP_SLICES = (2, 14, 112, 896)
"""Slices of each step; the one after these searches all the rest."""
STEP_SLICES_OF_BEGINNING = (2, 14, 112)
MAX_SLICES_AT_ONCE = 200
"""The newest slices, which are searched by one search of the index for the beginning of a word."""
MAX_REST_HITS = 2_000
"""When about so many hits are left by the density of those found so far, the rest is searched at once."""
TIME_LIMIT_MS = 250
"""After it the hits found so far are shown, with the date up to which was searched."""
CONTINUED_TIME_LIMIT_MS = 2_000
"""When the reader asked to search further back."""
FIRST_STEP_TIME_LIMIT_MS = 2_000
"""The first step is always finished, so that each continuation searches further."""
MIN_STEP_MS = 40
MAX_CLOCK_SKEW = timedelta(days=1)
"""Events are stored in the order of their time; within this much, a date filter finds those that are not."""
CHOICE_EVENT_TYPES = ("menu_choice", "free_input", "invalid_input")
BEST_CANDIDATES = 300
"""« Best first » orders so many of the newest hits."""
SESSION_SETTINGS = {
    # Below it bitmaps become lossy, and the words of whole pages are computed again.
    "work_mem": "32MB",
    # The cost of our functions would make the planner compile, use several processes or read the whole table.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "enable_seqscan": "off",
}

# The materialized hits are a fence: for the limit, the planner would walk the primary key backwards and compute the
# words of each row. `offset 0` has the checks and the reach evaluated row by row, in order, until the limit.
SELECT_HITS = """
with hits as materialized ({events} union all {files})
select (select count(*) from hits), page.id, page.rank from (select 1) always left join (
  select hit.id, {rank} as rank from (select * from hits where id < %s order by id desc offset 0) hit
   where {checks} and ({within_reach}) is not null
   limit %s) page on true
"""
SELECT_EVENTS = """
select event.id, event.conversation_id, event.body as text from conversation_events event
 where {condition} and event.body <> '' and public.relais_words(event.body) @@ %s::tsquery {filters}
"""
SELECT_FILES = """
select event.id, event.conversation_id, media.filename as text
  from media join conversation_events event on event.id = media.event_id
 where {condition} and media.filename <> '' and public.relais_words(media.filename) @@ %s::tsquery {filters}
"""
# One search of the index for each slice. With `= any(…)` the planner may leave the slices to a filter, where it takes
# words that often stand together for independent and so for rare: all messages with them would be read.
# `offset 0` keeps it from joining after the search instead. `int[]` explicitly: psycopg would send smallint[].
SELECT_BY_SLICE = """
select of_slice.* from unnest(%s::int[]) slice (number), lateral ({select} offset 0) of_slice
"""
# Words as written count more than other forms of them, words close together more than apart.
RANK = """(ts_rank_cd(public.relais_words(hit.text), %s::tsquery, 1) + (
  select 0.01 * count(*) from unnest(%s::text[]) word
   where ' ' || public.relais_fold(hit.text) || ' ' like '%% ' || word || ' %%'))::float"""
SELECT_TOP = "select coalesce(max(id), 0) from conversation_events"
SELECT_TIME_AT = "select created_at from conversation_events where id >= %s order by id limit 1"
SELECT_SETTINGS = (
    "select set_config(name, value, true) from unnest(%s::text[], %s::text[]) setting (name, value)"
)


@dataclass(frozen=True)
class EventFilters:
    kind: str = ""
    """`message`, `file` or `choice`; empty for all."""
    since: datetime | None = None
    until: datetime | None = None

    def sql(self) -> tuple[str, list[Any]]:
        conditions: list[str] = []
        parameters: list[Any] = []
        if self.kind == "file":
            conditions.append("(event.event_type = 'document_sent' or event.metadata ? 'media')")
        elif self.kind:
            types = MESSAGE_EVENT_TYPES if self.kind == "message" else CHOICE_EVENT_TYPES
            conditions.append("event.event_type = any(%s::text[])")
            parameters.append(list(types))
        for operator, moment in ((">=", self.since), ("<", self.until)):
            if moment:
                conditions.append(f"event.created_at {operator} %s")
                parameters.append(moment)
        return "".join(f" and {condition}" for condition in conditions), parameters


@dataclass
class FoundEvents:
    ids: list[int] = field(default_factory=list)
    """Newest first."""
    ranks: dict[int, float] = field(default_factory=dict)
    searched_back_to: int = 0
    """The lowest id that was searched; 0 when all were."""


def newest_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute(SELECT_TOP)
        return int(cursor.fetchone()[0])


def search_events(
    query: CompiledQuery,
    conversations: ConversationQuerySet,
    filters: EventFilters,
    *,
    before: int,
    limit: int,
    with_ranks: bool = False,
    time_limit_ms: int = TIME_LIMIT_MS,
    clock: Callable[[], float] = time.monotonic,
) -> FoundEvents:
    """Hits with an id below `before` in the given conversations, which must be those that the reader can reach."""
    found = FoundEvents()
    reach = reach_subquery(conversations)
    if reach is None:
        return found
    statement = _Statement(query, reach, filters, with_ranks)
    deadline = clock() + time_limit_ms / 1000
    top = (before - 1) >> SLICE_BITS
    steps = STEP_SLICES_OF_BEGINNING if query.has_beginning else STEP_SLICES
    try:
        with search_session() as cursor:
            lowest, before = _id_range(cursor, filters, before)
            first = top = (before - 1) >> SLICE_BITS
            for number, step in enumerate((*steps, None)):
                if top < lowest or len(found.ids) >= limit:
                    return found
                remaining_ms = FIRST_STEP_TIME_LIMIT_MS if number == 0 else int((deadline - clock()) * 1000)
                if remaining_ms < MIN_STEP_MS:
                    break
                bottom = lowest if step is None else max(lowest, top - step + 1)
                slices = None if step is None and lowest == 0 else range(bottom, top + 1)
                limit_time(cursor, remaining_ms)
                statement.collect(cursor, found, slices, top, before, limit)
                top = bottom - 1
                is_sparse = statement.hit_count * (top + 1) <= MAX_REST_HITS * (first - top)
                if is_sparse and lowest == 0 <= top and len(found.ids) < limit:
                    remaining_ms = int((deadline - clock()) * 1000) // 2
                    if statement.try_rest(cursor, found, top, before, limit, remaining_ms):
                        return found
            else:
                return found
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
    # What was found is complete down to here.
    found.searched_back_to = (top + 1) << SLICE_BITS
    return found


class _Statement:
    def __init__(
        self,
        query: CompiledQuery,
        reach: tuple[str, tuple[Any, ...]],
        filters: EventFilters,
        with_ranks: bool,
    ) -> None:
        self.query, self.reach, self.with_ranks = query, reach, with_ranks
        self.filter_sql, self.filter_parameters = filters.sql()
        self.newest_slice = newest_id() >> SLICE_BITS
        self.hit_count = 0
        """Found in the index so far, whether or not they are within reach."""

    def try_rest(
        self, cursor: Any, found: FoundEvents, top: int, before: int, limit: int, time_limit_ms: int
    ) -> bool:
        """Search all up to `top`; False if that takes too long, because it has more hits than the newest slices."""
        if time_limit_ms < MIN_STEP_MS:
            return False
        hit_count, ids, ranks = self.hit_count, list(found.ids), dict(found.ranks)
        try:
            with transaction.atomic():
                limit_time(cursor, time_limit_ms)
                self.collect(cursor, found, None, top, before, limit)
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            self.hit_count, found.ids, found.ranks = hit_count, ids, ranks
            return False
        return True

    def collect(
        self, cursor: Any, found: FoundEvents, slices: range | None, top: int, before: int, limit: int
    ) -> None:
        """Add the hits of these slices, or of all up to `top`, until the limit."""
        is_first = True
        while (missing := limit - len(found.ids)) > 0:
            rows, hit_count = self._run(cursor, slices, top, before, missing)
            if is_first:
                self.hit_count += hit_count
            is_first = False
            for id, rank in rows:
                if id not in found.ranks:  # Its text and its file, or two of its files, can match.
                    found.ids.append(id)
                found.ranks[id] = max(rank, found.ranks.get(id, 0.0))
            if len(rows) < missing:
                break
            before = rows[-1][0]

    def _run(
        self, cursor: Any, slices: range | None, top: int, before: int, limit: int
    ) -> tuple[list[tuple[int, float]], int]:
        """The hits within reach, newest first, and how many hits the index has."""
        query = self.query
        events, branch = self._branch(SELECT_EVENTS, "event.id", slices, top)
        files, _same = self._branch(SELECT_FILES, "media.event_id", slices, top)
        sql = SELECT_HITS.format(
            events=events,
            files=files,
            rank=RANK if self.with_ranks else "0.0::float",
            checks=checks_sql(query),
            within_reach=self.reach[0],
        )
        parameters = [
            *branch,
            *branch,
            *([query.rank_query, query.words] if self.with_ranks else []),
            before,
            *(parameter for check in query.checks for parameter in check.parameters),
            *self.reach[1],
            limit,
        ]
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
        hits = sorted(((id, rank) for _count, id, rank in rows if id is not None), reverse=True)
        return hits, rows[0][0]

    def _branch(self, select: str, column: str, slices: range | None, top: int) -> tuple[str, list[Any]]:
        slice_of = f"({column} >> {SLICE_BITS})::integer"
        values: list[Any] = []
        if slices is None:
            # `+ 0` keeps the primary key out of the plan, which would be read as a whole to combine the two.
            condition, values = f"{column} + 0 < %s", [(top + 1) << SLICE_BITS]
        elif self.query.has_beginning and self.newest_slice - slices[0] < MAX_SLICES_AT_ONCE:
            # Each search of the index gathers all words with that beginning first: one for all slices. With an upper
            # bound the index would gather all below it, too.
            condition, values = (
                f"{slice_of} >= %s and {column} + 0 < %s",
                [slices[0], (top + 1) << SLICE_BITS],
            )
        else:
            condition = f"{slice_of} = slice.number"
        sql = select.format(condition=condition, filters=self.filter_sql)
        if not values:
            sql, values = SELECT_BY_SLICE.format(select=sql), [list(slices or ())]
        return sql, [*values, self.query.index_query, *self.filter_parameters]


@contextmanager
def search_session() -> Iterator[Any]:
    """A cursor in a transaction with the settings of a search, which end with it."""
    is_nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        names = [*SESSION_SETTINGS, "statement_timeout"]
        previous = _current_settings(cursor, names) if is_nested else {}
        _set(cursor, SESSION_SETTINGS)
        yield cursor
        if previous:
            _set(cursor, previous)


def _current_settings(cursor: Any, names: list[str]) -> dict[str, str]:
    cursor.execute("select current_setting(name) from unnest(%s::text[]) name", [names])
    return dict(zip(names, (row[0] for row in cursor.fetchall()), strict=True))


def limit_time(cursor: Any, milliseconds: int) -> None:
    """Of each statement until the end of the transaction."""
    _set(cursor, {"statement_timeout": str(milliseconds)})


def _set(cursor: Any, settings: dict[str, str]) -> None:
    cursor.execute(SELECT_SETTINGS, [list(settings), list(settings.values())])


def checks_sql(query: CompiledQuery) -> str:
    return " and ".join(check.sql.format(text="hit.text") for check in query.checks) or "true"


def reach_subquery(conversations: ConversationQuerySet) -> tuple[str, tuple[Any, ...]] | None:
    """A scalar subquery, evaluated for each hit before the limit; as a join, all conversations would be read."""
    of_hit = conversations.filter(pk=RawSQL("hit.conversation_id", ())).order_by().values("pk")[:1]
    try:
        sql, parameters = of_hit.query.sql_with_params()
    except EmptyResultSet:
        return None
    return sql, tuple(parameters)


def _id_range(cursor: Any, filters: EventFilters, before: int) -> tuple[int, int]:
    """The lowest slice and the highest id (exclusive) that the dates allow."""
    lowest = 0
    if filters.since:
        lowest = _first_id_since(cursor, filters.since - MAX_CLOCK_SKEW, before) >> SLICE_BITS
    if filters.until:
        before = min(before, _first_id_since(cursor, filters.until + MAX_CLOCK_SKEW, before))
    return lowest, before


def _first_id_since(cursor: Any, moment: datetime, before: int) -> int:
    """By bisection over the primary key: there is no index by time."""
    low, high = 0, before
    while low < high:
        middle = (low + high) // 2
        cursor.execute(SELECT_TIME_AT, [middle])
        row = cursor.fetchone()
        if row is None or row[0] >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def date_of(event_id: int) -> datetime | None:
    """When the first event from this id on happened."""
    return (
        ConversationEvent.objects.filter(pk__gte=event_id)
        .order_by("pk")
        .values_list("created_at", flat=True)
        .first()
    )
