"""Downloads media files of messages from Twilio, once, into the storage of files."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import unquote, urljoin, urlsplit

import requests
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from relais.conversations.file_checks import state_after_download
from relais.conversations.media_limits import (
    MAX_MEDIA_MEGABYTES,
    MEDIA_DELETED,
    MEDIA_GIVEN_UP,
    MEDIA_NOT_OURS,
    MEDIA_TOO_LARGE,
)
from relais.conversations.media_types import clean_filename
from relais.conversations.models import Media
from relais.conversations.states import MediaState
from relais.files.models import store_file
from relais.whatsapp import client
from relais.whatsapp.backoff import retry_after_seconds
from relais.whatsapp.client import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from relais.whatsapp.media.content_disposition import parse_filename
from relais.whatsapp.media.content_type_detection import detect_content_type
from relais.whatsapp.media.retry import MAX_ATTEMPTS

log = logging.getLogger(__name__)
FETCH_TASK = "relais.whatsapp.tasks.fetch_media"
MAX_MEDIA_BYTES = MAX_MEDIA_MEGABYTES * 1024 * 1024
CHUNK_BYTES = 64 * 1024
DOWNLOAD_DEADLINE_SECONDS = 120.0
"""For the whole response: a host that sends slowly must not hold a thread longer."""
MAX_REDIRECTS = 3
TWILIO_HOSTS = ("api.twilio.com",)
UNLISTED_MEDIA_URL = re.compile(r"/Messages/(?P<message>\w+)/Media#(?P<position>\d+)\Z")
"""A placeholder URL, for media that Twilio did not list when their message was stored."""


class PermanentDownloadError(Exception):
    """A retry would not help: not ours to fetch, too large, or deleted. `str()` is one of PERMANENT_MEDIA_ERRORS."""


class RetryableDownloadError(requests.exceptions.RequestException):
    """An error that may pass: a file that is not there yet, credentials being changed, a host that is busy."""

    def __init__(self, why: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(why)
        self.retry_after_seconds = retry_after_seconds
        """From Retry-After, when the host sent one."""


@dataclass(frozen=True)
class Download:
    content: bytes
    filename: str
    """As the host sent it, not cleaned."""


def unlisted_media_url(message_sid: str, position: int) -> str:
    account = settings.ENVIRONMENT.twilio_account_sid
    return f"{client.API_BASE_URL}/2010-04-01/Accounts/{account}/Messages/{message_sid}/Media#{position}"


def fetch(media: Media) -> None:
    """Download and store the file with its type and name, or the permanent error.

    Raises RequestException, or like `client.list_media`: retry then.
    """
    try:
        download = _download(_url_of(media))
    except PermanentDownloadError as error:
        media.record_download(MediaState.FAILED, error=str(error))
        return
    content_type = detect_content_type(download.content, media.declared_type)
    stored = store_file(BytesIO(download.content), content_type=content_type, at=timezone.now())
    state, infection = state_after_download(stored)
    media.record_download(
        state,
        content_type=content_type,
        filename=clean_filename(download.filename, content_type),
        size=stored.size,
        file=stored,
        error=infection,
    )


def fetch_or_give_up(media_id: int, *, attempts: int) -> None:
    """Fetch a file that is still waiting. The last of MAX_ATTEMPTS gives it up; a reader of the conversation may then
    retry it.
    """
    waiting = Media.objects.filter(pk=media_id, state=MediaState.WAITING)
    for media in waiting.select_related("event__conversation"):
        try:
            fetch(media)
        except Exception as error:
            if attempts < MAX_ATTEMPTS:
                raise
            log.warning("media download given up", extra={"media": media.pk, "why": type(error).__name__})
            media.record_download(MediaState.FAILED, error=MEDIA_GIVEN_UP)


@transaction.atomic
def retry(media: Media) -> None:
    """Start over with a file that was given up."""
    media.record_download(MediaState.WAITING, error="")
    app.configure_task(FETCH_TASK).defer(media_id=media.pk)


def _url_of(media: Media) -> str:
    placeholder = UNLISTED_MEDIA_URL.search(media.url)
    if placeholder is None:
        return media.url
    media_list = client.list_media(placeholder["message"])
    position = int(placeholder["position"])
    if position >= len(media_list):
        raise RetryableDownloadError("not listed")
    return media_list[position][0]


def _download(url: str) -> Download:
    url, with_credentials = _checked_url(url), True
    for _redirect in range(MAX_REDIRECTS + 1):
        with requests.Session() as session:
            session.trust_env = False
            environment = settings.ENVIRONMENT
            auth = (
                (environment.twilio_account_sid, environment.twilio_auth_token) if with_credentials else None
            )
            response = session.get(
                url,
                auth=auth,
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
                stream=True,
                allow_redirects=False,
            )
            with response:
                if not response.is_redirect:
                    content = _read_body(response)
                    return Download(content, parse_filename(response.headers.get("Content-Disposition", "")))
                url, with_credentials = _redirect_url(url, response.headers["Location"]), False
    raise RetryableDownloadError("too many redirects")


def _checked_url(url: str) -> str:
    """The URL to request. Raises PermanentDownloadError unless it is at Twilio, below our account's path (SSRF)."""
    environment = settings.ENVIRONMENT
    try:
        given = urlsplit(url)
    except ValueError as error:
        raise PermanentDownloadError(MEDIA_NOT_OURS) from error
    base = urlsplit(environment.twilio_api_base_url) if environment.twilio_api_base_url else None
    is_twilio = given.scheme == "https" and given.netloc in TWILIO_HOSTS
    is_double = base is not None and (given.scheme, given.netloc) == (base.scheme, base.netloc)
    account = f"/2010-04-01/Accounts/{environment.twilio_account_sid}/"
    prefix = base.path.rstrip("/") if base is not None and is_double else ""
    path = unquote(given.path)
    if not (is_twilio or is_double) or not path.startswith(prefix + account) or ".." in path:
        raise PermanentDownloadError(MEDIA_NOT_OURS)
    if base is not None and is_twilio:
        given = given._replace(
            scheme=base.scheme, netloc=base.netloc, path=base.path.rstrip("/") + given.path
        )
    return given.geturl()


def _redirect_url(url: str, location: str) -> str:
    """Twilio redirects to its storage, over TLS; a double may redirect to itself."""
    target, current = urlsplit(urljoin(url, location)), urlsplit(url)
    if target.scheme != "https" and target.netloc != current.netloc:
        raise PermanentDownloadError(MEDIA_NOT_OURS)
    return target.geturl()


def _read_body(response: requests.Response) -> bytes:
    if response.status_code == requests.codes.gone:
        raise PermanentDownloadError(MEDIA_DELETED)
    if response.status_code != requests.codes.ok:
        # Also 401 and 404, which Twilio returns while a token is being changed and while a file is being copied.
        pause = retry_after_seconds(response.headers, now=timezone.now())
        raise RetryableDownloadError(f"HTTP {response.status_code}", pause)
    content = bytearray()
    deadline = time.monotonic() + DOWNLOAD_DEADLINE_SECONDS
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > MAX_MEDIA_BYTES:
            raise PermanentDownloadError(MEDIA_TOO_LARGE)
        if time.monotonic() > deadline:
            raise RetryableDownloadError("too slow")
    return bytes(content)
