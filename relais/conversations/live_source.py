"""What `live` asks of the heart: what changed in a conversation, who may see it, and how it looks."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from django.conf import settings
from django.db import DatabaseError
from django.db.models import prefetch_related_objects
from psycopg.rows import class_row

from relais.accounts.models import LADDER, Role
from relais.conversations import fragments, list_rows
from relais.conversations.models import SPOKEN, Conversation, ConversationEvent, MessageDelivery
from relais.live.pool import Database
from relais.live.protocol import Changes, Head, Mark, Place

log = logging.getLogger(__name__)
SUPERVISORS = frozenset(LADDER[LADDER.index(Role.SUPERVISOR) :])
LATEST = 100

VIEWERS = """
select id, password, is_active and (not is_demo or %s) as is_active, language, role, team_id
  from users where id = any(%s)
"""
HEADS = "select id, rev, team_id, read_seq from conversations where id = any(%s)"
LATEST_HEADS = (
    "select id, rev, team_id, read_seq from conversations order by last_activity_at desc, id desc limit %s"
)

# One statement, and so one snapshot: the head and all that led to it belong together. An event never changes its
# rev; a delivery has the rev of its last move. A rev belongs to one event and one delivery at most, so that the first
# of both, brought together, hold the first of all; what has the same rev stays together.
CHANGES = """
select c.id, c.rev, c.team_id, part.kind, part.id, part.seq, part.rev
  from unnest(%(ids)s::bigint[], %(since)s::bigint[]) as asked(id, since)
  join conversations c on c.id = asked.id
  left join lateral (
    select * from (
      (select case when e.event_type = any(%(spoken)s) then 'message' else 'event' end as kind,
              e.id, e.seq, e.rev
         from conversation_events e where e.conversation_id = c.id and e.rev > asked.since
        order by e.rev limit %(most)s)
      union all
      (select 'delivery', d.id, e.seq, d.rev
         from message_deliveries d join conversation_events e on e.id = d.event_id
        where d.conversation_id = c.id and d.rev > asked.since
        order by d.rev limit %(most)s)
    ) both_kinds order by rev fetch first %(most)s rows with ties
  ) part on true
 order by c.id, part.rev, part.kind desc
"""
# A message is shown again when its picture arrived. Asked only where a rev is not accounted for by the above. Events
# with media have an index of their own: without it, every event of a long conversation would be looked at.
ARRIVED_MEDIA = """
select e.conversation_id, e.id, e.seq, m.rev
  from unnest(%(ids)s::bigint[], %(since)s::bigint[], %(until)s::bigint[]) as asked(id, since, until)
  join conversation_events e on e.conversation_id = asked.id and e.metadata ? 'media'
  join media m on m.event_id = e.id and m.rev > asked.since and m.rev <= asked.until
"""
OPEN_ONES = """
select team_id, status, agent_id, count(*), count(*) filter (where last_inbound_seq > read_seq)
  from conversations where status in ('active', 'transferred') group by 1, 2, 3
"""


@dataclass(frozen=True)
class Viewer:
    id: int
    password: str
    is_active: bool
    language: str
    role: str
    team_id: int | None

    @property
    def reach(self) -> tuple[str, int | None]:
        return self.role, self.team_id


def may_see(viewer: Viewer, team_id: int | None) -> bool:
    """Whether this user reaches a conversation of that team: the twin of `User.reachable_conversations()`."""
    return viewer.is_active and (viewer.role in SUPERVISORS or team_id is None or team_id == viewer.team_id)


class Numbers:
    """How many conversations are open, by all that tells one reach from another."""

    def __init__(self, rows: Iterable[tuple[int | None, str, int | None, int, int]]) -> None:
        self.situations: defaultdict[int | None, Counter[str]] = defaultdict(Counter)
        self.held: defaultdict[int | None, Counter[int]] = defaultdict(Counter)
        self.unread: defaultdict[int | None, Counter[int]] = defaultdict(Counter)
        self.by_reach: dict[object, tuple[list[int | None], Counter[str]]] = {}
        for team, status, agent, number, unread in rows:
            situation = "bot" if status == "active" else "pending" if agent is None else "held"
            self.situations[team][situation] += number
            if situation == "held" and agent is not None:
                self.held[team][agent] += number
                self.unread[team][agent] += unread

    def of(self, viewer: Any) -> dict[str, int]:
        teams, total = self._within(viewer)
        return {
            "active": total["bot"] + total["held"],
            "bot": total["bot"],
            "held": total["held"],
            "pending": total["pending"],
            "mine": sum(self.held[team][viewer.id] for team in teams),
            "unread_mine": sum(self.unread[team][viewer.id] for team in teams),
        }

    def _within(self, viewer: Any) -> tuple[list[int | None], Counter[str]]:
        """The teams he reaches, and what is in them: worked out once for all of the same reach."""
        reach = (viewer.is_active, viewer.role, viewer.team_id)
        if reach not in self.by_reach:
            teams = [team for team in self.situations if may_see(viewer, team)]
            self.by_reach[reach] = teams, sum((self.situations[team] for team in teams), Counter[str]())
        return self.by_reach[reach]


class Feed:
    """The `Source` of the desk."""

    changed = "conversations"
    moved = "conversations_moved"

    def may_see(self, viewer: Any, place: Any) -> bool:
        return may_see(viewer, place)

    def moved_from(self, payload: str) -> tuple[int, Place]:
        conversation, _, team = payload.partition(":")
        return int(conversation), int(team) if team else None

    async def viewers(self, db: Database, ids: Collection[int]) -> dict[int, Viewer]:
        async with db.cursor(row_factory=class_row(Viewer)) as cursor:
            await cursor.execute(VIEWERS, [settings.DEMO, list(ids)])
            return {viewer.id: viewer for viewer in await cursor.fetchall()}

    async def heads(self, db: Database, threads: Collection[int]) -> dict[int, Head]:
        return await _heads(db, HEADS, list(threads)) if threads else {}

    async def latest(self, db: Database) -> dict[int, Head]:
        return await _heads(db, LATEST_HEADS, LATEST)

    async def changes(self, db: Database, since: Mapping[int, int], most: int) -> dict[int, Changes]:
        asked = {"ids": list(since), "since": list(since.values()), "most": most}
        heads: dict[int, Head] = {}
        marks: defaultdict[int, list[Mark]] = defaultdict(list)
        cursor = await db.execute(CHANGES, asked | {"spoken": list(SPOKEN)})
        for id, rev, team, *part in await cursor.fetchall():
            heads[id] = Head(rev, team)
            if part[0] is not None:
                marks[id].append(_mark(id, *part))
        until = {id: head.rev if len(marks[id]) < most else marks[id][-1].rev for id, head in heads.items()}
        for mark in await _arrived_media(db, since, until, marks):
            marks[mark.thread].append(mark)
            marks[mark.thread].sort(key=lambda mark: mark.rev)
        return {id: Changes(head, marks[id], until[id]) for id, head in heads.items()}

    async def tally(self, db: Database) -> Numbers:
        return Numbers(await (await db.execute(OPEN_ONES)).fetchall())

    def render(self, marks: Sequence[Mark]) -> list[str]:
        found = {kind: _load(kind, {mark.id for mark in marks if mark.kind == kind}) for kind in LOOKS}
        return [_html(mark, found[mark.kind].get(mark.id)) for mark in marks]


async def _heads(db: Database, query: LiteralString, given: list[int] | int) -> dict[int, Head]:
    return {id: Head(*head) for id, *head in await (await db.execute(query, [given])).fetchall()}


def _mark(conversation: int, kind: str, id: int, seq: int, rev: int) -> Mark:
    return Mark(kind, id, conversation, seq, rev)


async def _arrived_media(
    db: Database, since: Mapping[int, int], until: Mapping[int, int], marks: Mapping[int, Sequence[Mark]]
) -> list[Mark]:
    asked = [
        (id, since[id], rev)
        for id, rev in until.items()
        if len({mark.rev for mark in marks[id]}) < rev - since[id]
    ]
    if not asked:
        return []
    ids, sinces, untils = zip(*asked, strict=True)
    cursor = await db.execute(ARRIVED_MEDIA, {"ids": list(ids), "since": list(sinces), "until": list(untils)})
    return [_mark(conversation, "message", *part) for conversation, *part in await cursor.fetchall()]


def _events(ids: set[int]) -> Iterable[Any]:
    """Most have no media and no trouble, and each query less is felt when a hundred messages come in a second."""
    found = ConversationEvent.objects.filter(pk__in=ids).order_by()
    events = list(found.select_related("conversation", "delivery"))
    prefetch_related_objects([event for event in events if "media" in event.metadata], "media")
    prefetch_related_objects([event for event in events if hasattr(event, "delivery")], "resends")
    return events


def _deliveries(ids: set[int]) -> Iterable[Any]:
    return (
        MessageDelivery.objects.filter(pk__in=ids)
        .select_related("event__conversation")
        .prefetch_related("event__resends")
    )


def _conversations(ids: set[int]) -> Iterable[Any]:
    return list_rows.listed(Conversation.objects.filter(pk__in=ids))


LOOKS: dict[str, tuple[Callable[[set[int]], Iterable[Any]], Callable[[Any], str]]] = {
    "message": (_events, fragments.message),
    "event": (_events, fragments.line),
    "delivery": (_deliveries, fragments.delivery),
    "row": (_conversations, fragments.row),
}


def _load(kind: str, ids: set[int]) -> dict[int, Any]:
    return {row.pk: row for row in LOOKS[kind][0](ids)} if ids else {}


def _html(mark: Mark, row: Any) -> str:
    """Empty, and in the log, when it cannot be rendered: one broken piece must not silence the others."""
    if row is None:
        return ""
    try:
        return LOOKS[mark.kind][1](row)
    except DatabaseError:
        raise
    except Exception:
        log.exception("a change cannot be shown", extra={"kind": mark.kind, "mark": mark.id})
        return ""
