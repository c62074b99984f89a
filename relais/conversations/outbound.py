"""Saying something to the client: the only way out.

Guard → event and delivery in one transaction → the sender's turn.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.conversations.events import Author
from relais.conversations.lifecycle import NotAllowed, Refusal, Situation, TooLate
from relais.text import MAX_MESSAGE_CHARACTERS, has_visible_characters, sanitize_for_postgres

if TYPE_CHECKING:
    from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery

"""Unicode code points that Twilio accepts in one message."""


class Unsayable(Refusal):
    """The text cannot go to this address now; `code` is why, one of those in `sentence_for`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(sentence_for(code))


def sentence_for(code: str) -> str:
    return {
        "empty": _("Le message est vide."),
        "too_long": _("Le message dépasse %(longest)s caractères. Coupez-le en plusieurs messages.")
        % {"longest": MAX_MESSAGE_CHARACTERS},
        "window_closed": _(
            "WhatsApp n'accepte plus de texte libre : plus de 24 h depuis le dernier message du client. "
            "Attendez qu'il écrive de nouveau."
        ),
        "opted_out": _(
            "Ce client a demandé à ne plus recevoir de messages. Il faut qu'il écrive le premier."
        ),
        "bad_address": _("Ce destinataire n'est pas une adresse WhatsApp. Corrigez-le dans le parcours."),
        "not_our_number": _("Ce numéro d'envoi n'est pas un des nôtres. Corrigez-le dans le parcours."),
        "unknown_recipient": _(
            "Ce destinataire n'a jamais écrit à ce numéro : WhatsApp n'accepte pour lui qu'un modèle approuvé."
        ),
        "held_by_agent": _(
            "Un agent tient la conversation avec ce destinataire : le bot n'y écrit pas. Dites-le-lui."
        ),
        "taken_over": _("Retenu : un agent avait pris la conversation."),
        "ended": _("Retenu : la conversation était terminée."),
    }[code]


def refusal_reason(refusal: Refusal) -> str:
    """As a refused delivery keeps it."""
    if isinstance(refusal, TooLate):
        return "ended" if refusal.code == "ended" else "taken_over"
    return refusal.code


def clean(text: str) -> str:
    """The text as it can be stored and sent: no NUL, no half of a surrogate pair, no blank edge. Raises Unsayable."""
    kept = sanitize_for_postgres(text).replace("\r\n", "\n").strip()
    if not has_visible_characters(kept):
        raise Unsayable("empty")
    if len(kept) > MAX_MESSAGE_CHARACTERS:
        raise Unsayable("too_long")
    return kept


@dataclass(frozen=True)
class Template:
    """A message that WhatsApp approved beforehand, by its SID (HX…) and the values of its variables."""

    content_sid: str
    content_variables: dict[str, str]


class Saying:
    if TYPE_CHECKING:
        address: Any

    @transaction.atomic
    def say_as_agent(
        self: Conversation,
        text: str,
        *,
        agent: User,
        at: datetime,
        ref: str | None = None,
    ) -> MessageDelivery:
        """The holder writes. The same `ref` again is answered by the delivery of the first time, and says nothing."""
        locked = self.locked()
        if ref and (known := locked.deliveries.filter(ref=ref).first()):
            return known
        locked._guard_voice(agent)
        said = clean(text)
        locked._guard_window(at)
        return locked._say("agent_message", said, by=Author.of(agent), at=at, ref=ref)

    @transaction.atomic
    def say_as_program(
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
        """The bot or a program writes; muted as soon as an agent holds the conversation.

        A template is WhatsApp's own, approved: it may go when the window is closed, and without a text of ours.
        """
        locked = self.locked()
        if ref and (known := locked.deliveries.filter(ref=ref).first()):
            return known
        if not locked.is_open or locked.situation is Situation.HELD:
            raise TooLate(locked)
        said = clean(text) if has_visible_characters(text) or not (media_url or template) else ""
        beside: dict[str, Any] = {"media_url": [media_url]} if media_url else {}
        if template:
            beside |= asdict(template)
        beside |= metadata or {}
        locked._guard_window(at, approved=template is not None)
        return locked._say("message_sent", said, by=by, at=at, ref=ref, epoch=locked.epoch, metadata=beside)

    @transaction.atomic
    def keep_as_refused(
        self: Conversation,
        text: str,
        *,
        by: Author,
        at: datetime,
        reason: str,
        metadata: dict[str, Any] | None = None,
    ) -> MessageDelivery:
        """What a program wanted to write and could not: nobody need wonder where it went."""
        locked = self.locked()
        return locked._say(
            "message_sent",
            sanitize_for_postgres(text),
            by=by,
            at=at,
            epoch=locked.epoch,
            reason=reason,
            metadata=metadata,
        )

    @transaction.atomic
    def say_by_itself(
        self: Conversation,
        text: str,
        *,
        by: Author,
        at: datetime,
        epoch: int | None = None,
    ) -> MessageDelivery:
        """A consequence of a verb. What cannot be said is kept as refused, and undoes nothing."""
        reason = self._unsayable(at)
        return self._say("message_sent", text, by=by, at=at, epoch=epoch, reason=reason)

    @transaction.atomic
    def resend(
        self: Conversation,
        event: ConversationEvent,
        *,
        agent: User,
        at: datetime,
    ) -> MessageDelivery:
        """Say again what failed, or what nobody can tell arrived. A second click is answered as the first."""
        locked = self.locked()
        if again := locked.deliveries.filter(event__resend_of=event).first():
            return again
        locked._guard_voice(agent)
        if event.is_to_other:
            raise NotAllowed(
                _("Le bot adressait ce message à quelqu'un d'autre : il ne se renvoie pas au client.")
            )
        old = locked.deliveries.get(event=event)
        if old.state not in ("failed", "refused", "uncertain"):
            raise TooLate(locked, _("Ce message est déjà parti."))
        locked._guard_window(at, approved="content_sid" in event.metadata)
        said = locked._say(
            "agent_message",
            event.body,
            by=Author.of(agent),
            at=at,
            resend_of=event,
            metadata=_media_of(event),
        )
        old.resent(at=at)
        return said

    @transaction.atomic
    def confirm_arrival(
        self: Conversation,
        event: ConversationEvent,
        *,
        agent: User,
        at: datetime,
    ) -> MessageDelivery:
        """The holder knows that an uncertain message arrived."""
        locked = self.locked()
        locked._guard_voice(agent)
        delivery = locked.deliveries.get(event=event)
        if delivery.state == "uncertain":
            delivery.advance("sent", at=at)
        return delivery

    def locked(self: Conversation) -> Conversation:
        """The row as it is, kept from others until the transaction ends."""
        return type(self).objects.select_for_update(no_key=True).get(pk=self.pk)

    def _guard_voice(self: Conversation, agent: User) -> None:
        if not self.is_open:
            raise TooLate(self)
        if not self._is_held_by(agent):
            raise NotAllowed(
                _("%(agent)s tient cette conversation. Vous pouvez la suivre.") % {"agent": self.agent}
                if self.agent
                else _("Prenez d'abord la conversation en charge.")
            )

    def _unsayable(self: Conversation, at: datetime) -> str:
        """Why WhatsApp would not take free text now, or the empty string."""
        if self.opted_out_since():
            return "opted_out"
        closes = self.window_closes_at()
        return "" if closes and at < closes else "window_closed"

    def _guard_window(self: Conversation, at: datetime, *, approved: bool = False) -> None:
        """A template that WhatsApp approved may go when the window is closed."""
        if (reason := self._unsayable(at)) and not (approved and reason == "window_closed"):
            raise Unsayable(reason)

    def _say(
        self: Conversation,
        kind: str,
        text: str,
        *,
        by: Author,
        at: datetime,
        ref: str | None = None,
        epoch: int | None = None,
        reason: str = "",
        resend_of: ConversationEvent | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> MessageDelivery:
        from relais.conversations.models import MessageDelivery

        event = self.append(kind, by=by, at=at, body=text, resend_of=resend_of, metadata=metadata)
        return MessageDelivery.objects.create(
            event=event,
            conversation=self,
            rev=event.rev,
            state="refused" if reason else "queued",
            reason=reason,
            ref=ref,
            epoch=epoch,
            by_person=epoch is None,
            not_before=at,
            created_at=at,
        )


def _media_of(event: ConversationEvent) -> dict[str, Any]:
    names = ("media_url", "content_sid", "content_variables")
    return {name: event.metadata[name] for name in names if name in event.metadata}
