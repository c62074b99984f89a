"""One timeline of a client: the events of all conversations within reach, whichever address and sender number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.utils.timezone import localdate

from relais.accounts.models import User
from relais.clients.models import Client
from relais.conversations import fragments
from relais.conversations.models import Conversation, ConversationEvent

PAGE_SIZE = 60


@dataclass(frozen=True)
class TimelineItem:
    html: str
    new_day: datetime | None
    """When the event happened, if it is the first one of its day."""
    conversation: Conversation | None
    """Its conversation, if the event before it belongs to another one."""


@dataclass(frozen=True)
class ClientTimeline:
    items: list[TimelineItem]
    earlier_before: int | None
    """The cursor of the page before this one, an event id; None on the first page."""


def conversations_of_client(user: User, client: Client) -> list[Conversation]:
    """Those within reach, the most recent first."""
    reachable = (
        user.reachable_conversations().filter(client=client).select_related("agent", "address", "team")
    )
    return list(reachable.order_by("-started_at", "-pk"))


def client_timeline(conversations: Iterable[Conversation], *, before: int | None = None) -> ClientTimeline:
    """The last events of these conversations, or the last ones whose id is below `before`, oldest first."""
    by_id = {conversation.pk: conversation for conversation in conversations}
    events = (
        ConversationEvent.objects.filter(conversation__in=by_id)
        .select_related("delivery")
        .prefetch_related("media", "resends")
        # An expression: by the primary key alone PostgreSQL would walk all events backwards to find this client's.
        .alias(position=F("pk") + 0)
        .order_by("-position")
    )
    if before is not None:
        events = events.filter(position__lt=before)
    newest_first = list(events[: PAGE_SIZE + 1])
    page = newest_first[:PAGE_SIZE][::-1]
    for event in page:
        event.conversation = by_id[event.conversation_id]
    has_earlier = len(newest_first) > PAGE_SIZE
    return ClientTimeline(_items(page), page[0].pk if has_earlier else None)


def _items(events: Sequence[ConversationEvent]) -> list[TimelineItem]:
    items: list[TimelineItem] = []
    previous: ConversationEvent | None = None
    for event in events:
        is_new_day = previous is None or localdate(previous.created_at) != localdate(event.created_at)
        changes = previous is None or previous.conversation_id != event.conversation_id
        items.append(
            TimelineItem(
                fragments.event(event),
                event.created_at if is_new_day else None,
                event.conversation if changes else None,
            )
        )
        previous = event
    return items
