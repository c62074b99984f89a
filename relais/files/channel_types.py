"""What the channel takes: one table of content types, with extensions, size limits and whether a caption shows.

Checks, error sentences, the page's file dialog and `docs/media.md` read this table. Source: Twilio's guide to WhatsApp
media messages and its list of accepted MIME types, July 2026. A message carries one file.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from relais.files.voice_notes import MP4_OPUS, WEBM_OPUS

MEBIBYTE = 1024 * 1024
MAX_FILE_BYTES = 16 * MEBIBYTE
MAX_PICTURE_BYTES = 5 * MEBIBYTE
MAX_FILES_PER_SEND = 10
OFFICE = "application/vnd.openxmlformats-officedocument."


@dataclass(frozen=True)
class ChannelType:
    content_type: str
    label: str
    extensions: tuple[str, ...]
    """The first one is used for files of ours."""
    max_bytes: int = MAX_FILE_BYTES
    shows_caption: bool = False
    """Whether the client sees the text of the message that carries it."""


CHANNEL_TYPES = (
    ChannelType("image/jpeg", "JPEG", (".jpg", ".jpeg"), MAX_PICTURE_BYTES, shows_caption=True),
    ChannelType("image/png", "PNG", (".png",), MAX_PICTURE_BYTES, shows_caption=True),
    ChannelType("video/mp4", "MP4", (".mp4",), shows_caption=True),
    ChannelType("audio/ogg", "OGG Opus", (".ogg", ".opus")),
    ChannelType("audio/mp4", "M4A", (".m4a",)),
    ChannelType("audio/aac", "AAC", (".aac",)),
    ChannelType("audio/mpeg", "MP3", (".mp3",)),
    ChannelType("audio/amr", "AMR", (".amr",)),
    ChannelType("audio/3gpp", "3GP", (".3gp",)),
    ChannelType("application/pdf", "PDF", (".pdf",)),
    ChannelType("application/msword", "Word 97", (".doc",)),
    ChannelType(f"{OFFICE}wordprocessingml.document", "Word", (".docx",)),
    ChannelType(f"{OFFICE}spreadsheetml.sheet", "Excel", (".xlsx",)),
    ChannelType(f"{OFFICE}presentationml.presentation", "PowerPoint", (".pptx",)),
    ChannelType("text/vcard", "vCard", (".vcf",)),
)
PICTURES_TO_JPEG = {"image/webp": (".webp",), "image/heic": (".heic", ".heif")}
"""Pictures that the channel does not take and that become JPEG."""
SOUNDS_TO_OGG = {WEBM_OPUS: (".webm",), MP4_OPUS: ()}
"""What browsers record, and that becomes OGG."""
CONVERTED_TYPES = {
    **dict.fromkeys(PICTURES_TO_JPEG, "image/jpeg"),
    **dict.fromkeys(SOUNDS_TO_OGG, "audio/ogg"),
}
BY_CONTENT_TYPE = {each.content_type: each for each in CHANNEL_TYPES}
FAMILIES = (
    (gettext_noop("photos"), "image/"),
    (gettext_noop("vidéos"), "video/"),
    (gettext_noop("sons"), "audio/"),
    (gettext_noop("documents"), ""),
)


def channel_type(content_type: str) -> ChannelType | None:
    """The row of a content type that the channel takes, after conversion; None if it takes it in no way."""
    return BY_CONTENT_TYPE.get(CONVERTED_TYPES.get(content_type, content_type))


def shows_caption(content_type: str) -> bool:
    row = BY_CONTENT_TYPE.get(content_type)
    return row is not None and row.shows_caption


def accepted_sentence() -> str:
    """« photos (JPEG, PNG), vidéos (MP4) … », for error sentences."""
    rest, parts = list(CHANNEL_TYPES), []
    for family, prefix in FAMILIES:
        labels = [each.label for each in rest if each.content_type.startswith(prefix)]
        rest = [each for each in rest if not each.content_type.startswith(prefix)]
        parts.append(f"{_(family)} ({', '.join(labels)})")
    return ", ".join(parts)


def accept_attribute() -> str:
    """For `<input type=file>`: types and extensions, since some systems know only one of them."""
    names = [name for each in CHANNEL_TYPES for name in (each.content_type, *each.extensions)]
    return ",".join(
        [*names, *(name for kind, extensions in PICTURES_TO_JPEG.items() for name in (kind, *extensions))]
    )
