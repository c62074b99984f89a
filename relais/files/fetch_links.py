"""Signed links by which Twilio fetches a file: they expire, and need no session."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core.signing import BadSignature, Signer

from relais.environment import LOOPBACK_HOSTS
from relais.files.channel_types import BY_CONTENT_TYPE

LIFETIME = timedelta(hours=1)
MAX_NAME_CHARACTERS = 20
"""Twilio's limit of a file name in Content-Disposition, of plain ASCII without special characters."""
_SALT = "relais.files.fetch_links"


def fetch_url(media_id: int, *, filename: str, content_type: str, at: datetime) -> str:
    """A new link at each attempt to send. Nothing of it is stored."""
    expires_at = int((at + LIFETIME).timestamp())
    token = _signer().sign(f"{media_id:x}-{expires_at:x}")
    return f"{settings.PUBLIC_BASE_URL}/media/{token}/{link_name(filename, content_type)}"


def media_id_of(token: str, *, at: datetime) -> int | None:
    """None if the signature is wrong or the link has expired."""
    try:
        media_id, expires_at = (int(part, 16) for part in _signer().unsign(token).split("-"))
    except (BadSignature, ValueError):
        return None
    return media_id if at.timestamp() < expires_at else None


def link_name(filename: str, content_type: str) -> str:
    """At most twenty letters, digits and hyphens, with the extension of its type."""
    extension = BY_CONTENT_TYPE[content_type].extensions[0] if content_type in BY_CONTENT_TYPE else ".bin"
    stem = unicodedata.normalize("NFKD", filename.rpartition(".")[0] or filename)
    plain = re.sub(r"[^A-Za-z0-9]+", "-", stem.encode("ascii", "ignore").decode()).strip("-")
    return (plain[: MAX_NAME_CHARACTERS - len(extension)].rstrip("-") or "document") + extension


def is_reachable() -> bool:
    """Whether Twilio reaches these links: not on this machine's own address, except for a double."""
    if settings.ENVIRONMENT.twilio_api_base_url:
        return True
    host = urlsplit(settings.PUBLIC_BASE_URL).hostname or ""
    if host in LOOPBACK_HOSTS or host.endswith(".localhost"):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host


def _signer() -> Signer:
    return Signer(salt=_SALT, sep="~")
