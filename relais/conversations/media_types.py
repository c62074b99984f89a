"""Content types of received files: which are shown inline, labels, file extensions, safe file names. No database."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from relais.text import has_visible_characters

OFFICE = "application/vnd.openxmlformats-officedocument."
INLINE_CONTENT_TYPES = frozenset(
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
"""All others are only offered for download; SVG and HTML could run scripts under our origin."""
DOCUMENT_CONTENT_TYPES = frozenset(
    {"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"}
    | {"text/vcard", "text/x-vcard", "text/plain", "text/csv"}
    | {
        OFFICE + kind
        for kind in ("wordprocessingml.document", "presentationml.presentation", "spreadsheetml.sheet")
    }
)
UNPLAYABLE_TYPES = frozenset({"audio/amr", "audio/3gpp"})
"""Audio that no browser plays. It is offered for download; converting it would need a transcoder."""
LABELS = {
    "application/pdf": "PDF",
    "application/msword": "Word",
    f"{OFFICE}wordprocessingml.document": "Word",
    "application/vnd.ms-excel": "Excel",
    f"{OFFICE}spreadsheetml.sheet": "Excel",
    "application/vnd.ms-powerpoint": "PowerPoint",
    f"{OFFICE}presentationml.presentation": "PowerPoint",
    "text/vcard": "vCard",
    "text/x-vcard": "vCard",
    "text/directory": "vCard",
    "text/csv": "CSV",
    "text/plain": gettext_noop("Texte"),
}
FAMILIES = {"image": gettext_noop("Photo"), "audio": gettext_noop("Audio"), "video": gettext_noop("Vidéo")}
STEMS = {"image": "photo", "audio": "audio", "video": "video"}
EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/3gpp": ".3gp",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "application/pdf": ".pdf",
    "application/msword": ".doc",
    f"{OFFICE}wordprocessingml.document": ".docx",
    "application/vnd.ms-excel": ".xls",
    f"{OFFICE}spreadsheetml.sheet": ".xlsx",
    "application/vnd.ms-powerpoint": ".ppt",
    f"{OFFICE}presentationml.presentation": ".pptx",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/directory": ".vcf",
    "text/csv": ".csv",
    "text/plain": ".txt",
}
TYPES_BY_EXTENSION = {extension: kind for kind, extension in reversed(EXTENSIONS.items())}

MAX_FILENAME_BYTES = 200
"""In UTF-8. File systems allow 255, and a browser may append « (1) »."""
MAX_EXTENSION_CHARACTERS = 12
JOINERS = "\u200c\u200d"
"""Invisible, but part of Persian words and composed emoji. All other invisible characters are removed."""
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
"""Characters that Windows forbids. Path separators are handled before."""
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
"""Device names of Windows, with any extension."""


def label_for(content_type: str, filename: str = "") -> str:
    """« Word », « PDF », « Audio » …: from the content type, else from the extension of the file name."""
    by_extension = TYPES_BY_EXTENSION.get(_extension(filename).lower(), "")
    for kind in (content_type, by_extension):
        if label := LABELS.get(kind) or FAMILIES.get(kind.partition("/")[0]):
            return _(label)
    return _("Document")


def kind_of(content_type: str) -> str:
    """`sticker`, `image`, `audio`, `video`, `contact` or `document`: by it messages and rows are shown."""
    if content_type == "image/webp":
        return "sticker"
    if extension_for(content_type) == ".vcf":
        return "contact"
    family = content_type.partition("/")[0]
    return family if family in FAMILIES else "document"


def default_stem(content_type: str) -> str:
    """The file name, without extension, of a file that came without a name."""
    if extension_for(content_type) == ".vcf":
        return "contact"
    return STEMS.get(content_type.partition("/")[0], "document")


def extension_for(content_type: str, declared_type: str = "") -> str:
    """With its dot. If the detected type is unknown, the declared type decides."""
    declared = declared_type.partition(";")[0].strip().lower()
    known = EXTENSIONS.get(content_type) or EXTENSIONS.get(declared)
    return known or mimetypes.guess_extension(declared) or ".bin"


def clean_filename(filename: str, content_type: str = "") -> str:
    """Sanitize a file name for display and for any file system: no path, no invisible or forbidden characters.

    Empty if nothing is left. A name without an extension gets the one of its content type, if known.
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", filename))[-1]
    name = "".join(character for character in name if character in JOINERS or not _is_invisible(character))
    name = FORBIDDEN.sub("_", " ".join(name.split())).strip(" .")
    if not has_visible_characters(name.rpartition(".")[0].strip("_ .") or name.strip("_ .")):
        return ""
    if not _extension(name):
        name += EXTENSIONS.get(content_type, "")
    if RESERVED.fullmatch(name):
        name = f"_{name}"
    return _truncate(name)


def _is_invisible(character: str) -> bool:
    """Controls, direction marks, private use, surrogates. White space is kept here and becomes spaces later."""
    category = unicodedata.category(character)
    return category in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and not character.isspace()


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    is_valid = (
        stem and extension.isascii() and extension.isalnum() and len(extension) <= MAX_EXTENSION_CHARACTERS
    )
    return dot + extension if is_valid else ""


def _truncate(name: str) -> str:
    """Keep the extension and cut between characters, not within one."""
    extension = _extension(name)
    stem = name.removesuffix(extension)
    max_stem_bytes = MAX_FILENAME_BYTES - len(extension.encode())
    return stem.encode()[:max_stem_bytes].decode(errors="ignore").rstrip(" ." + JOINERS) + extension
