"""Ingests one message of a client that is in Twilio's log and not in the database, as its hook would have.

Decides whether the bot answers it, a person is asked for, or it is only shown.
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
from relais.conversations.event_types import MESSAGE_EVENT_TYPES
from relais.conversations.events import SYSTEM
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import Conversation, ConversationEvent
from relais.conversations.querysets import ConversationQuerySet
from relais.whatsapp import client
from relais.whatsapp.inbound.message_parser import parse_message
from relais.whatsapp.inbound.params import clean_params
from relais.whatsapp.media.download import unlisted_media_url

log = logging.getLogger(__name__)
BOT_ANSWERS_WITHIN = timedelta(hours=1)
"""The bot answers messages up to this age; older ones are for a person."""
MEDIA_LIST_DEADLINE = timedelta(hours=24)
"""How long a message is held back until Twilio lists its media."""
MAX_CLOCK_SKEW = timedelta(seconds=5)
"""Twilio's dates are whole seconds of another clock: the order of events closer together is unknown."""


@dataclass(frozen=True)
class AnswerContext:
    """Who else may have answered the clients of this number, as far as the log shows."""

    called: bool
    """Whether Twilio calls our hooks for this number, so that no other desk answers for it."""
    answered: dict[str, datetime]
    """When another sender last wrote to a client, by the `match_key` of the client's address."""
    answers_known_since: datetime | None = None
    """`answered` covers nothing before; None when it covers everything."""

    def covers(self, written_at: datetime) -> bool:
        return self.answers_known_since is None or written_at >= self.answers_known_since


def ingest_recovered(message: client.TwilioMessage, context: AnswerContext, *, at: datetime) -> bool:
    """Store it. False when its hook was faster. Raises InvalidParams, and like `client.list_media`."""
    written_at = min(message.date_created or at, at)
    inbound = _as_inbound_message(message, at)
    inbound = replace(inbound, occurred_at=written_at, profile_name=_profile_name(inbound.address))
    if settings.ENVIRONMENT.bot == "studio":
        # Studio has answered it; its flow only calls our hook where it has a widget for that.
        return _store(inbound, at)
    inbound.metadata["recovered"] = True
    is_unanswered = not _conversation_went_on(inbound, written_at, context)
    is_for_bot = context.called and context.covers(written_at)
    is_for_bot = is_for_bot and at - written_at <= BOT_ANSWERS_WITHIN
    with transaction.atomic():
        is_new = _store(replace(inbound, bot_here=is_unanswered and is_for_bot), at)
        if is_new and is_unanswered and not is_for_bot:
            _ask_for_agent(inbound, at)
    return is_new


def _as_inbound_message(message: client.TwilioMessage, at: datetime) -> InboundMessage:
    """Build the parameters that the hook would have carried, and parse them as the hook does."""
    params = {
        "MessageSid": message.sid,
        "From": message.from_,
        "To": message.to,
        "Body": message.body,
        "NumMedia": str(message.num_media),
    }
    for n, (url, content_type) in enumerate(_media(message, at)):
        params |= {f"MediaUrl{n}": url, f"MediaContentType{n}": content_type}
    return parse_message(clean_params({name: [value] for name, value in params.items()}), bot_here=False)


def _media(message: client.TwilioMessage, at: datetime) -> list[tuple[str, str]]:
    if not message.num_media:
        return []
    try:
        return client.list_media(message.sid)
    except client.TwilioRefused:
        pass
    except (client.RetryLater, client.OutcomeUnknown):
        if at - (message.date_created or at) < MEDIA_LIST_DEADLINE:
            raise
    # Store it without URLs. Each download attempt asks for the list again, for a day.
    return [(unlisted_media_url(message.sid, n), "") for n in range(message.num_media)]


def _profile_name(address: str) -> str:
    """The stored one: the log has no profile names."""
    known = Client.objects.filter(addresses__match_key=match_key(address))
    return known.values_list("whatsapp_profile_name", flat=True).first() or ""


def _store(inbound: InboundMessage, at: datetime) -> bool:
    received = ingest([inbound], at=at)[inbound.sid]
    is_new = received.occurred_at == (inbound.occurred_at or at).isoformat()
    if is_new:
        ids = {"conversation": received.conversation_id, "event": received.event_id}
        log.info("message recovered from Twilio's log", extra=ids)
    return is_new


def _conversation_went_on(inbound: InboundMessage, written_at: datetime, context: AnswerContext) -> bool:
    """Whether anyone wrote since: the client, we, or another sender that uses our number."""
    after = written_at + MAX_CLOCK_SKEW
    answered_at = context.answered.get(match_key(inbound.address))
    if answered_at is not None and answered_at > after:
        return True
    later = ConversationEvent.objects.filter(
        conversation__in=_channel(inbound), event_type__in=MESSAGE_EVENT_TYPES, created_at__gt=after
    )
    return any(event.written_at > after for event in later.only("metadata", "created_at"))


def _ask_for_agent(inbound: InboundMessage, at: datetime) -> None:
    for conversation in _channel(inbound).filter(events__message_sid=inbound.sid):
        conversation.ask_for_agent(by=SYSTEM, at=at, reason=_("Un message récupéré attend une réponse."))


def _channel(inbound: InboundMessage) -> ConversationQuerySet:
    conversations = Conversation.objects.filter(client__addresses__match_key=match_key(inbound.address))
    return conversations.filter(sender=inbound.sender)
