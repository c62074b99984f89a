"""The figures of the first page; each is the number of rows behind the link it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q
from django.utils import timezone

from relais.accounts.models import User
from relais.conversations.lifecycle import BOT as WITH_BOT
from relais.conversations.lifecycle import HELD, OPEN, WAITING
from relais.conversations.list_filters import troubled
from relais.conversations.models import Conversations


@dataclass(frozen=True)
class Figures:
    pending: int
    bot: int
    held: int
    mine: int
    mine_unread: int
    agents: int
    """At work: who hold at least one conversation."""
    longest_wait_since: datetime | None
    ended_today: int
    ended_yesterday: int
    trouble: int


def figures_for(user: User, *, at: datetime) -> Figures:
    conversations: Conversations = user.reachable_conversations()
    mine = HELD & Q(agent=user)
    now_open = conversations.filter(status__in=OPEN).aggregate(
        pending=Count("pk", filter=WAITING),
        bot=Count("pk", filter=WITH_BOT),
        held=Count("pk", filter=HELD),
        mine=Count("pk", filter=mine),
        mine_unread=Count("pk", filter=mine & Q(last_inbound_seq__gt=F("read_seq"))),
        agents=Count("agent", filter=HELD, distinct=True),
        longest_wait_since=Min("transferred_at", filter=WAITING),
    )
    figures: dict[str, Any] = {**now_open, **_ended(conversations, at)}
    return Figures(**figures, trouble=troubled(conversations).count())


def _ended(conversations: Conversations, at: datetime) -> dict[str, int]:
    today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)
    # An end is an activity: the index on those finds the few days asked for.
    return (
        conversations.ended()
        .filter(last_activity_at__gte=yesterday)
        .aggregate(
            ended_today=Count("pk", filter=Q(last_activity_at__gte=today)),
            ended_yesterday=Count("pk", filter=Q(last_activity_at__lt=today)),
        )
    )
