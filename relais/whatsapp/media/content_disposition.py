"""The Content-Disposition header: parses the file name of a received one, builds one for a download."""

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


def parse_filename(header: str) -> str:
    """The file name in a Content-Disposition header, not cleaned; empty when there is none.

    `filename*` (RFC 5987, 8187) takes precedence over `filename`. Senders also put UTF-8, percent-encoding and encoded
    words of mails (RFC 2047) into `filename`, and browsers accept that. `header` is decoded as Latin-1, as HTTP
    libraries do.
    """
    parsed = Message()
    parsed["Content-Disposition"] = re.sub(r"[\r\n]", " ", header[:MAX_HEADER_CHARACTERS])
    params: Any = parsed.get_params([], "content-disposition")
    values = [value for name, value in params if name == "filename"]
    try:
        # RFC 2231 values are triples of charset, language and text.
        extended = [collapse_rfc2231_value(value) for value in values if isinstance(value, tuple)]
    except (LookupError, ValueError):
        extended = []
    if extended and extended[0]:
        return extended[0]
    plain = [value for value in values if isinstance(value, str) and value]
    return _decode(plain[0]) if plain else ""


def _decode(name: str) -> str:
    with suppress(UnicodeError):  # Otherwise it really is Latin-1.
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


def build_content_disposition(disposition: str, filename: str) -> str:
    """`inline` or `attachment`, with the name twice: `filename*` in UTF-8, `filename` in ASCII for old clients.

    `filename` must be cleaned.
    """
    stem, dot, extension = unicodedata.normalize("NFKD", filename).rpartition(".")
    plain = re.sub(
        r"[^A-Za-z0-9 ._()+,-]", "", f"{_ascii(stem).strip() or 'document'}{dot}{_ascii(extension)}"
    )
    return f"{disposition}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _ascii(text: str) -> str:
    return text.encode("ascii", "ignore").decode()
