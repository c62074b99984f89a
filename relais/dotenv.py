"""The `.env` file: KEY=VALUE lines, comments, quotes, `export`. No substitution of variables, no surprises."""

import re
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
_QUOTED = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:#.*)?""", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class BadLine(ValueError):
    """A line that is neither KEY=VALUE, a comment nor empty."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Line {number} is not of the form KEY=VALUE.")
        self.number = number


def read(path: Path) -> dict[str, str]:
    """The variables of a `.env` file; none when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return parse(text)


def parse(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadLine(number)
        found[match[1]] = _value(match[2], number)
    return found


def _value(raw: str, number: int) -> str:
    if not raw.lstrip().startswith(("'", '"')):
        # A "#" starts a comment only after a space, so that URLs keep their fragments.
        return re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].strip()
    match = _QUOTED.fullmatch(raw)
    if match is None:
        raise BadLine(number)
    if match[2] is not None:
        return match[2]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
