"""The data source of live updates: what changed in a conversation, who may see it, and its HTML.

`ConversationSource` implements the port `relais.live.protocol.LiveSource` with plain SQL on asynchronous connections.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, LiteralString

from django.conf import settings
from django.db import DatabaseError
from django.db.models import prefetch_related_objects
from psycopg.rows import class_row

from relais.conversations import fragments, list_rows
from relais.conversations.event_types import MESSAGE_EVENT_TYPES
from relais.conversations.list_counts import OpenCounts
from relais.conversations.live_viewers import VIEWERS_SQL, Viewer, may_see
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.scheduled_messages import ScheduledMessage
from relais.live.pool import Database
from relais.live.protocol import Change, ChangeBatch, ConversationVersion, TeamScope
from relais.notes import fragments as note_fragments
from relais.notes.models import Note

log = logging.getLogger(__name__)
LATEST_LIMIT = 100

VERSIONS_SQL = "select id, rev, team_id, read_seq from conversations where id = any(%s)"
LATEST_VERSIONS_SQL = (
    "select id, rev, team_id, read_seq from conversations order by last_activity_at desc, id desc limit %s"
)

# One statement is one snapshot: the version and all changes that led to it belong together. The rev of an event never
# changes; a delivery has the rev of its last transition, a note and a scheduled message that of its last change. A rev
# belongs to at most one event and one delivery, or to one of the others, so the first rows of each kind, merged,
# contain the first rows of all. Rows with the same rev stay together (`with ties`).
CHANGES_SQL = """
select c.id, c.rev, c.team_id, part.kind, part.id, part.seq, part.rev
  from unnest(%(ids)s::bigint[], %(since)s::bigint[]) as requested(id, since)
  join conversations c on c.id = requested.id
  left join lateral (
    select * from (
      (select case when e.event_type = any(%(spoken)s) then 'message' else 'event' end as kind,
              e.id, e.seq, e.rev
         from conversation_events e where e.conversation_id = c.id and e.rev > requested.since
        order by e.rev limit %(limit)s)
      union all
      (select 'delivery', d.id, e.seq, d.rev
         from message_deliveries d join conversation_events e on e.id = d.event_id
        where d.conversation_id = c.id and d.rev > requested.since
        order by d.rev limit %(limit)s)
      union all
      (select 'note', n.id, n.after_seq, n.rev
         from notes n where n.conversation_id = c.id and n.rev > requested.since
        order by n.rev limit %(limit)s)
      union all
      (select 'scheduled', s.id, c.seq, s.rev
         from scheduled_messages s where s.conversation_id = c.id and s.rev > requested.since
        order by s.rev limit %(limit)s)
    ) all_kinds order by rev fetch first %(limit)s rows with ties
  ) part on true
 order by c.id, part.rev, part.kind desc
"""
# A message is rendered again when its media arrives. This query runs only where the one above leaves a gap in the
# revs. Events with media have a partial index: without it, PostgreSQL would scan every event of a long conversation.
ARRIVED_MEDIA_SQL = """
select e.conversation_id, e.id, e.seq, m.rev
  from unnest(%(ids)s::bigint[], %(since)s::bigint[], %(until)s::bigint[]) as requested(id, since, until)
  join conversation_events e on e.conversation_id = requested.id and e.metadata ? 'media'
  join media m on m.event_id = e.id and m.rev > requested.since and m.rev <= requested.until
"""


class ConversationSource:
    """The `LiveSource` of the desk."""

    changed_channel = "conversations"
    moved_channel = "conversations_moved"

    def may_see(self, viewer: Any, scope: Any) -> bool:
        return may_see(viewer, scope)

    def parse_moved(self, payload: str) -> tuple[int, TeamScope]:
        conversation, _, team = payload.partition(":")
        return int(conversation), int(team) if team else None

    async def viewers(self, db: Database, ids: Collection[int]) -> dict[int, Viewer]:
        async with db.cursor(row_factory=class_row(Viewer)) as cursor:
            await cursor.execute(VIEWERS_SQL, [settings.DEMO, list(ids)])
            return {viewer.id: viewer for viewer in await cursor.fetchall()}

    async def versions(self, db: Database, ids: Collection[int]) -> dict[int, ConversationVersion]:
        return await _versions(db, VERSIONS_SQL, list(ids)) if ids else {}

    async def latest_versions(self, db: Database) -> dict[int, ConversationVersion]:
        return await _versions(db, LATEST_VERSIONS_SQL, LATEST_LIMIT)

    async def changes(self, db: Database, since: Mapping[int, int], limit: int) -> dict[int, ChangeBatch]:
        params = {
            "ids": list(since),
            "since": list(since.values()),
            "limit": limit,
            "spoken": list(MESSAGE_EVENT_TYPES),
        }
        versions: dict[int, ConversationVersion] = {}
        changes: defaultdict[int, list[Change]] = defaultdict(list)
        cursor = await db.execute(CHANGES_SQL, params)
        for id, rev, team, *fields in await cursor.fetchall():
            versions[id] = ConversationVersion(rev, team)
            if fields[0] is not None:
                changes[id].append(_change(id, *fields))
        until = {
            id: version.rev if len(changes[id]) < limit else changes[id][-1].rev
            for id, version in versions.items()
        }
        for change in await _arrived_media(db, since, until, changes):
            changes[change.conversation].append(change)
            changes[change.conversation].sort(key=lambda change: change.rev)
        return {id: ChangeBatch(version, changes[id], until[id]) for id, version in versions.items()}

    async def open_counts(self, db: Database) -> OpenCounts:
        return await OpenCounts.from_database(db)

    def render(self, changes: Sequence[Change]) -> list[str]:
        rows = {
            kind: _load(kind, {change.id for change in changes if change.kind == kind}) for kind in RENDERERS
        }
        return [_html(change, rows[change.kind].get(change.id)) for change in changes]


async def _versions(
    db: Database, query: LiteralString, param: list[int] | int
) -> dict[int, ConversationVersion]:
    rows = await (await db.execute(query, [param])).fetchall()
    return {id: ConversationVersion(*fields) for id, *fields in rows}


def _change(conversation: int, kind: str, id: int, seq: int, rev: int) -> Change:
    return Change(kind, id, conversation, seq, rev)


async def _arrived_media(
    db: Database, since: Mapping[int, int], until: Mapping[int, int], changes: Mapping[int, Sequence[Change]]
) -> list[Change]:
    gaps = [
        (id, since[id], rev)
        for id, rev in until.items()
        if len({change.rev for change in changes[id]}) < rev - since[id]
    ]
    if not gaps:
        return []
    ids, sinces, untils = zip(*gaps, strict=True)
    params = {"ids": list(ids), "since": list(sinces), "until": list(untils)}
    cursor = await db.execute(ARRIVED_MEDIA_SQL, params)
    return [_change(conversation, "message", *fields) for conversation, *fields in await cursor.fetchall()]


def _load_events(ids: set[int]) -> Iterable[Any]:
    """Prefetch only where there is media or a delivery: at a hundred messages a second each query counts."""
    queryset = ConversationEvent.objects.filter(pk__in=ids).order_by()
    events = list(queryset.select_related("conversation", "delivery"))
    prefetch_related_objects([event for event in events if "media" in event.metadata], "media")
    prefetch_related_objects([event for event in events if hasattr(event, "delivery")], "resends")
    return events


def _load_deliveries(ids: set[int]) -> Iterable[Any]:
    return (
        MessageDelivery.objects.filter(pk__in=ids)
        .select_related("event__conversation")
        .prefetch_related("event__resends")
    )


def _load_notes(ids: set[int]) -> Iterable[Any]:
    return Note.objects.filter(pk__in=ids).prefetch_related("mentions")


def _load_scheduled(ids: set[int]) -> Iterable[Any]:
    messages = ScheduledMessage.objects.filter(pk__in=ids)
    return messages.select_related("conversation__address", "conversation__client").prefetch_related("files")


def _load_rows(ids: set[int]) -> Iterable[Any]:
    return list_rows.with_row_data(Conversation.objects.filter(pk__in=ids))


RENDERERS: dict[str, tuple[Callable[[set[int]], Iterable[Any]], Callable[[Any], str]]] = {
    "message": (_load_events, fragments.message),
    "event": (_load_events, fragments.event_line),
    "delivery": (_load_deliveries, fragments.delivery),
    "note": (_load_notes, note_fragments.note),
    "scheduled": (_load_scheduled, fragments.scheduled),
    "row": (_load_rows, fragments.row),
}
"""For each kind of change: how its rows are loaded, and how one of them is rendered."""


def _load(kind: str, ids: set[int]) -> dict[int, Any]:
    load, _render = RENDERERS[kind]
    return {row.pk: row for row in load(ids)} if ids else {}


def _html(change: Change, row: Any) -> str:
    """Empty, and logged, when it cannot be rendered: one broken fragment must not hold back the others."""
    if row is None:
        return ""
    _load, render = RENDERERS[change.kind]
    try:
        return render(row)
    except DatabaseError:
        raise
    except Exception:
        log.exception("change rendering failed", extra={"kind": change.kind, "change": change.id})
        return ""
