"""The one seam to Twilio: the official SDK with time-outs, and its failures sorted by what they mean for a message."""

from __future__ import annotations

import json
import logging
import random
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
from relais.whatsapp.errors import code_of, sentence_of
from relais.whatsapp.retry_after import retry_after_seconds

log = logging.getLogger(__name__)
CONNECT, READ = 5, 10
"""Seconds; a claim's lease outlives both."""
CONNECTIONS = 32
LOG_PAGE = 100
"""Messages asked for at once when Twilio's log is read; it gives a thousand at most."""
MOST_MEDIA = 10
PAGE_RETRY_PAUSES_SECONDS = (1.0, 2.0, 4.0)
"""Between the tries of one page of a list. What Retry-After asks for goes before them."""
QUICK_PAGE_RETRY_PAUSES_SECONDS = (1.0,)
"""Where somebody or something else waits for the answer, and asks again by itself."""
MAX_PAGE_RETRY_PAUSE_SECONDS = 10.0
"""Do not occupy a thread for longer: the reader is told, and comes back later."""
API = "https://api.twilio.com"
SENT_BEFORE_IT_WAS_MADE = timedelta(minutes=1)
"""How far two of Twilio's own dates are trusted to agree."""
NEVER_CONNECTED = (
    "NewConnectionError",
    "NameResolutionError",
    "ConnectionRefusedError",
    "SSLCertVerificationError",
)
NOT_CONNECTED = gettext_noop("Twilio n'est pas connecté. Prévenez un administrateur.")
AWAY = gettext_noop("Twilio ne répond pas pour le moment. Réessayez dans un instant.")
UNSENDABLE = gettext_noop("Relais n'a pas pu préparer ce message pour Twilio. Prévenez un administrateur.")
UNTOLD = gettext_noop("Twilio n'a pas dit si le message est parti. Regardez son journal avant de réessayer.")


_line = threading.local()
"""Whether the call of this thread came as far as the network."""


class TwilioRefused(Exception):
    """Twilio said no, and would again. `code` is Twilio's, `str()` a sentence for a person.

    `sentence` is the same in French, as it is stored: it is translated where it is shown.
    """

    def __init__(self, code: int | None, sentence: str = "") -> None:
        self.code = code
        self.sentence = sentence or sentence_of(code)
        super().__init__(gettext(self.sentence))


class NotNow(Exception):
    """The message certainly did not leave; it may be tried again after `seconds`."""

    def __init__(self, seconds: float | None, why: str) -> None:
        self.seconds = seconds
        super().__init__(why)


class Unanswered(Exception):
    """The request was written and nothing tells what became of it: never send again blindly."""


class RelaisHttpClient(TwilioHttpClient):
    """No retries of its own, no proxy by surprise, and another host when a double stands in for Twilio."""

    def __init__(self, base_url: str = "") -> None:
        super().__init__(pool_connections=True, max_retries=0)
        # The SDK compares the argument of its constructor with zero, so a pair is only accepted here.
        self.timeout = (CONNECT, READ)
        self.session.trust_env = False
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS, max_retries=0))
        self.base = urlsplit(base_url) if base_url else None

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        if self.base:
            given = urlsplit(url)
            # The paths of Twilio's hosts collide (/v1/Services): the double is told which one was meant.
            kwargs["headers"] = (kwargs.get("headers") or {}) | {"X-Twilio-Host": given.hostname or ""}
            path = self.base.path.rstrip("/") + given.path
            url = given._replace(scheme=self.base.scheme, netloc=self.base.netloc, path=path).geturl()
        _line.written = True
        response = super().request(method, url, *args, **kwargs)
        if response.status_code == 429:
            raise NotNow(retry_after_seconds(response.headers, now=timezone.now()), "429")
        if response.status_code >= 500:
            raise Unanswered(f"HTTP {response.status_code}")
        return response


@cache
def twilio() -> Client:
    environment = settings.ENVIRONMENT
    if not (environment.twilio_account_sid and environment.twilio_auth_token):
        raise TwilioRefused(None, NOT_CONNECTED)
    if settings.DEMO and not environment.twilio_api_base_url:
        # Twilio itself is never called with what clients of a demo are told.
        raise NotNow(None, "the demo's double does not run")
    http = RelaisHttpClient(environment.twilio_api_base_url)
    return Client(environment.twilio_account_sid, environment.twilio_auth_token, http_client=http)


def _is_a_list_refused(error: BaseException) -> bool:
    """The SDK hands the answer over as it is when it is a page that was asked for."""
    answers = [each for each in error.args if isinstance(each, Response)]
    return any(400 <= each.status_code < 500 for each in answers)


@contextmanager
def sorted_failures() -> Iterator[None]:
    """Whatever goes wrong with a call inside becomes TwilioRefused, NotNow or Unanswered."""
    try:
        yield
    except (TwilioRestException, TwilioServiceException) as error:
        raise TwilioRefused(error.code) from error
    except requests.exceptions.ConnectTimeout as error:
        raise NotNow(None, type(error).__name__) from error
    except requests.exceptions.ConnectionError as error:
        # TLS that breaks may have carried the request: only a certificate that does not hold proves that none left.
        if _never_connected(error):
            raise NotNow(None, "never connected") from error
        raise Unanswered(type(error).__name__) from error
    except (requests.exceptions.RequestException, TwilioException, ValueError, AttributeError) as error:
        # The last two are an answer that is no JSON, or no object: some proxy spoke, not Twilio.
        if _is_a_list_refused(error):
            raise TwilioRefused(None) from error
        raise Unanswered(type(error).__name__) from error


def create(
    *,
    to: str,
    sender: str,
    body: str,
    media_url: Sequence[str] = (),
    content_sid: str = "",
    content_variables: Mapping[str, str] | None = None,
    status_callback: str = "",
) -> str:
    """Send one message, or the template `content_sid`; returns its SID. Raises TwilioRefused, NotNow or Unanswered."""
    said: dict[str, Any] = {"content_sid": content_sid} if content_sid else {"body": body}
    if media_url:
        said["media_url"] = list(media_url)
    if status_callback:
        said["status_callback"] = status_callback
    _line.written = False
    try:
        if content_sid and content_variables:
            said["content_variables"] = json.dumps(content_variables, ensure_ascii=False)
        with sorted_failures():
            message = twilio().messages.create(to=to, from_=sender, **said)
    except (TwilioRefused, NotNow, Unanswered):
        raise
    except Exception as error:
        # Of ours, or in what the SDK makes of an answer it does not know.
        log.exception("a message could not be handed to Twilio")
        if _line.written:
            raise Unanswered(type(error).__name__) from error
        raise TwilioRefused(None, UNSENDABLE) from error
    if not message.sid:
        raise Unanswered("no sid")
    return str(message.sid)


@dataclass(frozen=True)
class Message:
    """A message as Twilio's log has it."""

    sid: str
    direction: str
    to: str
    from_: str
    body: str
    status: str
    error_code: int | None
    date_created: datetime | None
    date_sent: datetime | None = None
    """None while it is queued."""
    num_media: int = 0
    date_updated: datetime | None = None


def fetch(sid: str) -> Message | None:
    """None when Twilio knows no such message. Raises NotNow or Unanswered."""
    try:
        with sorted_failures():
            return _message(twilio().messages(sid).fetch())
    except TwilioRefused:
        return None


def listed(
    *,
    to: str = "",
    sender: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    page_size: int = LOG_PAGE,
    retry_pauses: Sequence[float] = PAGE_RETRY_PAUSES_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Message]:
    """Twilio's log, newest first, page by page as it is read; raises NotNow, Unanswered or TwilioRefused.

    `since` and `until` are about the moment of creation, to the second, both included. Twilio itself filters by the
    day of sending, and leaves out what is not sent yet: it is not asked to.
    """
    earliest = since.replace(microsecond=0) if since else None
    wanted = {name: value for name, value in (("to", to), ("from_", sender)) if value}

    def first_page() -> Any:
        return twilio().messages.page(**wanted, page_size=page_size)

    for records in read_pages(first_page, retry_pauses=retry_pauses, sleep=sleep):
        with sorted_failures():
            found = [_message(each) for each in records]
        yield from (each for each in found if _is_between(each, earliest, until))
        if not found or (earliest and _reaches_before(found, earliest)):
            return


def read_pages(
    first_page: Callable[[], Any],
    *,
    retry_pauses: Sequence[float] = PAGE_RETRY_PAUSES_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[list[Any]]:
    """The records of each page of one of Twilio's lists. Raises NotNow, Unanswered or TwilioRefused.

    A page that fails is asked for again after each of the pauses, and those before it are not read anew. When it raises
    all the same, what was yielded is a true part of the list, and never the whole.
    """
    ask: Callable[[], Any] = first_page
    while True:
        page, records = _page_with_retries(ask, retry_pauses, sleep)
        if page is None:
            return
        yield records
        ask = page.next_page


def _page_with_retries(
    ask: Callable[[], Any], pauses: Sequence[float], sleep: Callable[[float], None]
) -> tuple[Any, list[Any]]:
    for pause in (*pauses, None):
        try:
            with sorted_failures():
                page = ask()
                return page, list(page or ())
        except (NotNow, Unanswered) as failure:
            asked_for = getattr(failure, "seconds", None) or 0.0
            if pause is None or asked_for > MAX_PAGE_RETRY_PAUSE_SECONDS:
                raise
            sleep(max(pause, asked_for))
    raise AssertionError("unreachable")


def _message(found: Any) -> Message:
    values = {name: getattr(found, name) for name in Message.__dataclass_fields__}
    return Message(
        **values
        | {
            "body": found.body or "",
            "error_code": code_of(str(found.error_code or "")),
            "num_media": int(found.num_media or 0),
        }
    )


def _is_between(message: Message, since: datetime | None, until: datetime | None) -> bool:
    made = message.date_created
    return made is None or ((since is None or made >= since) and (until is None or made <= until))


def _reaches_before(page: Sequence[Message], since: datetime) -> bool:
    """Whether what follows is older still. The log is in the order of sending, and a message may wait for hours."""
    before = since - SENT_BEFORE_IT_WAS_MADE
    sent = [each.date_sent for each in page if each.date_sent]
    made = [each.date_created for each in page if each.date_created]
    return min(sent, default=since) < before or max(made, default=since) < since


def _never_connected(error: BaseException | None) -> bool:
    """Whether the failure came before a byte was written: looked up by name along the chain of causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if type(error).__name__ in NEVER_CONNECTED:
            return True
        seen.add(id(error))
        reason = getattr(error, "reason", None)
        first = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = reason if isinstance(reason, BaseException) else first or error.__cause__ or error.__context__
    return False


def back_off(attempt: int) -> float:
    """Seconds before the next try: 0.5 doubled each time up to 30, with jitter so that many do not march in step."""
    return min(30.0, 0.5 * 2.0 ** min(attempt - 1, 8)) * random.uniform(0.75, 1.25)  # noqa: S311


def send_test(to: str, text: str) -> str:
    """Send a message outside any conversation, to try the connection; returns its SID."""
    try:
        return create(
            to=known_address_form(canonical_address(to)),
            sender=settings.ENVIRONMENT.whatsapp_number,
            body=text,
        )
    except NotNow as error:
        raise TwilioRefused(None, AWAY) from error
    except Unanswered as error:
        raise TwilioRefused(None, UNTOLD) from error


def media_of(sid: str) -> list[tuple[str, str]]:
    """Address and declared type of each picture or document of a message. Raises as `listed`."""
    pages = read_pages(
        lambda: twilio().messages(sid).media.page(page_size=MOST_MEDIA),
        retry_pauses=QUICK_PAGE_RETRY_PAUSES_SECONDS,
    )
    found = islice(chain.from_iterable(pages), MOST_MEDIA)
    return [(API + each.uri.removesuffix(".json"), each.content_type or "") for each in found]
