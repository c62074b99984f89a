"""Parser of the `.env` file: KEY=VALUE lines, comments, quotes, `export`; no variable substitution.

python-dotenv is not used: its public functions log and skip a malformed line instead of raising an error, and its
undocumented `dotenv.parser` counts line numbers wrongly after empty lines. It also accepts lines that are errors here
(`1KEY=x`, multi-line values), and would change values of existing files: `KEY=#x` and `"\\$"`.
"""

import re
from pathlib import Path

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
_QUOTED = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')\s*(?:#.*)?""", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class InvalidLine(ValueError):
    """A line that is neither KEY=VALUE nor a comment nor empty."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Line {number} is not of the form KEY=VALUE.")
        self.number = number


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of the file; an empty dict if it does not exist. Raises InvalidLine."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return parse_dotenv(text)


def parse_dotenv(text: str) -> dict[str, str]:
    """The last value of a key counts. Raises InvalidLine."""
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidLine(number)
        variables[match[1]] = _parse_value(match[2], number)
    return variables


def _parse_value(raw: str, number: int) -> str:
    if not raw.lstrip().startswith(("'", '"')):
        # A "#" starts a comment only at the beginning or after a space, so that URLs keep their fragments.
        return re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].strip()
    match = _QUOTED.fullmatch(raw)
    if match is None:
        raise InvalidLine(number)
    if match[2] is not None:
        return match[2]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[1])
