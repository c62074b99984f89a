"""Rows of conversation lists: each conversation with a preview of its last message, in one query for the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce, JSONObject, Left, NullIf
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from relais.conversations import media_types, message_display
from relais.conversations.event_types import MESSAGE_EVENT_TYPES
from relais.conversations.models import Conversation, ConversationEvent, ConversationTag
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.states import Status
from relais.text import has_visible_characters

MAX_PREVIEW_CHARACTERS = 160
"""More than a row ever has space for."""

KIND_ICONS = {"image": "image", "sticker": "sticker", "audio": "mic", "video": "video", "contact": "contact"}
KIND_WORDS = {
    "image": gettext_noop("Photo"),
    "sticker": gettext_noop("Autocollant"),
    "audio": gettext_noop("Message vocal"),
    "video": gettext_noop("Vidéo"),
    "contact": gettext_noop("Contact"),
}


@dataclass(frozen=True)
class MessagePreview:
    """The last message of a conversation: its author, its beginning and its delivery state."""

    author_kind: str
    body: str
    state: str
    media_type: str
    """The content type of its media, if known."""
    filename: str
    template: str = ""
    attached: str = ""
    """Not empty if it has media."""
    content: Mapping[str, Any] | str = ""
    """The readable fields of a message that has no text, such as a location."""

    @property
    def shows_media(self) -> bool:
        return bool(self.attached) and not has_visible_characters(self.body)

    @property
    def text(self) -> str:
        """Never empty."""
        if has_visible_characters(self.body):
            return self.body
        content = self.content if isinstance(self.content, Mapping) else {}
        if self.template:
            return _("Modèle WhatsApp %(sid)s") % {"sid": self.template}
        return message_display.summary(content)[:MAX_PREVIEW_CHARACTERS] or message_display.placeholder(
            content
        )

    @property
    def is_problem(self) -> bool:
        return self.state in ("failed", "refused", "uncertain")

    @property
    def _kind(self) -> str:
        return media_types.kind_of(self.media_type.partition(";")[0].strip().lower())

    @property
    def icon(self) -> str:
        return KIND_ICONS.get(self._kind, "paperclip")

    @property
    def media_label(self) -> str:
        """« Photo », « Message vocal » …; of a document its name."""
        if self._kind in KIND_WORDS:
            return _(KIND_WORDS[self._kind])
        return self.filename or media_types.label_for(self.media_type)

    @property
    def location(self) -> str:
        """« Position », with the name of the place if there is one; empty for all other messages."""
        return message_display.location_summary(self.body) if self.author_kind == "client" else ""


def with_row_data(conversations: ConversationQuerySet) -> ConversationQuerySet:
    """The same conversations, annotated with all that their rows show."""
    return conversations.select_related("address", "client", "agent", "team").annotate(
        last_message=_last_message(), row_tags=tag_labels()
    )


def _last_message() -> Subquery:
    """The last message of a person or the bot. Automatic texts at each take-over and end would hide it.

    Of a client who waits, it is the client's own last message: the bot's « I call an agent » tells an agent nothing.
    """
    is_waiting = Q(conversation__status=Status.TRANSFERRED, conversation__agent=None)
    messages = ConversationEvent.objects.filter(
        Q(author_kind="client") | ~is_waiting, event_type__in=MESSAGE_EVENT_TYPES, conversation=OuterRef("pk")
    )
    shown = messages.exclude(author_kind="system").exclude(delivery__reason="undone")
    newest_first: QuerySet[ConversationEvent, Any] = shown.order_by("-seq", "media__position")
    preview = JSONObject(
        author_kind=F("author_kind"),
        body=Left(F("body"), Value(MAX_PREVIEW_CHARACTERS)),
        state=F("delivery__state"),
        media_type=Coalesce(NullIf("media__content_type", Value("")), "media__declared_type"),
        filename=F("media__filename"),
        template=KeyTextTransform("content_sid", "metadata"),
        attached=Coalesce(KeyTextTransform("media", "metadata"), KeyTextTransform("media_url", "metadata")),
        content=KeyTransform("content", "metadata"),
    )
    return Subquery(newest_first.values(preview=preview)[:1])


def message_preview(conversation: Conversation) -> MessagePreview | None:
    """Read from the annotation of `with_row_data` if there is one, else by a query."""
    fields: dict[str, Any] | None
    if hasattr(conversation, "last_message"):
        fields = conversation.last_message
    else:
        queryset = Conversation.objects.filter(pk=conversation.pk)
        fields = queryset.values_list(_last_message(), flat=True).first()
    return MessagePreview(**{name: value or "" for name, value in fields.items()}) if fields else None


def tag_labels() -> ArraySubquery:
    """The tags of each row, within the list's own query."""
    tags: QuerySet[ConversationTag, Any] = ConversationTag.objects.filter(conversation=OuterRef("pk"))
    label = JSONObject(name=F("tag__name"), color=F("tag__color"))
    return ArraySubquery(tags.order_by("tag__plain_name").values(label=label))
