"""Read all templates of the account with their approval, and store them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.utils.translation import gettext_noop as _

from relais.action_errors import ActionRefused
from relais.content_templates.models import TemplateSync
from relais.content_templates.synchronisation import TemplateRecord, store_templates
from relais.whatsapp import client

log = logging.getLogger(__name__)
PAGE_SIZE = 100
SYNC_INTERVAL = timedelta(hours=1)
RETRY_INTERVAL = timedelta(minutes=5)
"""After a failure."""
NOT_ALLOWED = _(
    "Twilio refuse de lire les modèles : vérifiez TWILIO_ACCOUNT_SID et TWILIO_AUTH_TOKEN, puis actualisez."
)
NOT_CONNECTED = _(
    "Twilio n'est pas connecté : indiquez TWILIO_ACCOUNT_SID et TWILIO_AUTH_TOKEN, puis actualisez."
)
NOT_RESPONDING = _(
    "Twilio ne répond pas. Relais réessaie dans quelques minutes ; les modèles déjà lus restent."
)


class TemplatesNotRead(ActionRefused):
    """`sentence` is the French original of `str()`."""

    code = "twilio_unavailable"
    http_status = 502


def sync_templates(
    *,
    at: datetime,
    retry_pauses: Sequence[float] = client.PAGE_RETRY_PAUSES_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Returns how many there are. On a failure nothing changes but the recorded error; raises TemplatesNotRead."""
    try:
        records = list(_read_records(retry_pauses, sleep))
    except client.TwilioRefused as refused:
        sentence = NOT_CONNECTED if refused.sentence == client.NOT_CONNECTED else NOT_ALLOWED
        raise _failed(sentence, at, "refused") from refused
    except (client.RetryLater, client.OutcomeUnknown) as error:
        raise _failed(NOT_RESPONDING, at, str(error)) from error
    return store_templates(records, at=at)


def _failed(sentence: str, at: datetime, why: str) -> TemplatesNotRead:
    log.warning("templates could not be read", extra={"error": why})
    TemplateSync.record_failure(sentence, at=at)
    return TemplatesNotRead(TemplateSync.current().error_sentence)


def _read_records(retry_pauses: Sequence[float], sleep: Callable[[float], None]) -> Iterator[TemplateRecord]:
    def first_page() -> Any:
        return client.twilio().content.v1.content_and_approvals.page(page_size=PAGE_SIZE)

    pages = client.read_pages(first_page, retry_pauses=retry_pauses, sleep=sleep)
    for record in chain.from_iterable(pages):
        yield TemplateRecord(
            content_sid=record.sid,
            friendly_name=record.friendly_name or "",
            language=record.language or "",
            types=record.types or {},
            variables=record.variables or {},
            approval=record.approval_requests or {},
        )


def is_due(*, started_at: datetime, at: datetime) -> bool:
    """At the start of the process, then every hour; sooner after a failure."""
    sync = TemplateSync.current()
    if sync.attempted_at is None or sync.attempted_at < started_at:
        return True
    interval = RETRY_INTERVAL if sync.error else SYNC_INTERVAL
    return at - sync.attempted_at >= interval
