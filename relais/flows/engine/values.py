"""Converts values to JSON that a database can store, and texts to numbers and objects."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from relais.flows.engine.flow import Json

MAX_DEPTH = 50
# A double is not exact beyond 15 digits, and a longer number is an identifier.
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,15})?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_json(value: object, depth: int = MAX_DEPTH) -> Json:
    """The value as JSON that survives a round trip: without NUL, lone surrogates, NaN or unlimited depth."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth and isinstance(value, Mapping):
        return {storable_json(str(key)): storable_json(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [storable_json(item, depth - 1) for item in value]
    return None


def storable_object(value: Mapping[str, object]) -> dict[str, Json]:
    stored = storable_json(value)
    assert isinstance(stored, dict)
    return stored


def number_or_text(text: str) -> Json:
    """The value of a variable without a type: a number if it is written as one, else the text.

    A leading zero or plus, quotes or a letter make it a text, so that phone numbers and codes do not change.
    """
    number = parse_number(text)
    return text if number is None else number


def parse_number(text: str) -> int | float | None:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)


def parse_json_object(text: str) -> dict[str, Json] | None:
    """The JSON object in a text; None for invalid JSON, an array or a scalar."""
    try:
        value = json.loads(text, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return None
    return storable_object(value) if isinstance(value, dict) else None


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _reject_constant(constant: str) -> Json:
    raise ValueError(constant)
