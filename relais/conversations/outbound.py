"""Sending to the client: the only way to create an outgoing message.

Guard → event and delivery in one transaction → the sender claims the delivery from the outbox (`outbox.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Max, Subquery
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.action_errors import NotAllowed
from relais.choices import Choices, check_question
from relais.conversations.errors import CannotSend, StateConflict
from relais.conversations.events import Author
from relais.conversations.outbound_files import SendFilesMixin, stored_files
from relais.conversations.outbound_templates import SendTemplateMixin, Template, shown_template
from relais.conversations.outgoing_text import clean_message, held_until
from relais.conversations.service_window import is_template, send_obstacle
from relais.conversations.states import Situation
from relais.files.uploads import OutgoingFile
from relais.text import has_visible_characters, sanitize_for_postgres

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery


class SendMixin(SendFilesMixin, SendTemplateMixin):
    if TYPE_CHECKING:
        address: Any

    def send_as_agent(
        self: Conversation,
        text: str,
        *,
        agent: User,
        at: datetime,
        ref: str | None = None,
        undo_seconds: int = 0,
    ) -> MessageDelivery:
        """The holder writes. Idempotent by `ref`: the same `ref` again returns the first delivery and sends nothing.

        For `undo_seconds` it is held in the outbox, so that `undo_send` can withdraw it.
        """
        deliveries = self.send_files_as_agent(
            text, (), agent=agent, at=at, ref=ref, undo_seconds=undo_seconds
        )
        return deliveries[0]

    @transaction.atomic
    def send_choices_as_agent(
        self: Conversation,
        text: str,
        choices: Choices,
        *,
        agent: User,
        at: datetime,
        ref: str | None = None,
        undo_seconds: int = 0,
        metadata: Mapping[str, Any] | None = None,
    ) -> MessageDelivery:
        """The holder asks a question with buttons or a list under it. Idempotent by `ref` like `send_as_agent`.

        Raises also InvalidChoices. The sender creates the content at Twilio (`whatsapp/outbound/choice_contents.py`).
        """
        locked = self.locked()
        if known := locked.deliveries.with_ref(ref):
            return known
        locked._check_is_holder(agent)
        body = clean_message(text)
        check_question(body)
        locked._check_window(at)
        if ref:
            locked.drafts.filter(user=agent, ref=ref).delete()
        return locked._create_outgoing(
            "agent_message",
            body,
            by=Author.from_user(agent),
            at=at,
            ref=ref,
            held_until=held_until(at, undo_seconds),
            metadata={**(metadata or {}), "choices": choices.as_json()},
        )

    @transaction.atomic
    def undo_send(
        self: Conversation, event: ConversationEvent, *, agent: User, at: datetime
    ) -> MessageDelivery:
        """Its author withdraws a message that is still held in the outbox, with all that was sent together with it.

        Idempotent. Raises StateConflict, and withdraws nothing, if one of them has left.
        """
        locked = self.locked()
        delivery = locked.deliveries.get(event=event)
        if event.event_type != "agent_message" or event.author_id != agent.pk:
            raise NotAllowed(_("Seul l'auteur d'un message peut l'annuler."))
        held = [each for each in locked.deliveries_of_send(event) if each.reason != "undone"]
        for each in held:
            if not each.withdraw(at=at):
                raise StateConflict(locked, _("Ce message est déjà parti."), code="already_sent")
        if held:
            locked._restore_unanswered()
            delivery.refresh_from_db()
        return delivery

    def _restore_unanswered(self: Conversation) -> None:
        """After its answer was undone, the client waits again for one, unless an earlier message was one."""
        answers = self.events.filter(event_type="agent_message").exclude(delivery__reason="undone")
        answered_seq = answers.aggregate(seq=Max("seq"))["seq"] or 0
        if self.last_inbound_seq > answered_seq:
            oldest = self.events.filter(event_type="message_received", seq__gt=answered_seq).order_by("seq")
            type(self).objects.filter(pk=self.pk).update(
                unanswered_since=Subquery(oldest.values("created_at")[:1])
            )

    @transaction.atomic
    def send_as_program(
        self: Conversation,
        text: str,
        *,
        by: Author,
        at: datetime,
        ref: str | None = None,
        media_url: str = "",
        template: Template | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> MessageDelivery:
        """The bot or an API client writes; raises StateConflict as soon as an agent holds the conversation.

        A template may be sent when the window is closed, and without a text of ours. Idempotent by `ref`.
        """
        locked = self.locked()
        if known := locked.deliveries.with_ref(ref):
            return known
        if not locked.is_open or locked.situation is Situation.HELD:
            raise StateConflict(locked)
        body = clean_message(text) if has_visible_characters(text) or not (media_url or template) else ""
        extra: dict[str, Any] = {"media_url": [media_url]} if media_url else {}
        if template:
            body, shown = shown_template(template, body)
            extra |= shown
        extra |= metadata or {}
        locked._check_window(at, is_template=template is not None)
        return locked._create_outgoing(
            "message_sent", body, by=by, at=at, ref=ref, epoch=locked.epoch, metadata=extra
        )

    @transaction.atomic
    def record_refused(
        self: Conversation,
        text: str,
        *,
        by: Author,
        at: datetime,
        reason: str,
        metadata: dict[str, Any] | None = None,
    ) -> MessageDelivery:
        """Keep what a program wanted to send and could not as a refused delivery, so that it shows in the history."""
        locked = self.locked()
        return locked._create_outgoing(
            "message_sent",
            sanitize_for_postgres(text),
            by=by,
            at=at,
            epoch=locked.epoch,
            reason=reason,
            metadata=metadata,
        )

    @transaction.atomic
    def send_automatic(
        self: Conversation,
        text: str,
        *,
        by: Author,
        at: datetime,
        epoch: int | None = None,
        undo_seconds: int = 0,
    ) -> MessageDelivery:
        """A text that follows from a verb. If it cannot be sent, it is stored as refused and the verb still stands."""
        return self._create_outgoing(
            "message_sent",
            text,
            by=by,
            at=at,
            epoch=epoch,
            reason=send_obstacle(self, self.window_closes_at(), at=at),
            held_until=held_until(at, undo_seconds),
        )

    @transaction.atomic
    def resend(
        self: Conversation,
        event: ConversationEvent,
        *,
        agent: User,
        at: datetime,
    ) -> MessageDelivery:
        """Send a failed or uncertain message again. A second click returns the delivery of the first."""
        locked = self.locked()
        if earlier := locked.deliveries.filter(event__resend_of=event).first():
            return earlier
        locked._check_is_holder(agent)
        if event.is_to_other:
            raise NotAllowed(
                _("Le bot adressait ce message à quelqu'un d'autre : il ne se renvoie pas au client.")
            )
        old = locked.deliveries.get(event=event)
        if old.state not in ("failed", "refused", "uncertain"):
            raise StateConflict(locked, _("Ce message est déjà parti."))
        locked._check_window(at, is_template=is_template(event))
        delivery = locked._create_outgoing(
            "agent_message",
            event.body,
            by=Author.from_user(agent),
            at=at,
            resend_of=event,
            metadata=_media_metadata(event),
            files=stored_files(event),
        )
        old.supersede(at=at)
        return delivery

    @transaction.atomic
    def confirm_arrival(
        self: Conversation,
        event: ConversationEvent,
        *,
        agent: User,
        at: datetime,
    ) -> MessageDelivery:
        """The holder knows that an uncertain message arrived: mark it sent."""
        locked = self.locked()
        locked._check_is_holder(agent)
        delivery = locked.deliveries.get(event=event)
        if delivery.state == "uncertain":
            delivery.advance("sent", at=at)
        return delivery

    def locked(self: Conversation) -> Conversation:
        """The row read again under a row lock that lasts to the end of the transaction."""
        return type(self).objects.select_for_update(no_key=True).get(pk=self.pk)

    def _check_is_holder(self: Conversation, agent: User) -> None:
        if not self.is_open:
            raise StateConflict(self)
        if not self.is_held_by(agent):
            raise NotAllowed(
                _("%(agent)s tient cette conversation. Vous pouvez la suivre.") % {"agent": self.agent}
                if self.agent
                else _("Prenez d'abord la conversation en charge.")
            )

    def _check_window(self: Conversation, at: datetime, *, is_template: bool = False) -> None:
        """An approved template may be sent when the window is closed."""
        if (reason := send_obstacle(self, self.window_closes_at(), at=at)) and not (
            is_template and reason == "window_closed"
        ):
            source = self.client.opt_out_source(self.sender) if reason == "opted_out" else ""
            raise CannotSend(reason, opt_out_source=source)

    def _create_outgoing(
        self: Conversation,
        event_type: str,
        text: str,
        *,
        by: Author,
        at: datetime,
        ref: str | None = None,
        epoch: int | None = None,
        reason: str = "",
        resend_of: ConversationEvent | None = None,
        metadata: dict[str, Any] | None = None,
        held_until: datetime | None = None,
        files: Sequence[OutgoingFile] = (),
    ) -> MessageDelivery:
        if files:
            metadata = (metadata or {}) | {"media": len(files)}
        event = self.append_event(event_type, by=by, at=at, body=text, resend_of=resend_of, metadata=metadata)
        self._attach(event, files)
        return self.deliveries.create(
            event=event,
            rev=event.rev,
            state="refused" if reason else "queued",
            reason=reason,
            ref=ref,
            epoch=epoch,
            by_person=epoch is None,
            not_before=at,
            held_until=held_until,
            created_at=at,
        )


def _media_metadata(event: ConversationEvent) -> dict[str, Any]:
    names = ("media_url", "content_sid", "content_variables", "template", "choices")
    return {name: event.metadata[name] for name in names if name in event.metadata}
