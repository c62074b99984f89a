"""Internal notes that match a query, newest first, within the reach of a user. They are few: no slices are needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError
from psycopg.errors import QueryCanceled

from relais.conversations.querysets import ConversationQuerySet
from relais.search.message_search import (
    RANK,
    EventFilters,
    checks_sql,
    limit_time,
    reach_subquery,
    search_session,
)
from relais.search.tsquery import CompiledQuery

TIME_LIMIT_MS = 250
MAX_ID = 2**63 - 1

# As for events: the fence keeps the planner from walking the primary key for the limit.
SELECT_HITS = """
with hits as materialized (
  select note.id, note.conversation_id, note.created_at, note.body as text from notes note
   where note.body <> '' and public.relais_words(note.body) @@ %s::tsquery
     and note.created_at >= coalesce(%s::timestamptz, '-infinity')
     and note.created_at < coalesce(%s::timestamptz, 'infinity'))
select hit.id, hit.created_at, {rank} from (select * from hits where id < %s order by id desc offset 0) hit
 where {checks} and ({within_reach}) is not null
 limit %s
"""


@dataclass(frozen=True)
class FoundNote:
    id: int
    created_at: datetime
    rank: float


def search_notes(
    query: CompiledQuery,
    conversations: ConversationQuerySet,
    filters: EventFilters,
    *,
    before: int | None,
    limit: int,
) -> list[FoundNote] | None:
    """Hits with an id below `before`; None when it took too long."""
    reach = reach_subquery(conversations)
    if reach is None:
        return []
    sql = SELECT_HITS.format(rank=RANK, checks=checks_sql(query), within_reach=reach[0])
    parameters = [
        *(query.index_query, filters.since, filters.until, query.rank_query, query.words),
        MAX_ID if before is None else before,
        *(parameter for check in query.checks for parameter in check.parameters),
        *reach[1],
        limit,
    ]
    try:
        with search_session() as cursor:
            limit_time(cursor, TIME_LIMIT_MS)
            cursor.execute(sql, parameters)
            return [FoundNote(*row) for row in cursor.fetchall()]
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise
