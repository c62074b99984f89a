"""The statistics on the dashboard. Each equals the number of rows in the list that it links to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Min, Q
from django.utils import timezone

from relais.accounts.models import User
from relais.conversations.list_filters import with_failed_messages
from relais.conversations.querysets import HELD, WAITING, WITH_BOT, ConversationQuerySet
from relais.conversations.states import OPEN_STATUSES


@dataclass(frozen=True)
class DashboardStats:
    pending: int
    bot: int
    held: int
    mine: int
    mine_unread: int
    agents: int
    """Agents who hold at least one conversation."""
    longest_wait_since: datetime | None
    ended_today: int
    ended_yesterday: int
    failed: int


def dashboard_stats(user: User, *, at: datetime) -> DashboardStats:
    conversations: ConversationQuerySet = user.reachable_conversations()
    mine = HELD & Q(agent=user, snoozed_at=None)
    open_counts = conversations.filter(status__in=OPEN_STATUSES).aggregate(
        pending=Count("pk", filter=WAITING),
        bot=Count("pk", filter=WITH_BOT),
        held=Count("pk", filter=HELD),
        mine=Count("pk", filter=mine),
        mine_unread=Count("pk", filter=mine & Q(last_inbound_seq__gt=F("read_seq"))),
        agents=Count("agent", filter=HELD, distinct=True),
        longest_wait_since=Min("transferred_at", filter=WAITING),
    )
    counts: dict[str, Any] = {**open_counts, **_ended_counts(conversations, at)}
    return DashboardStats(**counts, failed=with_failed_messages(conversations).count())


def _ended_counts(conversations: ConversationQuerySet, at: datetime) -> dict[str, int]:
    today = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)
    # Ending updates `last_activity_at`, which is indexed: only the rows of two days are read.
    return (
        conversations.ended()
        .filter(last_activity_at__gte=yesterday)
        .aggregate(
            ended_today=Count("pk", filter=Q(last_activity_at__gte=today)),
            ended_yesterday=Count("pk", filter=Q(last_activity_at__lt=today)),
        )
    )
