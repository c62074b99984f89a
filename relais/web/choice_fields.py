"""The fields of choices in a form (`web/choice_fields.html`) or in what a program sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from relais import choices
from relais.choices import BUTTONS, LIST, Choices, InvalidChoices, parse_choices
from relais.web.request_fields import json_field, text_field, text_list_field

EMPTY_ROW = {"title": "", "description": ""}


def choices_field(request: HttpRequest, prefix: str = "") -> Choices:
    """`choices`, a JSON list, with `kind` and `button`; without scripts, the `title` and `description` of each row.

    Empty rows are left out. Raises InvalidChoices.
    """
    items = json_field(request, "choices")
    if not isinstance(items, list):
        if items is not None or text_field(request, "choices").strip():
            raise InvalidChoices(_("Les choix (choices) doivent être une liste JSON."))
        items = filled_rows(request, prefix)
    return parse_choices(_kind(request) or BUTTONS, items, text_field(request, "button"))


def saved_choices_field(request: HttpRequest, prefix: str) -> Choices | None:
    """Like `choices_field`, also as one object `{kind, button, items}`; None without any row. Raises InvalidChoices."""
    given = json_field(request, "choices")
    if isinstance(given, Mapping):
        button = given.get("button")
        return parse_choices(
            str(given.get("kind") or BUTTONS), given.get("items"), button if isinstance(button, str) else ""
        )
    if not given and not text_field(request, "choices").strip("[] ") and not filled_rows(request, prefix):
        return None
    return choices_field(request, prefix)


def filled_rows(request: HttpRequest, prefix: str = "") -> list[dict[str, str]]:
    titles = text_list_field(request, f"{prefix}title")
    descriptions = text_list_field(request, f"{prefix}description")
    descriptions += [""] * (len(titles) - len(descriptions))
    rows = [
        {"title": title.strip(), "description": description.strip()}
        for title, description in zip(titles, descriptions, strict=False)
    ]
    return [row for row in rows if any(row.values())]


def posted_fields(request: HttpRequest, prefix: str = "") -> dict[str, Any]:
    """What was typed, as context of the template."""
    return fields_context(_kind(request), text_field(request, "button"), filled_rows(request, prefix), prefix)


def stored_fields(stored: Mapping[str, Any] | None, prefix: str = "") -> dict[str, Any]:
    """Of `Choices.as_json`, or none yet."""
    stored = stored or {"kind": BUTTONS, "button": "", "items": []}
    return fields_context(stored["kind"], stored["button"], stored["items"], prefix)


def fields_context(kind: str, button: str, rows: list[dict[str, str]], prefix: str) -> dict[str, Any]:
    return {
        "kind": kind if kind in choices.KINDS else BUTTONS,
        "button": button,
        "filled": rows,
        "rows": [*rows, *[EMPTY_ROW] * (choices.MAX_CHOICES[LIST] - len(rows))],
        "prefix": prefix,
        "max_question": choices.MAX_QUESTION_CHARACTERS,
        "max_buttons": choices.MAX_CHOICES[BUTTONS],
        "max_items": choices.MAX_CHOICES[LIST],
        "max_button_title": choices.MAX_TITLE_CHARACTERS[BUTTONS],
        "max_item_title": choices.MAX_TITLE_CHARACTERS[LIST],
        "max_description": choices.MAX_DESCRIPTION_CHARACTERS,
        "max_list_button": choices.MAX_LIST_BUTTON_CHARACTERS,
    }


def _kind(request: HttpRequest) -> str:
    return text_field(request, "kind").strip()
