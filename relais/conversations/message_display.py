"""Display of messages without text: their readable fields, or a placeholder. Never nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from relais.text import has_visible_characters

FIELD_LABELS = {
    "ad_title": _noop("Publicité"),
    "ad_text": _noop("Texte de la publicité"),
    "ad_link": _noop("Lien de la publicité"),
    "place": _noop("Lieu"),
    "address": _noop("Adresse"),
    "latitude": _noop("Latitude"),
    "longitude": _noop("Longitude"),
}
# The keys are WhatsApp's message types.
KIND_LABELS = {
    "form": _noop("réponse à un formulaire"),
    "interactive": _noop("réponse interactive"),
    "button": _noop("bouton"),
    "media": _noop("pièce jointe sans adresse"),
    "image": _noop("photo"),
    "video": _noop("vidéo"),
    "audio": _noop("message vocal"),
    "voice": _noop("message vocal"),
    "document": _noop("document"),
    "sticker": _noop("autocollant"),
    "location": _noop("position"),
    "contacts": _noop("contact"),
    "order": _noop("commande"),
    "reaction": _noop("réaction"),
    "poll": _noop("sondage"),
    "system": _noop("message de WhatsApp"),
    "edit": _noop("modification d'un message"),
    "revoke": _noop("suppression d'un message"),
}
LOCATION_PREFIX = "📍 "
"""Of the text that is stored for a location: name, address and coordinates on one line."""
MAP_URL = "https://www.google.com/maps/search/?"
UNNAMED_KINDS = ("", "text", "unsupported", "unknown")


@dataclass(frozen=True)
class Location:
    latitude: float
    longitude: float
    place: str
    address: str

    @property
    def coordinates(self) -> str:
        """To a metre."""
        return f"{self.latitude:.5f}, {self.longitude:.5f}"

    @property
    def link(self) -> str:
        """The documented address that opens the map of phones and of browsers. Nothing is loaded from there by us."""
        return MAP_URL + urlencode({"api": 1, "query": f"{self.latitude:.5f},{self.longitude:.5f}"})


def location(metadata: Mapping[str, Any]) -> Location | None:
    """The position that the client shared."""
    parameters = metadata.get("parameters", {})
    try:
        latitude, longitude = float(parameters["Latitude"]), float(parameters["Longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # also refuses NaN
        return None
    label, address = (str(parameters.get(name, "")).strip() for name in ("Label", "Address"))
    return Location(latitude, longitude, label, "" if address == label else address)


def is_location_text(text: str) -> bool:
    """Whether the text is the one that is stored for a location."""
    return text.startswith(LOCATION_PREFIX)


def location_summary(text: str) -> str:
    """For a row: « Position », and the name of the place; empty if the text is no location."""
    if not is_location_text(text):
        return ""
    *names, _coordinates = text.removeprefix(LOCATION_PREFIX).split(" · ")
    return " · ".join([_("Position"), *names[:1]])


def labelled_fields(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each field. Labels of Relais are translated, labels of the client's form are kept."""
    return [
        (_(FIELD_LABELS[label]) if label in FIELD_LABELS else label or _("Réponse"), value)
        for label, value in content.get("fields", ())
    ]


def placeholder(content: Mapping[str, Any]) -> str:
    """The text shown for a message that cannot be displayed."""
    kind = str(content.get("kind", ""))
    if kind in UNNAMED_KINDS or not has_visible_characters(kind):
        return _("Message qui ne peut pas être affiché ici")
    label = _(KIND_LABELS[kind]) if kind in KIND_LABELS else kind
    return _("Message qui ne peut pas être affiché ici (%(kind)s)") % {"kind": label}


def summary(content: Mapping[str, Any]) -> str:
    """The fields on one line."""
    return " · ".join(
        _("%(label)s\u00a0: %(value)s") % {"label": label, "value": value}
        for label, value in labelled_fields(content)
    )
