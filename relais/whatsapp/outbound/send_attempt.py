"""One attempt to send a delivery: call Twilio outside any transaction, then store the outcome."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from relais.conversations import outbox
from relais.conversations.models import MessageDelivery
from relais.db_connection import release_connection, release_connection_unless_in_transaction
from relais.files import fetch_links
from relais.whatsapp import client, metrics
from relais.whatsapp.backoff import backoff_seconds
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.inbound.status_callbacks import fail_delivery
from relais.whatsapp.outbound import choice_contents
from relais.whatsapp.outbound.uncertain_sends import NO_RESPONSE
from relais.whatsapp.webhook_urls import status_callback_url

log = logging.getLogger(__name__)
MAX_STORE_ATTEMPTS = 20
MAX_STORE_PAUSE_SECONDS = 2.0
THROTTLE_AFTER_NO_RESPONSE_SECONDS = 1.0
METADATA_PARAMS = ("media_url", "content_sid", "content_variables")
MAX_CONTENT_SECONDS = 10.0
"""Of the lease of a claim, for creating the content of a question with choices."""
MAX_CONTENT_ATTEMPTS = 3
WILL_RETRY = _("Twilio ne répond pas ; nouvel essai dans un instant.")

UNREACHABLE_FILES = _(
    "Rien n'est parti : Twilio n'atteint pas l'adresse publique de Relais (PUBLIC_BASE_URL), où il prend les fichiers. "
    "Prévenez un administrateur."
)


@dataclass(frozen=True)
class SendOutcome:
    kind: str
    """`accepted`, `refused`, `later` (certainly not sent) or `unknown`."""
    code: int | None = None
    """Twilio's error code when it refused; 429 when the rate was too high."""
    sid: str = ""
    error: str = ""
    retry_after_seconds: float = 0.0
    duration_seconds: float = 0.0
    at: datetime = field(default_factory=lambda: timezone.now())
    """By this machine's clock, like all messages of clients: the two are compared to see what answers what."""


def send_delivery(delivery: MessageDelivery) -> SendOutcome:
    """Call Twilio, outside any transaction. Counts and logs the outcome of every call."""
    started_at = time.monotonic()
    outcome = _call_twilio(delivery)
    outcome = replace(outcome, duration_seconds=time.monotonic() - started_at)
    metrics.record_send(outcome.kind, outcome.code, outcome.duration_seconds)
    log.log(
        logging.WARNING if outcome.kind == "unknown" else logging.INFO,
        "message handed to Twilio",
        extra={
            "conversation": delivery.conversation_id,
            "delivery": delivery.pk,
            "outcome": outcome.kind,
            "code": outcome.code,
            "seconds": round(outcome.duration_seconds, 3),
        },
    )
    return outcome


def _call_twilio(delivery: MessageDelivery) -> SendOutcome:
    metadata = delivery.event.metadata
    fields = {name: metadata[name] for name in METADATA_PARAMS if name in metadata}
    if metadata.get("media"):
        if not fetch_links.is_reachable():
            return SendOutcome("refused", error=UNREACHABLE_FILES)
        fields["media_url"] = _media_urls(delivery)
    if "choices" in metadata:
        content = _choice_content(delivery)
        if isinstance(content, SendOutcome):
            return content
        fields["content_sid"] = content
    try:
        sid = client.send_message(
            to=delivery.recipient,
            sender=delivery.conversation.sender,
            body=delivery.event.body,
            **fields,
            status_callback=status_callback_url(delivery.pk),
        )
    except client.TwilioRefused as refused:
        is_gone = "choices" in metadata and refused.code in choice_contents.CONTENT_GONE_CODES
        if is_gone and delivery.attempt <= MAX_CONTENT_ATTEMPTS:
            choice_contents.forget_content(fields["content_sid"])
            return SendOutcome(
                "later", error=WILL_RETRY, retry_after_seconds=backoff_seconds(delivery.attempt)
            )
        return SendOutcome("refused", code=refused.code, error=refused.sentence)
    except client.RetryLater as error:
        return _retry_outcome(delivery, error)
    except client.OutcomeUnknown:
        return SendOutcome("unknown", error=NO_RESPONSE)
    return SendOutcome("accepted", sid=sid)


def _choice_content(delivery: MessageDelivery) -> str | SendOutcome:
    """The content to send a question by, or why it was not sent. Creating it sends nothing to the client."""
    started_at = time.monotonic()
    try:
        sid = choice_contents.content_sid_for(delivery)
    except client.TwilioRefused as refused:
        return SendOutcome("refused", code=refused.code, error=refused.sentence)
    except client.RetryLater as error:
        return _retry_outcome(delivery, error)
    except client.OutcomeUnknown:
        return SendOutcome("later", error=WILL_RETRY, retry_after_seconds=backoff_seconds(delivery.attempt))
    if time.monotonic() - started_at > MAX_CONTENT_SECONDS:
        # The call that sends it could last longer than the claim: send it with the next one.
        return SendOutcome("later", error=WILL_RETRY)
    return sid


def _retry_outcome(delivery: MessageDelivery, error: client.RetryLater) -> SendOutcome:
    pause = error.retry_after_seconds
    return SendOutcome(
        "later",
        code=429 if str(error) == "429" else None,
        error=WILL_RETRY,
        retry_after_seconds=backoff_seconds(delivery.attempt) if pause is None else pause,
    )


def _media_urls(delivery: MessageDelivery) -> list[str]:
    """Links that are valid from this attempt on."""
    urls = [
        fetch_links.fetch_url(
            media.pk, filename=media.filename, content_type=media.content_type, at=timezone.now()
        )
        for media in delivery.event.media.all()
    ]
    release_connection_unless_in_transaction()
    return urls


def store_outcome(delivery: MessageDelivery, outcome: SendOutcome, clock: SharedClock) -> None:
    """Retry for about the lease when the database is away, rather than leave the send uncertain."""
    for attempt in range(MAX_STORE_ATTEMPTS):
        try:
            _store_outcome(delivery, outcome, clock)
            return
        except (IntegrityError, DataError):
            # A retry would not help; mostly another delivery has this SID. Store at least that it was sent.
            log.exception("database rejected a send outcome", extra={"delivery": delivery.pk})
            _store_outcome(delivery, replace(outcome, sid="", error=""), clock)
            return
        except (DatabaseError, InterfaceError) as error:
            log.warning("send outcome could not be stored, retrying", extra={"error": type(error).__name__})
            release_connection()
            if attempt == MAX_STORE_ATTEMPTS - 1:
                raise
            time.sleep(min(MAX_STORE_PAUSE_SECONDS, 0.1 * 2**attempt))


def _store_outcome(delivery: MessageDelivery, outcome: SendOutcome, clock: SharedClock) -> None:
    match outcome.kind:
        case "accepted":
            # The time of the call, not of this write: the client may answer between the two.
            delivery.mark_sent(outcome.sid or None, at=outcome.at)
        case "refused":
            fail_delivery(delivery, code=outcome.code, error=outcome.error, at=outcome.at)
        case "later":
            until = clock.now() + timedelta(seconds=outcome.retry_after_seconds)
            if delivery.postpone(until=until, error=outcome.error):
                outbox.throttle(delivery.conversation.sender, seconds=outcome.retry_after_seconds)
        case _:
            delivery.mark_uncertain(at=clock.now(), error=outcome.error)
            # While Twilio fails, each further send would be uncertain as well.
            outbox.throttle(delivery.conversation.sender, seconds=THROTTLE_AFTER_NO_RESPONSE_SECONDS)
