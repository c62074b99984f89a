"""Values as a state holds them: plain JSON that any database can store, and the types that texts become."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from relais.flows.engine.flow import Json

DEEPEST = 50
# Beyond 15 digits a double is not exact, and what has more is an identifier rather than a number.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def plain(value: object, depth: int = DEEPEST) -> Json:
    """The value as JSON that survives a round trip: no NUL, lone surrogate, NaN or depth without end."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth and isinstance(value, Mapping):
        return {plain(str(key)): plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value]
    return None


def plain_object(value: Mapping[str, object]) -> dict[str, Json]:
    made = plain(value)
    assert isinstance(made, dict)
    return made


def typed(text: str) -> Json:
    """What a variable becomes: a number when it is written as one, else the text.

    A leading zero or plus, quotes or a letter keep it a text: phone numbers and codes stay as they are.
    """
    number = as_number(text)
    return text if number is None else number


def as_number(text: str) -> int | float | None:
    written = text.strip()
    if not _NUMBER.fullmatch(written):
        return None
    return float(written) if "." in written else int(written)


def object_of(text: str) -> dict[str, Json] | None:
    """The JSON object that a text is, or None; an array or a lone value is none."""
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return plain_object(found) if isinstance(found, dict) else None


def as_json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _refuse(constant: str) -> Json:
    raise ValueError(constant)
