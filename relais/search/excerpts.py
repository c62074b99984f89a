"""Excerpts of texts around what was found, as escaped HTML with the hits in `<mark>`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from django.db import connection
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from relais.search.tsquery import CompiledQuery
from relais.text import ascii_digits

EXCERPT_CHARACTERS = 240
CONTEXT_CHARACTERS = 60
"""Shown before the first hit."""
MAX_READ_CHARACTERS = 20_000
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""Around each field, so that a number beside an Arabic name is not reordered."""
_ARABIC = re.compile(r"[\u0590-\u08ff]")
# Words with their combining marks, which Python does not count as word characters.
_WORD = re.compile(r"[\w\u0300-\u036f\u0610-\u061a\u064b-\u065f\u0670]+")
SELECT_HIT_WORDS = """
select word from unnest(%s::text[]) word
 where public.relais_words(word) @@ %s::tsquery or ' ' || public.relais_fold(word) like any(%s::text[])
"""


def excerpts(texts: Sequence[str], query: CompiledQuery) -> list[SafeString]:
    """One per text. The database tells which of the words, as they were written, are hits."""
    texts = [" ".join(text[:MAX_READ_CHARACTERS].split()) for text in texts]
    words = sorted({word for text in texts for word in _WORD.findall(text)})
    with connection.cursor() as cursor:
        patterns = [f"% {beginning}%" for beginning in query.any_beginnings]
        cursor.execute(SELECT_HIT_WORDS, [words, query.any_word_query, patterns])
        hits = {row[0] for row in cursor.fetchall()}
    return [_excerpt(text, hits.__contains__) for text in texts]


def client_excerpt(fields: Sequence[str], terms: Sequence[str]) -> SafeString:
    """Name, number and codes of a client on one line, with the words that contain a term."""
    wanted = [plain for term in terms for plain in plain_text(term).split()]
    wanted_digits = "".join(character for character in ascii_digits(" ".join(terms)) if character.isdigit())

    def is_hit(word: str) -> bool:
        return any(plain in plain_text(word) for plain in wanted)

    def marked(value: str) -> str:
        digits = "".join(character for character in value if character.isdigit())
        is_number = value.startswith("+") and len(wanted_digits) >= 3
        if is_number and wanted_digits.removeprefix("00").lstrip("0") in digits:
            return f"<mark>{escape(value)}</mark>"
        return _marked(value, is_hit)

    shown = [marked(value) for value in fields if value]
    if any(_ARABIC.search(value) for value in fields):
        shown = [f"{FIRST_STRONG_ISOLATE}{value}{POP_ISOLATE}" for value in shown]
    return mark_safe(" · ".join(shown))  # noqa: S308


def plain_text(text: str) -> str:
    """Lower case without accents and separators; the database's `relais_plain` does the same for names."""
    decomposed = unicodedata.normalize("NFKD", ascii_digits(text).lower())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("-", "")


def _excerpt(text: str, is_hit: Callable[[str], bool]) -> SafeString:
    if len(text) <= EXCERPT_CHARACTERS:
        return mark_safe(_marked(text, is_hit))  # noqa: S308
    start = _start_of_excerpt(text, is_hit)
    end = min(len(text), start + EXCERPT_CHARACTERS)
    if end < len(text):
        end = max(start + 1, text.rfind(" ", start, end)) if " " in text[start:end] else end
    before, after = "… " if start else "", " …" if end < len(text) else ""
    return mark_safe(before + _marked(text[start:end].strip(), is_hit) + after)  # noqa: S308


def _start_of_excerpt(text: str, is_hit: Callable[[str], bool]) -> int:
    """Where an excerpt with as many hits as possible begins, at a word."""
    positions = [match.start() for match in _WORD.finditer(text) if is_hit(match[0])]
    if not positions:
        return 0
    reach = EXCERPT_CHARACTERS - CONTEXT_CHARACTERS - 20
    first = max(positions, key=lambda position: sum(position <= p < position + reach for p in positions))
    start = max(0, first - CONTEXT_CHARACTERS)
    return text.find(" ", start, first) + 1 if start and " " in text[start:first] else start


def _marked(text: str, is_hit: Callable[[str], bool]) -> str:
    pieces, position = [], 0
    for match in _WORD.finditer(text):
        if is_hit(match[0]):
            pieces += [escape(text[position : match.start()]), f"<mark>{escape(match[0])}</mark>"]
            position = match.end()
    return "".join([*pieces, escape(text[position:])])
