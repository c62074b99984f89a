"""Pictures and documents in memory, up to a number of bytes; the oldest are evicted first."""

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from relais.emulator.sids import new_sid

MAX_MEDIA_BYTES = 16 * 1024 * 1024
MAX_PICTURE_BYTES = 5 * 1024 * 1024
"""WhatsApp's limits through Twilio."""
WHATSAPP_TYPES = frozenset(
    {
        *("image/jpeg", "image/png", "image/webp"),
        *("audio/ogg", "audio/amr", "audio/3gpp", "audio/aac", "audio/mpeg", "audio/mp4", "video/mp4"),
        *("application/pdf", "application/msword", "text/vcard", "text/x-vcard"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
)
"""What WhatsApp accepts."""


def is_deliverable(content: bytes, content_type: str) -> bool:
    """Whether WhatsApp takes what a MediaUrl answered."""
    bare = clean_content_type(content_type)
    max_bytes = MAX_PICTURE_BYTES if bare.startswith("image/") else MAX_MEDIA_BYTES
    return bool(content) and bare in WHATSAPP_TYPES and len(content) <= max_bytes


@dataclass
class Media:
    sid: str
    content_type: str
    filename: str
    created_at: datetime
    url: str = ""
    """Where it should be fetched, so that a phone can name what it could not load."""
    disposition: str = ""
    """The whole Content-Disposition header, sent unchanged; empty: made from the name."""

    def as_phone_json(self) -> dict[str, str]:
        return {
            "sid": self.sid,
            "content_type": self.content_type,
            "filename": self.filename,
            "url": self.url,
        }


class MediaStore:
    def __init__(self, max_bytes: Callable[[], int]) -> None:
        self._max_bytes = max_bytes
        self._content: OrderedDict[str, tuple[Media, bytes]] = OrderedDict()
        self._bytes = 0

    def put(
        self, content: bytes, content_type: str, filename: str, at: datetime, *, disposition: str = ""
    ) -> Media:
        name = base_name(filename)
        media = Media(new_sid("ME"), clean_content_type(content_type), name, at, disposition=disposition)
        self._content[media.sid] = (media, content)
        self._bytes += len(content)
        while self._bytes > self._max_bytes() and len(self._content) > 1:
            _, (_, dropped) = self._content.popitem(last=False)
            self._bytes -= len(dropped)
        return media

    def get(self, sid: str) -> tuple[Media, bytes] | None:
        return self._content.get(sid)

    def headers(self, media: Media) -> dict[str, str]:
        return {
            "Content-Disposition": media.disposition or _disposition(media.filename),
            "X-Content-Type-Options": "nosniff",
        }


def _disposition(filename: str) -> str:
    if not filename:
        return "inline"
    plain = ascii_file_name(filename)
    extended = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe='')}"
    return f'inline; filename="{plain}"{extended}'


def clean_content_type(content_type: str) -> str:
    """Without parameters; an invalid one becomes `application/octet-stream`."""
    bare = content_type.split(";")[0].strip().lower()
    return bare if re.fullmatch(r"[\w.+-]+/[\w.+-]+", bare, re.ASCII) else "application/octet-stream"


def base_name(filename: str) -> str:
    """Without folders and control characters, as shown on the phone."""
    name = re.split(r"[/\\]", filename)[-1]
    return re.sub(r"[\x00-\x1f\x7f]", "", name)[-200:].strip()


def ascii_file_name(filename: str) -> str:
    """A name that is safe in a header: ASCII, no path, no quotes."""
    ascii_only = unicodedata.normalize("NFKD", base_name(filename)).encode("ascii", "ignore").decode()
    return re.sub(r"[^\w. ()-]", "", ascii_only)[-80:].strip()


def message_type(media: Media | None) -> str:
    """Twilio's MessageType of a message with this media."""
    if media is None:
        return "text"
    special = {"image/webp": "sticker", "text/vcard": "contacts", "text/x-vcard": "contacts"}
    if media.content_type in special:
        return special[media.content_type]
    family = media.content_type.split("/")[0]
    return family if family in ("image", "audio", "video") else "document"


def as_rest(media: Media, account: str, message: str, date: Callable[[datetime], str]) -> dict[str, Any]:
    return {
        "account_sid": account,
        "content_type": media.content_type,
        "date_created": date(media.created_at),
        "date_updated": date(media.created_at),
        "parent_sid": message,
        "sid": media.sid,
        "uri": f"/2010-04-01/Accounts/{account}/Messages/{message}/Media/{media.sid}.json",
    }
