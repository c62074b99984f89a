"""The Content-Disposition header: the file name that others give us in it, and the one that we give."""

from __future__ import annotations

import re
import unicodedata
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Any
from urllib.parse import quote, unquote

MAX_HEADER_CHARACTERS = 4096
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ENCODED_WORD = re.compile(r"=\?[\w-]+\?[BbQq]\?[^?]*\?=", re.ASCII)


def filename_in(header: str) -> str:
    """The name in a Content-Disposition header as it was given, not cleaned; empty when there is none.

    `filename*` (RFC 5987, 8187) goes before `filename`. Senders also put UTF-8, percent signs and encoded words of
    mails into `filename`, as browsers accept it. `header` is as HTTP libraries hand it out, as Latin-1.
    """
    parsed = Message()
    parsed["Content-Disposition"] = re.sub(r"[\r\n]", " ", header[:MAX_HEADER_CHARACTERS])
    params: Any = parsed.get_params([], "content-disposition")
    given = [value for name, value in params if name == "filename"]
    try:
        # RFC 2231 makes triples of charset, language and text.
        extended = [collapse_rfc2231_value(value) for value in given if isinstance(value, tuple)]
    except (LookupError, ValueError):
        extended = []
    if extended and extended[0]:
        return extended[0]
    plain = [value for value in given if isinstance(value, str) and value]
    return _decoded(plain[0]) if plain else ""


def _decoded(name: str) -> str:
    with suppress(UnicodeError):  # Else it is Latin-1 indeed.
        name = name.encode("latin-1").decode()
    if _ENCODED_WORD.search(name):
        try:
            return str(make_header(decode_header(name)))
        except (HeaderParseError, LookupError, UnicodeError):
            return name
    if _PERCENT.search(name):
        try:
            return unquote(name, errors="strict")
        except UnicodeDecodeError:
            return name
    return name


def content_disposition(kind: str, filename: str) -> str:
    """`inline` or `attachment`, with the name in both forms: `filename*` for whoever knows it, ASCII for the others.

    `filename` is a clean one.
    """
    stem, dot, extension = unicodedata.normalize("NFKD", filename).rpartition(".")
    plain = re.sub(
        r"[^A-Za-z0-9 ._()+,-]", "", f"{_ascii(stem).strip() or 'document'}{dot}{_ascii(extension)}"
    )
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _ascii(text: str) -> str:
    return text.encode("ascii", "ignore").decode()
