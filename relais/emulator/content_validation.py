"""Validates content to create, and the variables of a message that uses one, as Twilio does."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from relais.emulator import api_errors
from relais.emulator.content import PLACEHOLDER

MAX_VARIABLES = 100
MAX_BUTTONS = 3
MAX_ACTIONS = 10
MAX_ITEMS = 10
MAX_BODY_CHARACTERS = 1024
MAX_BUTTON_CHARACTERS = 20
MAX_ITEM_CHARACTERS = 24
MAX_ITEM_DESCRIPTION_CHARACTERS = 72
MAX_ID_CHARACTERS = 200
_UNSENDABLE_VALUE = re.compile(r"[\n\t]| {5,}")
ACTION_TYPES = ("URL", "PHONE_NUMBER", "COPY_CODE", "QUICK_REPLY", "VOICE_CALL")


def parse_variables(text: str) -> dict[str, str]:
    """ContentVariables: a JSON object of texts. Raises ApiError."""
    if not text:
        return {}
    try:
        values = json.loads(text)
    except ValueError:
        raise api_errors.invalid_content_variables() from None
    if not isinstance(values, dict) or not all(_is_sendable(value) for value in values.values()):
        raise api_errors.invalid_content_variables()
    return {str(name): str(value) for name, value in values.items()}


def _is_sendable(value: Any) -> bool:
    is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
    return is_text and bool(str(value).strip()) and not _UNSENDABLE_VALUE.search(str(value))


def parse_content(payload: Any) -> dict[str, Any]:
    """The fields of a content to create. Raises ApiError."""
    if not isinstance(payload, dict):
        raise _invalid("The request body must be a JSON object.")
    payload = _without_nulls(payload)
    types = payload.get("types")
    if not isinstance(types, dict) or not types:
        raise _invalid("'types' is required.")
    language = payload.get("language")
    if not isinstance(language, str) or not re.fullmatch(r"[a-z]{2,3}(_[A-Z]{2})?", language):
        raise _invalid("'language' is required.")
    variables = payload.get("variables") or {}
    if not isinstance(variables, dict) or len(variables) > MAX_VARIABLES:
        raise _invalid(f"'variables' must be an object of at most {MAX_VARIABLES} values.")
    for name, part in types.items():
        if name not in _CHECKS:
            raise _invalid(f"Content type {name} is not supported.")
        if not isinstance(part, dict):
            raise _invalid(f"{name} must be an object.")
        _CHECKS[name](name, part)
        _check_placeholders(part)
    return {
        "friendly_name": str(payload.get("friendly_name") or ""),
        "language": language,
        "variables": {str(name): str(value) for name, value in variables.items()},
        "types": types,
    }


def _without_nulls(value: Any) -> Any:
    """Twilio's SDK sends every field it knows; those not given are null."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _check_text(name: str, part: Mapping[str, Any]) -> None:
    _require_text(name, part, "body", 1600)


def _check_media(name: str, part: Mapping[str, Any]) -> None:
    media = part.get("media")
    if not isinstance(media, list) or not media or not all(isinstance(url, str) and url for url in media):
        raise _invalid(f"{name}: 'media' is required.")


def _check_quick_reply(name: str, part: Mapping[str, Any]) -> None:
    _require_text(name, part, "body", MAX_BODY_CHARACTERS)
    for action in _require_list(name, part, "actions", MAX_ACTIONS):
        _require_text(name, action, "title", MAX_BUTTON_CHARACTERS)
        _limit_text(name, action, "id", MAX_ID_CHARACTERS)
    _require_distinct(name, part["actions"], "title")


def _check_list_picker(name: str, part: Mapping[str, Any]) -> None:
    _require_text(name, part, "body", MAX_BODY_CHARACTERS)
    _require_text(name, part, "button", MAX_BUTTON_CHARACTERS)
    for item in _require_list(name, part, "items", MAX_ITEMS):
        _require_text(name, item, "item", MAX_ITEM_CHARACTERS)
        _require_text(name, item, "id", MAX_ID_CHARACTERS)
        _limit_text(name, item, "description", MAX_ITEM_DESCRIPTION_CHARACTERS)
    _require_distinct(name, part["items"], "id")


def _check_call_to_action(name: str, part: Mapping[str, Any]) -> None:
    _require_text(name, part, "body", MAX_BODY_CHARACTERS)
    for action in _require_list(name, part, "actions", MAX_BUTTONS):
        _check_action(name, action)


def _check_card(name: str, part: Mapping[str, Any]) -> None:
    _require_text(name, part, "title" if name == "twilio/card" else "body", MAX_BODY_CHARACTERS)
    if part.get("actions"):
        for action in _require_list(name, part, "actions", MAX_ACTIONS):
            _check_action(name, action)


def _check_action(name: str, action: Mapping[str, Any]) -> None:
    if action.get("type") not in ACTION_TYPES:
        raise _invalid(f"{name}: an action needs a type of {', '.join(ACTION_TYPES)}.")
    _require_text(name, action, "title", 25)
    needed = {"URL": "url", "PHONE_NUMBER": "phone", "COPY_CODE": "code"}.get(str(action["type"]))
    if needed:
        _require_text(name, action, needed, 2000)


_CHECKS: dict[str, Callable[[str, Mapping[str, Any]], None]] = {
    "twilio/text": _check_text,
    "twilio/media": _check_media,
    "twilio/quick-reply": _check_quick_reply,
    "twilio/list-picker": _check_list_picker,
    "twilio/call-to-action": _check_call_to_action,
    "twilio/card": _check_card,
    "whatsapp/card": _check_card,
}


def _require_text(name: str, part: Mapping[str, Any], key: str, max_characters: int) -> None:
    if not isinstance(part.get(key), str) or not part[key].strip():
        raise _invalid(f"{name}: '{key}' is required.")
    _limit_text(name, part, key, max_characters)


def _limit_text(name: str, part: Mapping[str, Any], key: str, max_characters: int) -> None:
    value = part.get(key)
    if value is None:
        return
    if not isinstance(value, str) or len(PLACEHOLDER.sub("", value)) > max_characters:
        raise _invalid(f"{name}: '{key}' has at most {max_characters} characters.")


def _require_list(name: str, part: Mapping[str, Any], key: str, max_length: int) -> list[dict[str, Any]]:
    items = part.get(key)
    if not isinstance(items, list) or not 1 <= len(items) <= max_length:
        raise _invalid(f"{name}: '{key}' has 1 to {max_length} elements.")
    if not all(isinstance(item, dict) for item in items):
        raise _invalid(f"{name}: '{key}' must hold objects.")
    return items


def _require_distinct(name: str, items: list[dict[str, Any]], key: str) -> None:
    values = [item.get(key) for item in items]
    if len(set(values)) < len(values):
        raise _invalid(f"{name}: every '{key}' must be different.")


def _check_placeholders(value: Any) -> None:
    if isinstance(value, str) and ("{{" in PLACEHOLDER.sub("", value) or "}}" in PLACEHOLDER.sub("", value)):
        raise _invalid("A placeholder is malformed.")
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_placeholders(each)


def _invalid(sentence: str) -> api_errors.ApiError:
    return api_errors.invalid_parameter(sentence)
