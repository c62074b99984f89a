"""Pictures and documents: fetched once from Twilio, kept in the data folder, shown within reach."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import puremagic
import requests
from django.conf import settings
from django.db import transaction

from relais.conversations.models import GIVEN_UP, Media, MediaState
from relais.whatsapp import tasks
from relais.whatsapp.client import CONNECT, READ

LARGEST = 16 * 1024 * 1024
CHUNK = 64 * 1024
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
        "audio/amr",
        "audio/aac",
    }
    | {"video/mp4", "video/3gpp", "application/pdf"}
)
"""Everything else is only offered for download; SVG and HTML could run script in our page's name."""
DOCUMENTS = frozenset(
    {"application/msword", "application/vnd.ms-excel", "text/vcard", "text/x-vcard", "text/plain", "text/csv"}
    | {
        f"application/vnd.openxmlformats-officedocument.{kind}"
        for kind in ("wordprocessingml.document", "presentationml.presentation", "spreadsheetml.sheet")
    }
)


class Unfetchable(Exception):
    """It will never be had: not ours to fetch, too large, or gone."""


def path_of(media: Media) -> Path:
    return settings.MEDIA_FOLDER / f"{media.pk // 1000:06d}" / str(media.pk)


def fetch(media: Media) -> None:
    """Store the bytes and note their type, or why they cannot be had. Raises RequestException: to be tried again."""
    try:
        content = _download(media.url)
    except Unfetchable as error:
        media.settle(MediaState.FAILED, error=str(error))
        return
    _keep(path_of(media), content)
    kind = type_of(content, media.declared_type)
    media.settle(MediaState.STORED, content_type=kind, size=len(content), error="")


def give_up(media: Media) -> None:
    """Its host did not answer for hours; whoever reads the conversation may have it tried again."""
    media.settle(MediaState.FAILED, error=GIVEN_UP)


@transaction.atomic
def try_again(media: Media) -> None:
    media.settle(MediaState.WAITING, error="")
    tasks.fetch_media.defer(media_id=media.pk)


def _download(url: str) -> bytes:
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
                    return _body(answer)
                address, with_credentials = _next_hop(address, answer.headers["Location"]), False
    raise Unfetchable("too many redirects")


def _ours(url: str) -> str:
    """The address to call, when it lies at Twilio under our account's path; any other is never called."""
    environment = settings.ENVIRONMENT
    try:
        given = urlsplit(url)
    except ValueError as error:
        raise Unfetchable("not an address") from error
    base = urlsplit(environment.twilio_api_base_url) if environment.twilio_api_base_url else None
    of_twilio = given.scheme == "https" and given.netloc in TWILIO_HOSTS
    of_double = base is not None and (given.scheme, given.netloc) == (base.scheme, base.netloc)
    account = f"/2010-04-01/Accounts/{environment.twilio_account_sid}/"
    prefix = base.path.rstrip("/") if base is not None and of_double else ""
    path = unquote(given.path)
    if not (of_twilio or of_double) or not path.startswith(prefix + account) or ".." in path:
        raise Unfetchable("not an address of our Twilio account")
    if base is not None and of_twilio:
        given = given._replace(
            scheme=base.scheme, netloc=base.netloc, path=base.path.rstrip("/") + given.path
        )
    return given.geturl()


def _next_hop(address: str, location: str) -> str:
    """Twilio sends on to its storage, over TLS; a double may stay where it is."""
    following, current = urlsplit(urljoin(address, location)), urlsplit(address)
    if following.scheme != "https" and following.netloc != current.netloc:
        raise Unfetchable("a redirect left TLS")
    return following.geturl()


def _body(answer: requests.Response) -> bytes:
    if answer.status_code >= 500 or answer.status_code == 429:
        raise requests.exceptions.ConnectionError(f"HTTP {answer.status_code}")
    if answer.status_code >= 400:
        raise Unfetchable(f"HTTP {answer.status_code}")
    content = b""
    for chunk in answer.iter_content(CHUNK):
        content += chunk
        if len(content) > LARGEST:
            raise Unfetchable("larger than 16 MB")
    return content


def type_of(content: bytes, declared: str) -> str:
    """By content. What it says of itself only chooses among documents that look alike from outside."""
    declared = declared.partition(";")[0].strip().lower()
    try:
        found = {match.mime_type for match in puremagic.magic_string(content) if match.mime_type}
    except (puremagic.PureError, ValueError):
        found = set()
    shown = [kind for kind in SHOWN_INLINE if kind in found]
    if declared in shown:
        return declared
    if shown:
        return sorted(shown)[0]
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
