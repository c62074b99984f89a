"""Scheduling a message: the verb of conversations. What becomes of it is in `scheduled_messages.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import InvalidField
from relais.choices import Choices, check_question
from relais.content_templates.rendering import render_template
from relais.conversations.errors import CannotSend, StateConflict
from relais.conversations.media_types import clean_filename
from relais.conversations.outgoing_text import clean_message
from relais.conversations.scheduled_messages import ScheduledFile, ScheduledMessage
from relais.conversations.scheduled_times import check_send_at
from relais.files.models import lock_stored_files
from relais.files.uploads import OutgoingFile
from relais.text import has_visible_characters

if TYPE_CHECKING:
    from relais.conversations.models import Conversation

MAX_SCHEDULED_PER_CONVERSATION = 50


class ScheduleMixin:
    @transaction.atomic
    def schedule(
        self: Conversation,
        text: str,
        *,
        agent: User,
        send_at: datetime,
        at: datetime,
        ref: str | None = None,
        files: Sequence[OutgoingFile] = (),
        choices: Choices | None = None,
    ) -> ScheduledMessage:
        """The holder writes what leaves later: a text, stored files, or a question with choices.

        The window is checked when it leaves. Idempotent by `ref`.
        """
        locked = self.locked()
        if known := locked.scheduled_messages.with_ref(ref):
            return known
        locked._check_may_schedule(agent, send_at=send_at, at=at, ref=ref)
        body = clean_message(text) if has_visible_characters(text) or not files else ""
        if choices:
            check_question(body)
        lock_stored_files([file.stored.pk for file in files])
        scheduled = locked._create_scheduled(
            body, agent=agent, send_at=send_at, at=at, ref=ref, choices=choices.as_json() if choices else None
        )
        ScheduledFile.objects.bulk_create(
            ScheduledFile(
                scheduled_message=scheduled,
                position=position,
                file=file.stored,
                content_type=file.content_type,
                filename=clean_filename(file.filename, file.content_type),
            )
            for position, file in enumerate(files)
        )
        return scheduled

    @transaction.atomic
    def schedule_template(
        self: Conversation,
        content_sid: str,
        variables: Mapping[str, str],
        *,
        agent: User,
        send_at: datetime,
        at: datetime,
        ref: str | None = None,
    ) -> ScheduledMessage:
        """As `schedule`. The template is checked now, and again when it leaves."""
        locked = self.locked()
        if known := locked.scheduled_messages.with_ref(ref):
            return known
        locked._check_may_schedule(agent, send_at=send_at, at=at, ref=ref)
        rendered = render_template(content_sid, variables)
        return locked._create_scheduled(
            rendered.content.text,
            agent=agent,
            send_at=send_at,
            at=at,
            ref=ref,
            content_sid=content_sid,
            content_variables=rendered.variables,
        )

    def check_may_schedule(self: Conversation, agent: User, *, send_at: datetime, at: datetime) -> None:
        """Raises what `schedule` would raise now: before files are stored for nothing."""
        self._check_may_schedule(agent, send_at=send_at, at=at)

    def _check_may_schedule(
        self: Conversation,
        agent: User,
        *,
        send_at: datetime | None = None,
        at: datetime | None = None,
        ref: str | None = None,
    ) -> None:
        self._check_is_holder(agent)
        if self.opted_out_since():
            raise CannotSend("opted_out", opt_out_source=self.client.opt_out_source(self.sender))
        if send_at is None or at is None:
            return
        check_send_at(send_at, at=at)
        if self.deliveries.with_ref(ref):
            raise StateConflict(self, _("Ce message est déjà parti."), code="already_sent")
        if self.scheduled_messages.scheduled().count() >= MAX_SCHEDULED_PER_CONVERSATION:
            raise InvalidField(
                "too_many_scheduled",
                _("Cette conversation a déjà %(most)s messages programmés. Annulez-en d'abord un.")
                % {"most": MAX_SCHEDULED_PER_CONVERSATION},
            )

    def _create_scheduled(
        self: Conversation, body: str, *, agent: User, at: datetime, ref: str | None, **fields: Any
    ) -> ScheduledMessage:
        if ref:
            self.drafts.filter(user=agent, ref=ref).delete()
        scheduled: ScheduledMessage = self.scheduled_messages.create(
            body=body,
            author=agent,
            author_name=str(agent),
            ref=ref,
            rev=self.bump_rev(),
            created_at=at,
            **fields,
        )
        return scheduled
