"""Choices under a message, as WhatsApp takes them: up to three buttons, or a list of up to ten items.

The limits are WhatsApp's (reply buttons and list messages). Pure data, for every room.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _

from relais.action_errors import ActionRefused
from relais.text import has_visible_characters, sanitize_for_postgres

BUTTONS, LIST = "buttons", "list"
KINDS = (BUTTONS, LIST)
MAX_CHOICES = {BUTTONS: 3, LIST: 10}
MAX_TITLE_CHARACTERS = {BUTTONS: 20, LIST: 24}
MAX_DESCRIPTION_CHARACTERS = 72
MAX_LIST_BUTTON_CHARACTERS = 20
MAX_QUESTION_CHARACTERS = 1024
"""Of the message that choices stand under: less than of a plain text."""
PLACEHOLDER_SIGNS = ("{{", "}}")
"""Twilio would read them as a variable."""


class InvalidChoices(ActionRefused):
    """Which choice cannot be sent, and why."""

    code = "choices_invalid"


@dataclass(frozen=True)
class Choice:
    title: str
    description: str = ""


@dataclass(frozen=True)
class Choices:
    kind: str
    items: tuple[Choice, ...]
    button: str = ""
    """The label that opens a list; empty for buttons."""

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "button": self.button, "items": [asdict(item) for item in self.items]}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Choices:
        return cls(stored["kind"], tuple(Choice(**item) for item in stored["items"]), stored["button"])

    def content_hash(self, question: str) -> str:
        """The same for the same question with the same choices, and for no other."""
        content = json.dumps([question, self.as_json()], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def find(self, payload: str) -> Choice | None:
        """The choice that has this id at Twilio."""
        by_id = {choice_id(number): item for number, item in enumerate(self.items)}
        return by_id.get(payload)


def choice_id(number: int) -> str:
    return f"choice-{number + 1}"


def parse_choices(kind: str, items: Any, button: str = "") -> Choices:
    """Choices as a form or a program gives them. Raises InvalidChoices."""
    if kind not in KINDS:
        raise InvalidChoices(_("Choisissez des boutons (buttons) ou une liste (list)."))
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        raise InvalidChoices(_("Écrivez au moins un choix."))
    if len(items) > MAX_CHOICES[kind]:
        raise InvalidChoices(_too_many_sentence(kind, len(items)))
    choices = tuple(_parse_choice(kind, number, item) for number, item in enumerate(items, 1))
    _check_distinct(choices)
    return Choices(kind, choices, _parse_button(button) if kind == LIST else "")


def check_question(text: str) -> None:
    """Raises InvalidChoices, if choices cannot stand under this text."""
    if len(text) > MAX_QUESTION_CHARACTERS:
        raise InvalidChoices(
            _("Avec des choix, le message a %(most)s caractères au plus ; il en a %(length)s.")
            % {"most": MAX_QUESTION_CHARACTERS, "length": len(text)}
        )
    _check_signs(_("Le message"), text)


def _parse_choice(kind: str, number: int, item: Any) -> Choice:
    name = _("Choix %(number)s") % {"number": number}
    if not isinstance(item, Mapping):
        raise InvalidChoices(_("%(name)s : il faut un objet avec un titre (title).") % {"name": name})
    title, description = (_clean(item.get(field)) for field in ("title", "description"))
    if not has_visible_characters(title):
        raise InvalidChoices(_("%(name)s : écrivez un titre.") % {"name": name})
    _check_length(_("%(name)s, titre") % {"name": name}, title, MAX_TITLE_CHARACTERS[kind])
    if description and kind == BUTTONS:
        raise InvalidChoices(
            _("%(name)s : un bouton n'a pas de description. Faites-en une liste.") % {"name": name}
        )
    _check_length(_("%(name)s, description") % {"name": name}, description, MAX_DESCRIPTION_CHARACTERS)
    for text in (title, description):
        _check_signs(name, text)
    return Choice(title, description)


def _parse_button(text: str) -> str:
    button = _clean(text) or _("Choisir")
    _check_length(_("Le bouton de la liste"), button, MAX_LIST_BUTTON_CHARACTERS)
    _check_signs(_("Le bouton de la liste"), button)
    return button


def _clean(value: Any) -> str:
    """On one line. A number is a text, too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(sanitize_for_postgres(str(value)).split())


def _check_length(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise InvalidChoices(
            _("%(name)s : %(most)s caractères au plus, il y en a %(length)s.")
            % {"name": name, "most": most, "length": len(text)}
        )


def _check_signs(name: str, text: str) -> None:
    if any(signs in text for signs in PLACEHOLDER_SIGNS):
        raise InvalidChoices(_("%(name)s : WhatsApp ne prend pas {{ ni }} ici.") % {"name": name})


def _check_distinct(choices: Sequence[Choice]) -> None:
    titles = [choice.title.casefold() for choice in choices]
    for number, title in enumerate(titles):
        if title in titles[:number]:
            raise InvalidChoices(
                _("Choix %(number)s : « %(title)s » y est déjà. Donnez à chacun un titre à lui.")
                % {"number": number + 1, "title": choices[number].title}
            )


def _too_many_sentence(kind: str, count: int) -> str:
    fields = {"most": MAX_CHOICES[kind], "count": count}
    if kind == BUTTONS:
        return _("%(most)s boutons au plus, il y en a %(count)s. Faites-en une liste.") % fields
    return _("%(most)s lignes au plus dans une liste, il y en a %(count)s.") % fields
