"""The values proposed for the variables of a template: from the client's card, the agent and the company."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from relais.accounts.models import User
from relais.company import company_settings
from relais.content_templates.content import PLACEHOLDER
from relais.content_templates.models import ContentTemplate
from relais.text import fold

if TYPE_CHECKING:
    from relais.clients.models import Client

MAX_SUGGESTIONS = 20
WORDS_BEFORE = 3
_CLIENT = (
    "bonjour",
    "bonsoir",
    "cher",
    "chere",
    "hello",
    "hi",
    "dear",
    "client",
    "prenom",
    "nom",
    "name",
    "مرحبا",
)
_VEHICLE = ("vehicule", "vehicle", "voiture", "car", "modele", "model", "marque", "سيارتكم")
_VIN = ("vin", "chassis")
_AGENT = ("agent", "conseiller", "advisor")
_BRAND = ("chez", "concession", "garage", "dealer")


@dataclass(frozen=True)
class SuggestedValue:
    label: str
    value: str
    kind: str = ""


@dataclass(frozen=True)
class VariableField:
    name: str
    label: str
    value: str
    sample: str


def suggested_values(client: Client | None, agent: User) -> list[SuggestedValue]:
    """What the client's card and the company offer, in the order in which it is shown."""
    return [each for each in _suggested_values(client, agent) if each.value][:MAX_SUGGESTIONS]


def _suggested_values(client: Client | None, agent: User) -> Iterator[SuggestedValue]:
    if client:
        yield SuggestedValue(_("Prénom"), next(iter(client.name.split()), ""), "client")
        yield SuggestedValue(_("Nom"), client.name)
        yield SuggestedValue(_("VIN"), client.vin, "vin")
        yield SuggestedValue(_("Carte VIP"), client.carte_vip)
        yield SuggestedValue(_("E-mail"), client.email)
        for name, value in client.attributes.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                is_vehicle = any(word in fold(name) for word in _VEHICLE)
                yield SuggestedValue(name, str(value), "vehicle" if is_vehicle else "")
    yield SuggestedValue(_("Votre nom"), str(agent), "agent")
    yield SuggestedValue(_("Marque"), company_settings.brand(), "brand")
    yield SuggestedValue(_("Date du jour"), date_format(timezone.localdate(), "DATE_FORMAT"))


def variable_fields(template: ContentTemplate, values: list[SuggestedValue]) -> list[VariableField]:
    """One field a variable, with the value that its name, or the words before it, suggest."""
    by_kind = {each.kind: each.value for each in reversed(values) if each.kind}
    text = template.parsed.text
    return [
        VariableField(
            name=name,
            label=_("Variable {{%(name)s}}") % {"name": name} if name.isdecimal() else name,
            value=by_kind.get(_kind_of(name, text), ""),
            sample=str(template.samples.get(name, "")),
        )
        for name in template.variables
    ]


def _kind_of(name: str, text: str) -> str:
    hints = [] if name.isdecimal() else re.split(r"[^\w]+|_", fold(name))
    for match in PLACEHOLDER.finditer(text):
        if match[1] == name:
            hints += re.findall(r"\w+", fold(text[: match.start()]))[-WORDS_BEFORE:][::-1]
            break
    for hint in hints:
        for kind, words in _WORDS_OF_KIND.items():
            if hint in words:
                return kind
    return ""


_WORDS_OF_KIND = {
    "client": tuple(fold(word) for word in _CLIENT),
    "vehicle": tuple(fold(word) for word in (*_VEHICLE, "votre", "your")),
    "vin": _VIN,
    "agent": _AGENT,
    "brand": _BRAND,
}
