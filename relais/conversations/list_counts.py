"""The numbers of the list tabs and of unread mentions; their keys are those of the live `counts` frame.

A page counts for its user; live updates count for all connected users in one query.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, F, Q

from relais.accounts.models import User
from relais.conversations.live_viewers import may_see
from relais.conversations.querysets import HELD, WAITING, WITH_BOT, ConversationQuerySet
from relais.live.pool import Database

OPEN_COUNTS_SQL = """
select team_id, status, agent_id, count(*), count(*) filter (where snoozed_at is not null),
       count(*) filter (where last_inbound_seq > read_seq and snoozed_at is null)
  from conversations where status in ('active', 'transferred') group by 1, 2, 3
"""
# Few rows: the index contains unread mentions only.
UNREAD_MENTIONS_SQL = """
select m.user_id, c.team_id, count(*)
  from note_mentions m join notes n on n.id = m.note_id join conversations c on c.id = n.conversation_id
 where m.read_at is null group by 1, 2
"""


def open_counts(user: User) -> dict[str, int]:
    """How many conversations each tab lists, and how many of his own the user has not read."""
    conversations: ConversationQuerySet = user.reachable_conversations()
    mine = HELD & Q(agent=user, snoozed_at=None)
    counts: dict[str, int] = conversations.open().aggregate(
        mine=Count("pk", filter=mine),
        snoozed=Count("pk", filter=HELD & Q(agent=user, snoozed_at__isnull=False)),
        unread_mine=Count("pk", filter=mine & Q(last_inbound_seq__gt=F("read_seq"))),
        pending=Count("pk", filter=WAITING),
        bot=Count("pk", filter=WITH_BOT),
        open=Count("pk"),
    )
    return counts


class OpenCounts:
    """Numbers of open conversations per team, status and holder, summed for each viewer, and his unread mentions."""

    def __init__(
        self,
        rows: Iterable[tuple[int | None, str, int | None, int, int, int]],
        unread_mentions: Iterable[tuple[int, int | None, int]] = (),
    ) -> None:
        self.mentions: defaultdict[int, list[tuple[int | None, int]]] = defaultdict(list)
        for user, team, count in unread_mentions:
            self.mentions[user].append((team, count))
        self.situations: defaultdict[int | None, Counter[str]] = defaultdict(Counter)
        self.mine: defaultdict[int | None, Counter[int]] = defaultdict(Counter)
        self.snoozed: defaultdict[int | None, Counter[int]] = defaultdict(Counter)
        self.unread: defaultdict[int | None, Counter[int]] = defaultdict(Counter)
        self.by_reach: dict[object, tuple[list[int | None], Counter[str]]] = {}
        for team, status, agent, count, snoozed, unread in rows:
            situation = "bot" if status == "active" else "pending" if agent is None else "held"
            self.situations[team][situation] += count
            if situation == "held" and agent is not None:
                self.mine[team][agent] += count - snoozed
                self.snoozed[team][agent] += snoozed
                self.unread[team][agent] += unread

    @classmethod
    async def from_database(cls, db: Database) -> OpenCounts:
        rows = await (await db.execute(OPEN_COUNTS_SQL)).fetchall()
        return cls(rows, await (await db.execute(UNREAD_MENTIONS_SQL)).fetchall())

    def for_viewer(self, viewer: Any) -> dict[str, int]:
        teams, totals = self._within_reach(viewer)
        return {
            "active": totals["bot"] + totals["held"],
            "bot": totals["bot"],
            "held": totals["held"],
            "pending": totals["pending"],
            "mine": sum(self.mine[team][viewer.id] for team in teams),
            "snoozed": sum(self.snoozed[team][viewer.id] for team in teams),
            "unread_mine": sum(self.unread[team][viewer.id] for team in teams),
            "mentions": sum(
                count for team, count in self.mentions.get(viewer.id, ()) if may_see(viewer, team)
            ),
        }

    def _within_reach(self, viewer: Any) -> tuple[list[int | None], Counter[str]]:
        """The teams this viewer reaches and their totals, computed once for all viewers with the same reach."""
        reach = (viewer.is_active, viewer.role, viewer.team_id)
        if reach not in self.by_reach:
            teams = [team for team in self.situations if may_see(viewer, team)]
            self.by_reach[reach] = teams, sum((self.situations[team] for team in teams), Counter[str]())
        return self.by_reach[reach]
