"""What all CSV files of Relais share: reading them as spreadsheets write them, and cells that run as no formula.

Spreadsheets run a cell that begins with = + - or @ as a formula: exports put an apostrophe before it, and imports take
it away again.
"""

from __future__ import annotations

import re

from relais.text import sanitize_for_postgres

BYTE_ORDER_MARK = "\ufeff"
"""By it, Excel recognises UTF-8."""
DELIMITER = ";"
"""The one that a French Excel opens into columns."""
DELIMITERS = (";", ",", "\t")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r'"[^"]*"')


def guard_formula(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard_formula(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def decode_text(content: bytes) -> str | None:
    """UTF-8, UTF-16 with its mark, else Windows-1252, as a French Excel saves; None if it is none of them."""
    encodings = ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Windows-1252 decodes nearly everything, such as a picture that was renamed.
        return None if "\0" in text else sanitize_for_postgres(text)
    return None


def find_delimiter(text: str) -> str:
    """The one that the line of titles has most of, outside of quotes."""
    header = _QUOTED.sub("", text.split("\n", 1)[0])
    return max(DELIMITERS, key=header.count)
