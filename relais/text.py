"""Functions for text that people typed, in whatever room: visible characters, storable characters, digits, ids."""

from __future__ import annotations

import unicodedata

# Categories without a glyph of their own: controls, formats, separators, surrogates, and combining marks.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"})
# Letters and symbols by category that are rendered blank: the Hangul fillers, the empty Braille pattern, the null
# note head, the object replacement character, the blank of Egyptian hieroglyphs.
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\ufffc\U00013441")
MAX_ID_DIGITS = 18
"""More may overflow PostgreSQL's bigint, and no such id exists."""

# Letters that Unicode does not decompose into a base letter and a mark.
_UNDECOMPOSED_LETTERS = str.maketrans(
    {"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d"}
)


def has_visible_characters(text: str) -> bool:
    """Whether the text has a visible character.

    A character newer than our Unicode tables counts as visible, unless Unicode reserves it for invisible characters.
    """
    return any(_is_visible(character) for character in text)


def _is_visible(character: str) -> bool:
    if character.isascii():
        return "!" <= character <= "~"
    category = unicodedata.category(character)
    if category == "Cn":
        return not _is_never_visible(ord(character))
    return category not in _INVISIBLE_CATEGORIES and character not in _BLANK_CHARACTERS


def _is_never_visible(code_point: int) -> bool:
    """Of unassigned code points: reserved for invisible characters, or a noncharacter."""
    return (
        code_point == 0x2065
        or 0xFFF0 <= code_point <= 0xFFF8
        or 0xE0000 <= code_point <= 0xE0FFF
        or 0xFDD0 <= code_point <= 0xFDEF
        or code_point & 0xFFFE == 0xFFFE
    )


def sanitize_for_postgres(text: str) -> str:
    """The text without what PostgreSQL stores neither as text nor as JSON: NUL, and halves of surrogate pairs."""
    if text.isprintable():  # as nearly all texts are: neither of the two is printable
        return text
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def fold(text: str) -> str:
    """The text for comparisons that ignore case and accents: `Éa` and `ea` become the same."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.translate(_UNDECOMPOSED_LETTERS))
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").casefold()


def ascii_digits(text: str) -> str:
    """Convert the decimal digits of every script to 0–9: `٠٦١٢` and `۰۶۱۲` become 0612."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def parse_primary_key(text: str) -> int | None:
    """A primary key; None if the text is none, or too long for PostgreSQL's bigint."""
    is_id = text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS
    return int(text) if is_id else None
