"""A client's message that Twilio's log has and we have not: received now, as the hook would have brought it.

Whether it is answered as if it had just come is decided here, once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from relais.clients.addresses import match_key
from relais.clients.models import Client
from relais.conversations.events import SYSTEM
from relais.conversations.inbound import InboundMessage, receive
from relais.conversations.models import SPOKEN, Conversation, ConversationEvent, Conversations
from relais.whatsapp import client
from relais.whatsapp.inbound.messages import message_of
from relais.whatsapp.inbound.params import clean
from relais.whatsapp.media.download import address_listed_later

log = logging.getLogger(__name__)
ANSWERED_WITHIN = timedelta(hours=1)
"""The bot answers what was written this long ago; what waited longer is for a person."""


PICTURE_AWAITED = timedelta(hours=24)
"""A message waits this long for Twilio to say where its picture is."""
CLOCKS_AGREE = timedelta(seconds=5)
"""Twilio's dates are whole seconds of another clock: what lies closer together has no order."""


@dataclass(frozen=True)
class Circumstances:
    """What is known of the desk while its log is read."""

    called: bool
    """Twilio brings this number's messages by itself: nobody else answers for it in our stead."""
    answered: dict[str, datetime]
    """When someone who is not us last wrote to a client, by the `match_key` of his address."""
    answers_known_since: datetime | None = None
    """`answered` tells nothing of what was written before; None when it tells everything."""

    def tell_who_answered(self, written: datetime) -> bool:
        return self.answers_known_since is None or written >= self.answers_known_since


def take_in(message: client.Message, known: Circumstances, *, at: datetime) -> bool:
    """Receive it. False when it came by itself meanwhile. Raises Invalid, and as `client.media_of`."""
    written = min(message.date_created or at, at)
    inbound = _as_the_hook_tells(message, at)
    inbound = replace(inbound, occurred_at=written, profile_name=_name_of(inbound.address))
    if settings.ENVIRONMENT.bot == "studio":
        # Studio has it: what it tells us of is only where its flow calls `incoming`.
        return _received(inbound, at)
    inbound.metadata["recovered"] = True
    open_question = not _spoken_since(inbound, written, known)
    is_for_bot = known.called and known.tell_who_answered(written)
    in_time = is_for_bot and at - written <= ANSWERED_WITHIN
    with transaction.atomic():
        is_new = _received(replace(inbound, bot_here=open_question and in_time), at)
        if is_new and open_question and not in_time:
            _ask_for_a_person(inbound, at)
    return is_new


def _as_the_hook_tells(message: client.Message, at: datetime) -> InboundMessage:
    given = {
        "MessageSid": message.sid,
        "From": message.from_,
        "To": message.to,
        "Body": message.body,
        "NumMedia": str(message.num_media),
    }
    for n, (url, content_type) in enumerate(_media(message, at)):
        given |= {f"MediaUrl{n}": url, f"MediaContentType{n}": content_type}
    return message_of(clean({name: [value] for name, value in given.items()}), bot_here=False)


def _media(message: client.Message, at: datetime) -> list[tuple[str, str]]:
    if not message.num_media:
        return []
    try:
        return client.media_of(message.sid)
    except client.TwilioRefused:
        pass
    except (client.NotNow, client.Unanswered):
        if at - (message.date_created or at) < PICTURE_AWAITED:
            raise
    # Received without them. What the list did not tell is asked for again when they are fetched, for a day.
    return [(address_listed_later(message.sid, n), "") for n in range(message.num_media)]


def _name_of(address: str) -> str:
    """The one he goes by so far: the log does not tell it."""
    known = Client.objects.filter(addresses__match_key=match_key(address))
    return known.values_list("whatsapp_profile_name", flat=True).first() or ""


def _received(inbound: InboundMessage, at: datetime) -> bool:
    received = receive([inbound], at=at)[inbound.sid]
    is_new = received.occurred_at == (inbound.occurred_at or at).isoformat()
    if is_new:
        told = {"conversation": received.conversation_id, "event": received.event_id}
        log.info("message taken in from Twilio's log", extra=told)
    return is_new


def _spoken_since(inbound: InboundMessage, written: datetime, known: Circumstances) -> bool:
    """Whether the conversation went on without it: by the client himself, by us, or by whoever else writes for us."""
    after = written + CLOCKS_AGREE
    answered_at = known.answered.get(match_key(inbound.address))
    if answered_at is not None and answered_at > after:
        return True
    later = ConversationEvent.objects.filter(
        conversation__in=_channel(inbound), event_type__in=SPOKEN, created_at__gt=after
    )
    return any(event.written_at > after for event in later.only("metadata", "created_at"))


def _ask_for_a_person(inbound: InboundMessage, at: datetime) -> None:
    for conversation in _channel(inbound).filter(events__message_sid=inbound.sid):
        conversation.ask_for_agent(by=SYSTEM, at=at, reason=_("Un message récupéré attend une réponse."))


def _channel(inbound: InboundMessage) -> Conversations:
    of_client = Conversation.objects.filter(client__addresses__match_key=match_key(inbound.address))
    return of_client.filter(sender=inbound.sender)
