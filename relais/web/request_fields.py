"""Fields of a POST request, of a form or of a JSON body, cleaned so that PostgreSQL can store them."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from relais.action_errors import InvalidField
from relais.message_limits import MAX_REF_CHARACTERS
from relais.text import parse_primary_key, sanitize_for_postgres

MAX_SEARCH_QUERY_CHARACTERS = 100


def text_field(request: HttpRequest, name: str) -> str:
    """Empty if the field is missing, or is not a text, a number or a boolean."""
    return sanitize_for_postgres(_raw_field(request, name))


def text_list_field(request: HttpRequest, name: str) -> list[str]:
    """All values of a repeatable field; in a JSON body, a list or a single value."""
    if request.content_type != "application/json":
        return [sanitize_for_postgres(value) for value in request.POST.getlist(name)]
    value = _json_body(request).get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    return [sanitize_for_postgres(str(each)) for each in values if not isinstance(each, dict | list)]


def search_query(request: HttpRequest) -> str:
    """`?q=` of a list."""
    return sanitize_for_postgres(request.GET.get("q", "")).strip()[:MAX_SEARCH_QUERY_CHARACTERS]


def text_object_field(request: HttpRequest, name: str) -> dict[str, str]:
    """An object of texts: in a JSON body, as JSON in a form field, or as form fields `name[key]`."""
    if request.content_type == "application/json":
        return _texts(_json_body(request).get(name))
    values = _texts(_parse_json(request.POST.get(name, "")))
    prefix = f"{name}["
    for field in request.POST:
        if field.startswith(prefix) and field.endswith("]"):
            values[sanitize_for_postgres(field[len(prefix) : -1])] = sanitize_for_postgres(
                request.POST[field]
            )
    return values


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {
        sanitize_for_postgres(str(key)): sanitize_for_postgres(str(each))
        for key, each in value.items()
        if each is not None and not isinstance(each, dict | list)
    }


def json_list_field(request: HttpRequest, name: str) -> list[Any] | None:
    """A list that a form sends as JSON text; in a JSON body, the list itself. None if it is missing or is no list."""
    value = json_field(request, name)
    return value if isinstance(value, list) else None


def json_field(request: HttpRequest, name: str) -> Any:
    """What a form sends as JSON text; in a JSON body, the value itself. None if it is missing or is no JSON."""
    if request.content_type == "application/json":
        value = _json_body(request).get(name)
    else:
        value = request.POST.get(name)
    return _parse_json(value) if isinstance(value, str) else value


def has_field(request: HttpRequest, name: str) -> bool:
    """Whether it is there at all, be it empty."""
    fields = _json_body(request) if request.content_type == "application/json" else request.POST
    return name in fields


def ref_field(request: HttpRequest) -> str | None:
    """The idempotency key `ref`, if there is one. Raises InvalidField."""
    ref = text_field(request, "ref")
    if len(ref) > MAX_REF_CHARACTERS:
        raise InvalidField(
            "ref", _("La référence dépasse %(most)s caractères.") % {"most": MAX_REF_CHARACTERS}
        )
    return ref or None


def id_field(request: HttpRequest, name: str) -> int:
    """A primary key; 0, which no row has, if the value is not one."""
    return parse_id(text_field(request, name))


def parse_id(text: str) -> int:
    """A primary key; 0, which no row has, if the text is not one."""
    return parse_primary_key(text.strip()) or 0


def _raw_field(request: HttpRequest, name: str) -> str:
    if request.content_type != "application/json":
        return request.POST.get(name, "")
    value = _json_body(request).get(name, "")
    return "" if isinstance(value, dict | list) or value is None else str(value)


def _json_body(request: HttpRequest) -> dict[str, Any]:
    body = _parse_json(request.body)
    return body if isinstance(body, dict) else {}


def _parse_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
