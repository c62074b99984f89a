"""Sending files: WhatsApp carries one file a message, so a text with files becomes several, in one transaction.

The text is the caption of the first file if that shows one; else it goes first, as a message of its own. All messages
of one send share `metadata["send"]`; their refs are `ref`, `ref:1`, `ref:2` …
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from relais.accounts.models import User
from relais.conversations.events import Author
from relais.conversations.media_types import clean_filename
from relais.conversations.outgoing_text import clean_message, held_until
from relais.conversations.states import MediaState
from relais.files.channel_types import shows_caption
from relais.files.models import lock_stored_files
from relais.files.uploads import OutgoingFile
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery


@dataclass(frozen=True)
class MessagePart:
    text: str
    file: OutgoingFile | None = None


def message_parts(text: str, files: Sequence[OutgoingFile]) -> list[MessagePart]:
    """The messages that a text with these files becomes, in order. The text may be empty if there is a file."""
    captioned = next((n for n, file in enumerate(files) if shows_caption(file.content_type)), None)
    parts = [MessagePart(text if n == captioned else "", file) for n, file in enumerate(files)]
    if text and captioned != 0:
        # Read before what it is about.
        parts = [MessagePart(text), *(MessagePart("", part.file) for part in parts)]
    return parts


class SendFilesMixin:
    @transaction.atomic
    def send_files_as_agent(
        self: Conversation,
        text: str,
        files: Sequence[OutgoingFile],
        *,
        agent: User,
        at: datetime,
        ref: str | None = None,
        undo_seconds: int = 0,
        metadata: Mapping[str, Any] | None = None,
    ) -> list[MessageDelivery]:
        """The holder sends a text, stored files or both: all messages or none. Their events keep `metadata`.

        Idempotent by `ref` like `send_as_agent`. Raises also FileRefused, if a file is not stored any more.
        """
        locked = self.locked()
        if known := locked.deliveries.with_ref(ref):
            return locked.deliveries_of_send(known.event)
        locked._check_is_holder(agent)
        body = clean_message(text) if has_visible_characters(text) or not files else ""
        locked._check_window(at)
        lock_stored_files([file.stored.pk for file in files])
        if ref:
            locked.drafts.filter(user=agent, ref=ref).delete()
        parts = message_parts(body, files)
        send = {"send": secrets.token_urlsafe(9)} if len(parts) > 1 else {}
        return [
            locked._create_outgoing(
                "agent_message",
                part.text,
                by=Author.from_user(agent),
                at=at,
                ref=f"{ref}:{n}" if ref and n else ref,
                held_until=held_until(at, undo_seconds),
                metadata={**(metadata or {}), **send},
                files=[part.file] if part.file else (),
            )
            for n, part in enumerate(parts)
        ]

    def check_may_send(self: Conversation, agent: User, *, at: datetime) -> None:
        """Raises what `send_files_as_agent` would raise now: before files are stored for nothing."""
        self._check_is_holder(agent)
        self._check_window(at)

    def deliveries_of_send(self: Conversation, event: ConversationEvent) -> list[MessageDelivery]:
        """Of all messages that were sent together with this one, in order."""
        deliveries = self.deliveries.select_related("event").order_by("pk")
        send = event.metadata.get("send")
        if not send:
            return list(deliveries.filter(event=event))
        # By time as well: there is no index on the metadata.
        return list(deliveries.filter(created_at=event.created_at, event__metadata__send=send))

    def _attach(self: Conversation, event: ConversationEvent, files: Iterable[OutgoingFile]) -> None:
        media: Any = event.media
        rows = media.bulk_create(
            media.model(
                event=event,
                position=position,
                url="",
                declared_type=file.content_type,
                content_type=file.content_type,
                filename=clean_filename(file.filename, file.content_type),
                size=file.stored.size,
                state=MediaState.STORED,
                file=file.stored,
            )
            for position, file in enumerate(files)
        )
        for row in rows:
            row.defer_next_job()


def stored_files(event: ConversationEvent) -> list[OutgoingFile]:
    """The files of a message of ours, to send them again."""
    if not event.metadata.get("media"):
        return []
    rows: Any = event.media.select_related("file").exclude(file=None)
    return [OutgoingFile(media.file, media.content_type, media.filename) for media in rows]
