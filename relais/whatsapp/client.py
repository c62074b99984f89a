"""The only Twilio client: the official SDK with time-outs. Errors are classified by what they mean for a message:
rejected, safe to retry, or outcome unknown."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from requests.adapters import HTTPAdapter
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from relais.clients.addresses import canonical_address
from relais.clients.models import known_address_form
from relais.conversations.media_limits import MAX_MEDIA_PER_MESSAGE
from relais.conversations.twilio_errors import error_sentence, error_text, parse_error_code
from relais.whatsapp.backoff import retry_after_seconds

log = logging.getLogger(__name__)
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 10
"""Together shorter than the lease of a claim."""
MAX_POOLED_CONNECTIONS = 32
LOG_PAGE_SIZE = 100
"""Messages per page of Twilio's message log. Twilio's maximum is 1000."""
PAGE_RETRY_PAUSES_SECONDS = (1.0, 2.0, 4.0)
"""Pauses between the attempts to read one page of a list. A longer Retry-After takes precedence."""
QUICK_PAGE_RETRY_PAUSES_SECONDS = (1.0,)
"""For callers that someone waits for and that retry by themselves."""
MAX_PAGE_RETRY_PAUSE_SECONDS = 10.0
"""A longer Retry-After raises instead of blocking a thread; the caller comes back later."""
API_BASE_URL = "https://api.twilio.com"
MAX_DATE_SKEW = timedelta(minutes=1)
"""How much earlier than its creation a message may seem to be sent, by Twilio's own dates."""
CONNECTION_NEVER_MADE_ERRORS = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectionRefusedError",
    "SSLCertVerificationError",
)
NOT_CONNECTED = gettext_noop("Twilio n'est pas connecté. Prévenez un administrateur.")
NOT_RESPONDING = gettext_noop("Twilio ne répond pas pour le moment. Réessayez dans un instant.")
UNSENDABLE = gettext_noop("Relais n'a pas pu préparer ce message pour Twilio. Prévenez un administrateur.")
OUTCOME_UNKNOWN = gettext_noop(
    "Twilio n'a pas dit si le message est parti. Regardez son journal avant de réessayer."
)


_request = threading.local()
"""`_request.was_written`: whether the call of this thread has reached the network."""


class TwilioRefused(Exception):
    """Twilio rejected the request; a retry would be rejected too. `code` is Twilio's error code, `str()` a translated
    sentence for a person.

    `sentence` is the French original. Store that one: it is translated where it is shown.
    """

    def __init__(self, code: int | None, sentence: str = "") -> None:
        self.code = code
        self.sentence = sentence or error_sentence(code)
        super().__init__(gettext(sentence) if sentence else error_text(code))


class RetryLater(Exception):
    """The message was certainly not sent: retrying is safe, after `retry_after_seconds` when Twilio gave a pause."""

    def __init__(self, retry_after_seconds: float | None, why: str) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(why)


class OutcomeUnknown(Exception):
    """The request was written and its outcome is unknown. A blind retry could send the message twice."""


class RelaisHttpClient(TwilioHttpClient):
    """No automatic retries, no proxy from the environment, and another base URL when a double replaces Twilio."""

    def __init__(self, base_url: str = "") -> None:
        super().__init__(pool_connections=True, max_retries=0)
        # The SDK's constructor compares its argument with zero, so it does not accept a pair.
        self.timeout = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
        self.session.trust_env = False
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=MAX_POOLED_CONNECTIONS, max_retries=0))
        self.base = urlsplit(base_url) if base_url else None

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self.base:
            given = urlsplit(url)
            # Paths of Twilio's hosts collide (/v1/Services): the header names the intended host to the double.
            kwargs["headers"] = (kwargs.get("headers") or {}) | {"X-Twilio-Host": given.hostname or ""}
            path = self.base.path.rstrip("/") + given.path
            url = given._replace(scheme=self.base.scheme, netloc=self.base.netloc, path=path).geturl()
        _request.was_written = True
        response = super().request(method, url, *args, **kwargs)
        if response.status_code == 429:
            raise RetryLater(retry_after_seconds(response.headers, now=timezone.now()), "429")
        if response.status_code >= 500:
            raise OutcomeUnknown(f"HTTP {response.status_code}")
        return response


@cache
def twilio() -> Client:
    environment = settings.ENVIRONMENT
    if not (environment.twilio_account_sid and environment.twilio_auth_token):
        raise TwilioRefused(None, NOT_CONNECTED)
    if settings.DEMO and not environment.twilio_api_base_url:
        # Never send messages of a demo to the real Twilio.
        raise RetryLater(None, "the demo's double does not run")
    http = RelaisHttpClient(environment.twilio_api_base_url)
    return Client(environment.twilio_account_sid, environment.twilio_auth_token, http_client=http)


def _is_rejected_page(error: BaseException) -> bool:
    """For a page of a list, the SDK raises an error that holds the raw response."""
    responses = [each for each in error.args if isinstance(each, Response)]
    return any(400 <= response.status_code < 500 for response in responses)


@contextmanager
def classify_errors() -> Iterator[None]:
    """Turn every error of the call inside into TwilioRefused, RetryLater or OutcomeUnknown."""
    try:
        yield
    except (TwilioRestException, TwilioServiceException) as error:
        raise TwilioRefused(error.code) from error
    except requests.exceptions.ConnectTimeout as error:
        raise RetryLater(None, type(error).__name__) from error
    except requests.exceptions.ConnectionError as error:
        # A broken TLS connection may have carried the request; only a failed certificate check proves that it did not.
        if _connection_was_never_made(error):
            raise RetryLater(None, "never connected") from error
        raise OutcomeUnknown(type(error).__name__) from error
    except (requests.exceptions.RequestException, TwilioException, ValueError, AttributeError) as error:
        # ValueError, AttributeError: the response is not JSON or not an object. It comes from a proxy, not from Twilio.
        if _is_rejected_page(error):
            raise TwilioRefused(None) from error
        raise OutcomeUnknown(type(error).__name__) from error


def send_message(
    *,
    to: str,
    sender: str,
    body: str,
    media_url: Sequence[str] = (),
    content_sid: str = "",
    content_variables: Mapping[str, str] | None = None,
    status_callback: str = "",
) -> str:
    """Send one message, or the template `content_sid`; return its SID.

    Raises TwilioRefused, RetryLater or OutcomeUnknown.
    """
    fields: dict[str, Any] = {"content_sid": content_sid} if content_sid else {"body": body}
    if media_url:
        fields["media_url"] = list(media_url)
    if status_callback:
        fields["status_callback"] = status_callback
    _request.was_written = False
    try:
        if content_sid and content_variables:
            fields["content_variables"] = json.dumps(content_variables, ensure_ascii=False)
        with classify_errors():
            message = twilio().messages.create(to=to, from_=sender, **fields)
    except (TwilioRefused, RetryLater, OutcomeUnknown):
        raise
    except Exception as error:
        # An error in our code, or in the SDK's handling of an unexpected response.
        log.exception("message could not be sent")
        if _request.was_written:
            raise OutcomeUnknown(type(error).__name__) from error
        raise TwilioRefused(None, UNSENDABLE) from error
    if not message.sid:
        raise OutcomeUnknown("no sid")
    return str(message.sid)


@dataclass(frozen=True)
class TwilioMessage:
    """A message of Twilio's message log."""

    sid: str
    direction: str
    to: str
    from_: str
    body: str
    status: str
    error_code: int | None
    date_created: datetime | None
    date_sent: datetime | None = None
    """None while Twilio still queues it."""
    num_media: int = 0
    date_updated: datetime | None = None


CONTENT_LANGUAGE = "fr"
"""Required, and of no effect on content that is sent as it is."""
MAX_CONTENT_PAGES = 5
CONTENT_PAGE_SIZE = 100


class _ContentRequest:
    """The SDK's class sends each field that it knows as null."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def to_dict(self) -> dict[str, Any]:
        return self._fields


def create_content(name: str, types: Mapping[str, Any]) -> str:
    """Create a content of Twilio's Content API; return its SID. Raises TwilioRefused, RetryLater or OutcomeUnknown.

    Each call makes another one: after OutcomeUnknown, `find_content` first.
    """
    request: Any = _ContentRequest(friendly_name=name, language=CONTENT_LANGUAGE, types=types)
    with classify_errors():
        content = twilio().content.v1.contents.create(request)
    if not content.sid:
        raise OutcomeUnknown("no sid")
    return str(content.sid)


def find_content(name: str) -> str:
    """The SID of the newest content with this name; empty if there is none among the newest. Raises like
    `list_messages`."""
    pages = read_pages(
        lambda: twilio().content.v1.contents.page(page_size=CONTENT_PAGE_SIZE),
        retry_pauses=QUICK_PAGE_RETRY_PAUSES_SECONDS,
    )
    for record in chain.from_iterable(islice(pages, MAX_CONTENT_PAGES)):
        if record.friendly_name == name:
            return str(record.sid)
    return ""


def show_typing(sid: str) -> None:
    """Show « writes… » to the client who sent this message, and mark it as read. Raises as `send_message`."""
    with classify_errors():
        twilio().messaging.v2.typing_indicator.create(channel="whatsapp", message_id=sid)


def fetch_message(sid: str) -> TwilioMessage | None:
    """None when Twilio has no such message. Raises RetryLater or OutcomeUnknown."""
    try:
        with classify_errors():
            return _message(twilio().messages(sid).fetch())
    except TwilioRefused:
        return None


def list_messages(
    *,
    to: str = "",
    sender: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    page_size: int = LOG_PAGE_SIZE,
    retry_pauses: Sequence[float] = PAGE_RETRY_PAUSES_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[TwilioMessage]:
    """Twilio's message log, newest first, read page by page. Raises RetryLater, OutcomeUnknown or TwilioRefused.

    `since` and `until` limit the time of creation, to the second, both inclusive. The filter is ours: Twilio's own
    works by the day of sending and leaves out messages that are not sent yet.
    """
    earliest = since.replace(microsecond=0) if since else None
    filters = {name: value for name, value in (("to", to), ("from_", sender)) if value}

    def first_page() -> Any:
        return twilio().messages.page(**filters, page_size=page_size)

    for records in read_pages(first_page, retry_pauses=retry_pauses, sleep=sleep):
        with classify_errors():
            messages = [_message(record) for record in records]
        yield from (message for message in messages if _is_created_between(message, earliest, until))
        if not messages or (earliest and _reaches_before(messages, earliest)):
            return


def read_pages(
    first_page: Callable[[], Any],
    *,
    retry_pauses: Sequence[float] = PAGE_RETRY_PAUSES_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Any]]:
    """Paginate one of Twilio's lists: yield the records of each page.

    Raises RetryLater, OutcomeUnknown or TwilioRefused.
    A page that fails is retried after each of the pauses, without reading the earlier pages again. If it still raises,
    the records yielded so far are correct but incomplete.
    """
    request_page: Callable[[], Any] = first_page
    while True:
        page, records = _page_with_retries(request_page, retry_pauses, sleep)
        if page is None:
            return
        yield records
        request_page = page.next_page


def _page_with_retries(
    request_page: Callable[[], Any], pauses: Sequence[float], sleep: Callable[[float], None]
) -> tuple[Any, list[Any]]:
    for pause in (*pauses, None):
        try:
            with classify_errors():
                page = request_page()
                return page, list(page or ())
        except (RetryLater, OutcomeUnknown) as failure:
            retry_after = getattr(failure, "retry_after_seconds", None) or 0.0
            if pause is None or retry_after > MAX_PAGE_RETRY_PAUSE_SECONDS:
                raise
            sleep(max(pause, retry_after))
    raise AssertionError("unreachable")


def _message(record: Any) -> TwilioMessage:
    values = {name: getattr(record, name) for name in TwilioMessage.__dataclass_fields__}
    return TwilioMessage(
        **values
        | {
            "body": record.body or "",
            "error_code": parse_error_code(str(record.error_code or "")),
            "num_media": int(record.num_media or 0),
        }
    )


def _is_created_between(message: TwilioMessage, since: datetime | None, until: datetime | None) -> bool:
    created = message.date_created
    return created is None or ((since is None or created >= since) and (until is None or created <= until))


def _reaches_before(page: Sequence[TwilioMessage], since: datetime) -> bool:
    """Whether all later pages are older than `since`. The log is ordered by send time, and a message may be queued for
    hours between its creation and its sending.
    """
    before = since - MAX_DATE_SKEW
    sent = [message.date_sent for message in page if message.date_sent]
    created = [message.date_created for message in page if message.date_created]
    return min(sent, default=since) < before or max(created, default=since) < since


def _connection_was_never_made(error: BaseException | None) -> bool:
    """Whether the error occurred before any byte was written: searched by class name along the chain of causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if type(error).__name__ in CONNECTION_NEVER_MADE_ERRORS:
            return True
        seen.add(id(error))
        reason = getattr(error, "reason", None)
        first = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = reason if isinstance(reason, BaseException) else first or error.__cause__ or error.__context__
    return False


def send_test(to: str, text: str) -> str:
    """Send a message outside any conversation, to test the connection; return its SID."""
    try:
        return send_message(
            to=known_address_form(canonical_address(to)),
            sender=settings.ENVIRONMENT.whatsapp_number,
            body=text,
        )
    except RetryLater as error:
        raise TwilioRefused(None, NOT_RESPONDING) from error
    except OutcomeUnknown as error:
        raise TwilioRefused(None, OUTCOME_UNKNOWN) from error


def list_media(sid: str) -> list[tuple[str, str]]:
    """URL and declared content type of each media file of a message. Raises like `list_messages`."""
    pages = read_pages(
        lambda: twilio().messages(sid).media.page(page_size=MAX_MEDIA_PER_MESSAGE),
        retry_pauses=QUICK_PAGE_RETRY_PAUSES_SECONDS,
    )
    records = islice(chain.from_iterable(pages), MAX_MEDIA_PER_MESSAGE)
    return [
        (API_BASE_URL + record.uri.removesuffix(".json"), record.content_type or "") for record in records
    ]
