"""The search box: words, « phrases in quotes », `-excluded` words, and the beginning of the last word."""

from __future__ import annotations

import re
from dataclasses import dataclass

from relais.text import sanitize_for_postgres

MAX_QUERY_CHARACTERS = 300
MAX_TERMS = 16
_TERM = re.compile(r'(-?)(?:["«“”„]([^"«»“”„]*)["»“”]?|([^\s"«»“”„]+))')


@dataclass(frozen=True)
class Term:
    text: str
    """As typed."""
    is_phrase: bool = False
    is_excluded: bool = False
    is_prefix: bool = False
    """The last word of the query, which may be unfinished, or one that ends with `*`."""


def parse_query(text: str) -> list[Term]:
    """The terms in their order. An open quote ends with the text; a word is finished when a space follows it."""
    text = sanitize_for_postgres(text)[:MAX_QUERY_CHARACTERS]
    matches = list(_TERM.finditer(text))[:MAX_TERMS]
    return [
        Term(
            text=match[2] if match[3] is None else match[3],
            is_phrase=match[3] is None,
            is_excluded=bool(match[1]),
            is_prefix=match[3] is not None
            and not match[1]
            and (match[3].endswith("*") or match.end() == len(text)),
        )
        for match in matches
    ]
