"""Rows of the lists: a conversation with what was said last in it, read for a whole list in one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce, JSONObject, Left, NullIf
from django.utils.translation import gettext as _

from relais.conversations import media_types, message_display
from relais.conversations.lifecycle import Status
from relais.conversations.models import SPOKEN, WINDOW, Conversation, ConversationEvent, Conversations
from relais.text import has_visible_characters

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
    """Type of what came with it, as far as it is known."""
    filename: str
    template: str = ""
    attached: str = ""
    """Not empty when something came or went with it."""
    content: Mapping[str, Any] | str = ""
    """The readable fields of a message whose text does not say it."""

    @property
    def shows_media(self) -> bool:
        return bool(self.attached) and not has_visible_characters(self.body)

    @property
    def text(self) -> str:
        """What is seen of it; never nothing."""
        if has_visible_characters(self.body):
            return self.body
        content = self.content if isinstance(self.content, Mapping) else {}
        if self.template:
            return _("Modèle WhatsApp %(sid)s") % {"sid": self.template}
        return message_display.in_one_line(content)[:GLANCE] or message_display.placeholder(content)

    @property
    def is_trouble(self) -> bool:
        return self.state in ("failed", "refused", "uncertain")

    @property
    def is_picture(self) -> bool:
        return self.media.startswith("image/")

    @property
    def media_label(self) -> str:
        return self.filename or media_types.label_of(self.media)


def with_row_data(conversations: Conversations) -> Conversations:
    """The same conversations, with all that their rows show."""
    return conversations.select_related("address", "client", "agent", "team").annotate(said_last=_said_last())


def _said_last() -> Subquery:
    """Of a person or the bot: what is said by itself at each take-over and each end would hide it.

    Of a client who waits: his own last words. The bot's « I tell an agent », and its reason, tell an agent nothing.
    """
    waits = Q(conversation__status=Status.TRANSFERRED, conversation__agent=None)
    said = ConversationEvent.objects.filter(
        Q(author_kind="client") | ~waits, event_type__in=SPOKEN, conversation=OuterRef("pk")
    )
    spoken: QuerySet[ConversationEvent, Any] = said.exclude(author_kind="system").order_by(
        "-seq", "media__position"
    )
    glance = JSONObject(
        kind=F("author_kind"),
        body=Left(F("body"), Value(GLANCE)),
        state=F("delivery__state"),
        media=Coalesce(NullIf("media__content_type", Value("")), "media__declared_type"),
        filename=F("media__filename"),
        template=KeyTextTransform("content_sid", "metadata"),
        attached=Coalesce(KeyTextTransform("media", "metadata"), KeyTextTransform("media_url", "metadata")),
        content=KeyTransform("content", "metadata"),
    )
    return Subquery(spoken.values(glance=glance)[:1])


def last_line(conversation: Conversation) -> LastLine | None:
    """Of a conversation that came through `with_row_data`; another is asked for by itself."""
    said: dict[str, Any] | None
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
