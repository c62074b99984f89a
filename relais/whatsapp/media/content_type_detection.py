"""The content type of a media file, detected by its content. The types themselves: `conversations/media_types.py`."""

from __future__ import annotations

import puremagic

from relais.conversations.media_types import DOCUMENT_CONTENT_TYPES, INLINE_CONTENT_TYPES
from relais.whatsapp.media.mp4_tracks import is_audio_only

AMR_MAGIC = (b"#!AMR\n", b"#!AMR-WB\n")


def detect_content_type(content: bytes, declared: str) -> str:
    """By content. The declared type only chooses between documents whose content looks alike."""
    declared = declared.partition(";")[0].strip().lower()
    try:
        detected = {match.mime_type for match in puremagic.magic_string(content) if match.mime_type}
    except (puremagic.PureError, ValueError):
        detected = set()
    if content.startswith(AMR_MAGIC):
        return "audio/amr"
    if is_audio_only(content):
        return "audio/3gpp" if declared.endswith("/3gpp") else "audio/mp4"
    inline = sorted(INLINE_CONTENT_TYPES & detected)
    if inline:
        return declared if declared in inline else inline[0]
    is_document = declared in DOCUMENT_CONTENT_TYPES and not _looks_like_markup(content)
    return declared if is_document else "application/octet-stream"


def _looks_like_markup(content: bytes) -> bool:
    return content.lstrip()[:1] == b"<"
