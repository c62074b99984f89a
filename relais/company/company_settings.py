"""The company's settings: what each is called, what it is at first, how it is read. Read when used, never cached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from relais.company.models import Setting
from relais.typography import typeset

BRAND_PLACEHOLDER = "{marque}"


@dataclass(frozen=True)
class SettingDefinition:
    key: str
    label: Any
    help: Any
    default: Callable[[], Any]
    kind: type = str
    """`str` in one line, `list` for long text, `tuple` for one word a line, `int`, `bool`, `dict` for pairs."""


BRAND = SettingDefinition(
    "brand",
    _("Nom de la marque"),
    _("Affiché partout et repris dans les textes par {marque}."),
    lambda: settings.RELAIS_BRAND,
)
TAKE_OVER_TEXT = SettingDefinition(
    "take_over_text",
    _("À la prise en charge"),
    _("Envoyé au client quand un agent prend la conversation."),
    lambda: typeset("Vous êtes maintenant en contact avec un agent {marque}. Comment puis-je vous aider ?"),
    list,
)
CLOSE_TEXT = SettingDefinition(
    "close_text",
    _("À la clôture"),
    _("Envoyé au client quand un agent clôture la conversation."),
    lambda: typeset(
        "Merci d'avoir contacté {marque}. Votre conversation a été clôturée. "
        "N'hésitez pas à nous recontacter si besoin !"
    ),
    list,
)
WAITING_TEXT = SettingDefinition(
    "waiting_text",
    _("En attente d'un agent"),
    _("Envoyé au client qui écrit pendant qu'il attend un agent, au plus toutes les dix minutes."),
    lambda: typeset("Votre demande est bien reçue. Un agent {marque} vous répond dès que possible."),
    list,
)
INACTIVITY_HOURS = SettingDefinition(
    "silence_hours",
    _("Silence avant la fin (heures)"),
    _("Une conversation que personne ne tient se termine après ce silence du client."),
    lambda: 24,
    int,
)
INPUT_FIELD_MAP = SettingDefinition(
    "field_names",
    _("Champs du client"),
    _("Le nom d'une étape du bot et le champ du client qu'elle remplit."),
    lambda: {
        "collect_name": "client_full_name",
        "nom_prenom": "client_full_name",
        "collect_email": "email",
        "email": "email",
        "collect_vin": "vin",
        "vin": "vin",
        "collect_carte_vip": "carte_vip",
        "carte_vip": "carte_vip",
        "check_client": "is_client",
        "is_client": "is_client",
    },
    dict,
)
BUFFER_EARLY_REPLIES = SettingDefinition(
    "keep_early_answers",
    _("Garder les réponses en avance"),
    _("Ce que le client écrit avant que la question du bot ne soit partie répond à la question suivante."),
    lambda: True,
    bool,
)
FLOW_HOSTS = SettingDefinition(
    "flow_hosts",
    _("Machines internes que le bot peut appeler"),
    _("Une par ligne. Les adresses publiques sont toujours permises."),
    list,
    tuple,
)
SEND_RATE = SettingDefinition(
    "send_rate",
    _("Messages par seconde"),
    _("Au plus, pour chacun de vos numéros. WhatsApp en accepte 80, sauf accord particulier."),
    lambda: 80,
    int,
)
EDITABLE = (
    BRAND,
    TAKE_OVER_TEXT,
    CLOSE_TEXT,
    WAITING_TEXT,
    INACTIVITY_HOURS,
    BUFFER_EARLY_REPLIES,
    FLOW_HOSTS,
    SEND_RATE,
)


def get_value(word: SettingDefinition) -> Any:
    row = Setting.objects.filter(key=word.key).first()
    return word.default() if row is None else row.value


def brand() -> str:
    return str(get_value(BRAND))


def render_text(word: SettingDefinition) -> str:
    """The text as the client reads it, the brand put in."""
    return str(get_value(word)).replace(BRAND_PLACEHOLDER, brand())


def set_value(word: SettingDefinition, value: Any) -> None:
    """Store a value; the default itself leaves no row, so that a later default is followed."""
    if value == word.default():
        Setting.objects.filter(key=word.key).delete()
    else:
        Setting.objects.update_or_create(
            key=word.key, defaults={"value": value, "updated_at": timezone.now()}
        )
