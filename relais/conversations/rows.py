"""Rows of the lists: a conversation with what was said last in it, read for a whole list in one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import JSONObject, Left

from relais.conversations.lifecycle import Status
from relais.conversations.models import SPOKEN, WINDOW, Conversation, ConversationEvent, Conversations

GLANCE = 160
"""Characters of the last message that a row could ever show."""
NEAR = timedelta(hours=2)
"""A window that closes sooner than this is worth a chip."""


@dataclass(frozen=True)
class LastLine:
    """What was said last: by whom, the beginning of it, and what became of it."""

    kind: str
    body: str
    state: str
    media: str

    @property
    def is_trouble(self) -> bool:
        return self.state in ("failed", "refused", "uncertain")

    @property
    def is_picture(self) -> bool:
        return self.media.startswith("image/")


def listed(conversations: Conversations) -> Conversations:
    """The same conversations, with all that their rows show."""
    return conversations.select_related("address", "client", "agent", "team").annotate(said_last=_said_last())


def _said_last() -> Subquery:
    """Of a person or the bot: what is said by itself at each take-over and each end would hide it.

    Of a client who waits: why he does, or what he wrote since; the bot's « I tell an agent » tells an agent nothing.
    """
    waits = Q(conversation__status=Status.TRANSFERRED, conversation__agent=None)
    why = Q(event_type="agent_transfer", metadata__reason__gt="") & waits
    said = ConversationEvent.objects.filter(
        why | Q(event_type__in=SPOKEN) & ~(Q(author_kind="bot") & waits), conversation=OuterRef("pk")
    )
    spoken: QuerySet[ConversationEvent, Any] = said.exclude(author_kind="system").order_by(
        "-seq", "media__position"
    )
    reason = When(event_type="agent_transfer", then=KeyTextTransform("reason", "metadata"))
    glance = JSONObject(
        kind=F("author_kind"),
        body=Left(Case(reason, default=F("body")), Value(GLANCE)),
        state=F("delivery__state"),
        media=F("media__declared_type"),
    )
    return Subquery(spoken.values(glance=glance)[:1])


def last_line(conversation: Conversation) -> LastLine | None:
    """Of a conversation that came through `listed`; another is asked for by itself."""
    said: dict[str, str | None] | None
    if hasattr(conversation, "said_last"):
        said = conversation.said_last
    else:
        said = Conversation.objects.filter(pk=conversation.pk).values_list(_said_last(), flat=True).first()
    return LastLine(**{name: value or "" for name, value in said.items()}) if said else None


def since(conversation: Conversation) -> datetime:
    """What the list is ordered by: the moment the client began to wait, else the last activity."""
    waiting = conversation.situation.value == "waiting"
    return (waiting and conversation.transferred_at) or conversation.last_activity_at


def window_closes(conversation: Conversation) -> datetime | None:
    """An open conversation has its channel's latest inbound message, or it has had none."""
    if not conversation.is_open or not conversation.last_inbound_at:
        return None
    return conversation.last_inbound_at + WINDOW
