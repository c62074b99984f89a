"""What a message shows besides its text: readable fields, or a word that it cannot be shown here. Never nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from relais.text import has_visible_characters

LABELS = {
    "ad_title": _noop("Publicité"),
    "ad_text": _noop("Texte de la publicité"),
    "ad_link": _noop("Lien de la publicité"),
    "place": _noop("Lieu"),
    "address": _noop("Adresse"),
    "latitude": _noop("Latitude"),
    "longitude": _noop("Longitude"),
}
# As WhatsApp names the types of messages.
KINDS = {
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
NOT_SAID = ("", "text", "unsupported", "unknown")


def fields_of(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each field, in the reader's language as far as the label is ours."""
    return [
        (_(LABELS[label]) if label in LABELS else label or _("Réponse"), value)
        for label, value in content.get("fields", ())
    ]


def placeholder(content: Mapping[str, Any]) -> str:
    """What stands in the place of a message of which nothing can be shown."""
    kind = str(content.get("kind", ""))
    if kind in NOT_SAID or not has_visible_characters(kind):
        return _("Message qui ne peut pas être affiché ici")
    said = _(KINDS[kind]) if kind in KINDS else kind
    return _("Message qui ne peut pas être affiché ici (%(kind)s)") % {"kind": said}


def in_one_line(content: Mapping[str, Any]) -> str:
    """The fields one after the other."""
    return " · ".join(
        _("%(label)s\u00a0: %(value)s") % {"label": label, "value": value}
        for label, value in fields_of(content)
    )
