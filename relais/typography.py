"""French typography: no-break spaces that keep punctuation from starting a line.

Only U+00A0 is used: phones and terminals without the narrow one (U+202F) render it too. Texts of pages are typed with
plain spaces and typeset in the French catalogue, those of the bot when its flows are built, and documents by
`python -m relais.typography docs/fr/*.md`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

NO_BREAK_SPACE = "\u00a0"
# Only punctuation followed by a space or the end of the text: not the « != » of a condition, nor a smiley.
_BEFORE_PUNCTUATION = re.compile(r"(?<=[^\s|]) (?=[;!?:»](?:[\s\"'<)*.,…»]|\\n|$))", re.MULTILINE)
_AFTER_QUOTE = re.compile(r"(?<=«) ")


def typeset(text: str) -> str:
    """Put a no-break space before « ; ! ? : » and within quotes. Idempotent."""
    return _AFTER_QUOTE.sub(NO_BREAK_SPACE, _BEFORE_PUNCTUATION.sub(NO_BREAK_SPACE, text))


_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def typeset_markdown(text: str) -> str:
    """Typeset a Markdown document, except its code."""
    pieces = _CODE.split(text)
    return "".join(piece if n % 2 else _around_code(piece) for n, piece in enumerate(pieces))


def _around_code(prose: str) -> str:
    # Punctuation right after code has its space at the start of the piece.
    return re.sub(r"\A (?=[;!?:»](?:\s|$))", NO_BREAK_SPACE, typeset(prose))


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(typeset_markdown(path.read_text(encoding="utf-8")), encoding="utf-8")
