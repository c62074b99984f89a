"""What a received file is, in words for a person, and how it is named when it is saved. Knows no database."""

from __future__ import annotations

import mimetypes
import re
import unicodedata

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from relais.text import has_visible_characters

OFFICE = "application/vnd.openxmlformats-officedocument."
UNPLAYABLE = frozenset({"audio/amr", "audio/3gpp"})
"""Recordings that no browser plays. They are offered for download: to convert them takes a whole media suite."""
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
"""In UTF-8: file systems take 255, and a browser adds « (1) » to it."""
MAX_EXTENSION_CHARACTERS = 12
JOINERS = "\u200c\u200d"
"""Invisible, and part of Persian words and of composed emoji. All else that is invisible goes."""
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
"""On Windows; the separators of folders have been cut at before."""
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
"""Devices of Windows, whatever their extension."""


def label_of(content_type: str, filename: str = "") -> str:
    """« Word », « PDF », « Audio » …: by its type, and where that says nothing by the extension of its name."""
    by_extension = TYPES_BY_EXTENSION.get(_extension(filename).lower(), "")
    for kind in (content_type, by_extension):
        if label := LABELS.get(kind) or FAMILIES.get(kind.partition("/")[0]):
            return _(label)
    return _("Document")


def stem_of(content_type: str) -> str:
    """What a file without a name is called."""
    if extension_of(content_type) == ".vcf":
        return "contact"
    return STEMS.get(content_type.partition("/")[0], "document")


def extension_of(content_type: str, declared_type: str = "") -> str:
    """With its dot. Of a type that nobody recognised, what was declared of it decides."""
    declared = declared_type.partition(";")[0].strip().lower()
    known = EXTENSIONS.get(content_type) or EXTENSIONS.get(declared)
    return known or mimetypes.guess_extension(declared) or ".bin"


def clean_filename(given: str, content_type: str = "") -> str:
    """The given name as it may be shown and saved anywhere: no path, nothing invisible, nothing Windows forbids.

    Empty when nothing of it is left. A name without an extension gets that of the type, if it is known.
    """
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    name = "".join(sign for sign in name if sign in JOINERS or not _is_invisible(sign))
    name = FORBIDDEN.sub("_", " ".join(name.split())).strip(" .")
    if not has_visible_characters(name.rpartition(".")[0].strip("_ .") or name.strip("_ .")):
        return ""
    if not _extension(name):
        name += EXTENSIONS.get(content_type, "")
    if RESERVED.fullmatch(name):
        name = f"_{name}"
    return _shortened(name)


def _is_invisible(sign: str) -> bool:
    """Controls, marks of direction, private characters, halves of pairs. White space is made spaces of later."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and not sign.isspace()


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    is_one = (
        stem and extension.isascii() and extension.isalnum() and len(extension) <= MAX_EXTENSION_CHARACTERS
    )
    return dot + extension if is_one else ""


def _shortened(name: str) -> str:
    """The extension stays, and no character is cut in two."""
    extension = _extension(name)
    stem = name.removesuffix(extension)
    room = MAX_FILENAME_BYTES - len(extension.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" ." + JOINERS) + extension
