"""Pictures and documents: fetched once from Twilio, kept in the data folder, shown within reach."""

from __future__ import annotations

import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import puremagic
import requests
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from relais.conversations.media_types import OFFICE, clean_filename
from relais.conversations.models import (
    GIVEN_UP,
    MAX_MEDIA_MEGABYTES,
    MEDIA_DELETED,
    MEDIA_NOT_OURS,
    MEDIA_TOO_LARGE,
    Media,
    MediaState,
)
from relais.whatsapp import client, tasks
from relais.whatsapp.client import CONNECT, READ
from relais.whatsapp.media.content_disposition import filename_in
from relais.whatsapp.media.mp4_tracks import is_audio_only
from relais.whatsapp.retry_after import retry_after_seconds

LARGEST = MAX_MEDIA_MEGABYTES * 1024 * 1024
CHUNK = 64 * 1024
DOWNLOAD_DEADLINE_SECONDS = 120.0
"""For the whole answer: a host that drips bytes holds a thread no longer."""
MOST_REDIRECTS = 3
TWILIO_HOSTS = ("api.twilio.com",)
SHOWN_INLINE = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "audio/ogg",
        "audio/mpeg",
        "audio/aac",
        "audio/mp4",
    }
    | {"video/mp4", "video/3gpp", "application/pdf"}
)
"""Everything else is only offered for download; SVG and HTML could run script in our page's name."""
AMR_MAGIC = (b"#!AMR\n", b"#!AMR-WB\n")
DOCUMENTS = frozenset(
    {"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"}
    | {"text/vcard", "text/x-vcard", "text/plain", "text/csv"}
    | {
        OFFICE + kind
        for kind in ("wordprocessingml.document", "presentationml.presentation", "spreadsheetml.sheet")
    }
)
LISTED_LATER = re.compile(r"/Messages/(?P<message>\w+)/Media#(?P<position>\d+)\Z")
"""Stands for the address of a picture that Twilio's list of the message did not tell when it was received."""


class Unfetchable(Exception):
    """It will never be had: not ours to fetch, too large, or deleted. `str()` is one of PERMANENT_MEDIA_ERRORS."""


class RetryableRefusal(requests.exceptions.RequestException):
    """A refusal that may pass: a file that is not there yet, credentials being changed, a host that is busy."""

    def __init__(self, why: str, retry_after: float | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after
        """Seconds, when the host said so."""


@dataclass(frozen=True)
class Download:
    content: bytes
    filename: str
    """As it was given."""


def address_listed_later(message_sid: str, position: int) -> str:
    account = settings.ENVIRONMENT.twilio_account_sid
    return f"{client.API}/2010-04-01/Accounts/{account}/Messages/{message_sid}/Media#{position}"


def path_of(media: Media) -> Path:
    return settings.MEDIA_FOLDER / f"{media.pk // 1000:06d}" / str(media.pk)


def fetch(media: Media) -> None:
    """Store the bytes and note type and name, or why they cannot be had.

    Raises RequestException, or as `client.media_of`: to be tried again.
    """
    try:
        download = _download(_address_of(media))
    except Unfetchable as error:
        media.settle(MediaState.FAILED, error=str(error))
        return
    _keep(path_of(media), download.content)
    kind = type_of(download.content, media.declared_type)
    media.settle(
        MediaState.STORED,
        content_type=kind,
        filename=clean_filename(download.filename, kind),
        size=len(download.content),
        error="",
    )


def _address_of(media: Media) -> str:
    found = LISTED_LATER.search(media.url)
    if found is None:
        return media.url
    listed = client.media_of(found["message"])
    position = int(found["position"])
    if position >= len(listed):
        raise RetryableRefusal("not listed")
    return listed[position][0]


def give_up(media: Media) -> None:
    """It was refused or not answered for a day; whoever reads the conversation may have it tried again."""
    media.settle(MediaState.FAILED, error=GIVEN_UP)


@transaction.atomic
def try_again(media: Media) -> None:
    media.settle(MediaState.WAITING, error="")
    tasks.fetch_media.defer(media_id=media.pk)


def _download(url: str) -> Download:
    address, with_credentials = _ours(url), True
    for _redirect in range(MOST_REDIRECTS + 1):
        with requests.Session() as session:
            session.trust_env = False
            environment = settings.ENVIRONMENT
            auth = (
                (environment.twilio_account_sid, environment.twilio_auth_token) if with_credentials else None
            )
            answer = session.get(
                address, auth=auth, timeout=(CONNECT, READ), stream=True, allow_redirects=False
            )
            with answer:
                if not answer.is_redirect:
                    content = _body(answer)
                    return Download(content, filename_in(answer.headers.get("Content-Disposition", "")))
                address, with_credentials = _next_hop(address, answer.headers["Location"]), False
    raise RetryableRefusal("too many redirects")


def _ours(url: str) -> str:
    """The address to call, when it lies at Twilio under our account's path; any other is never called."""
    environment = settings.ENVIRONMENT
    try:
        given = urlsplit(url)
    except ValueError as error:
        raise Unfetchable(MEDIA_NOT_OURS) from error
    base = urlsplit(environment.twilio_api_base_url) if environment.twilio_api_base_url else None
    of_twilio = given.scheme == "https" and given.netloc in TWILIO_HOSTS
    of_double = base is not None and (given.scheme, given.netloc) == (base.scheme, base.netloc)
    account = f"/2010-04-01/Accounts/{environment.twilio_account_sid}/"
    prefix = base.path.rstrip("/") if base is not None and of_double else ""
    path = unquote(given.path)
    if not (of_twilio or of_double) or not path.startswith(prefix + account) or ".." in path:
        raise Unfetchable(MEDIA_NOT_OURS)
    if base is not None and of_twilio:
        given = given._replace(
            scheme=base.scheme, netloc=base.netloc, path=base.path.rstrip("/") + given.path
        )
    return given.geturl()


def _next_hop(address: str, location: str) -> str:
    """Twilio sends on to its storage, over TLS; a double may stay where it is."""
    following, current = urlsplit(urljoin(address, location)), urlsplit(address)
    if following.scheme != "https" and following.netloc != current.netloc:
        raise Unfetchable(MEDIA_NOT_OURS)
    return following.geturl()


def _body(answer: requests.Response) -> bytes:
    if answer.status_code == requests.codes.gone:
        raise Unfetchable(MEDIA_DELETED)
    if answer.status_code != requests.codes.ok:
        # Also 401 and 404, which Twilio gives while a file is being copied and while a token is being changed.
        pause = retry_after_seconds(answer.headers, now=timezone.now())
        raise RetryableRefusal(f"HTTP {answer.status_code}", pause)
    content = bytearray()
    deadline = time.monotonic() + DOWNLOAD_DEADLINE_SECONDS
    for chunk in answer.iter_content(CHUNK):
        content += chunk
        if len(content) > LARGEST:
            raise Unfetchable(MEDIA_TOO_LARGE)
        if time.monotonic() > deadline:
            raise RetryableRefusal("too slow")
    return bytes(content)


def type_of(content: bytes, declared: str) -> str:
    """By content. What it says of itself only chooses among documents that look alike from outside."""
    declared = declared.partition(";")[0].strip().lower()
    try:
        found = {match.mime_type for match in puremagic.magic_string(content) if match.mime_type}
    except (puremagic.PureError, ValueError):
        found = set()
    if content.startswith(AMR_MAGIC):
        return "audio/amr"
    if is_audio_only(content):
        return "audio/3gpp" if declared.endswith("/3gpp") else "audio/mp4"
    shown = sorted(SHOWN_INLINE & found)
    if shown:
        return declared if declared in shown else shown[0]
    return (
        declared if declared in DOCUMENTS and not _looks_like_markup(content) else "application/octet-stream"
    )


def _looks_like_markup(content: bytes) -> bool:
    return content.lstrip()[:1] == b"<"


def _keep(path: Path, content: bytes) -> None:
    """Whole or not at all: written beside, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        # On a full disk each try would leave another piece.
        os.unlink(name)
        raise
