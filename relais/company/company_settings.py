"""The company's settings: their definitions with defaults and bounds, the sections of the page, and how they are read.

Read at each use, never cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from relais.company import default_texts
from relais.company.models import Setting
from relais.message_limits import MAX_MESSAGE_CHARACTERS
from relais.typography import typeset

BRAND_PLACEHOLDER = "{marque}"


class ValueType(Enum):
    SHORT_TEXT = auto()
    LONG_TEXT = auto()
    LINES = auto()
    """A list of strings in lower case, edited one a line."""
    TEXT_LINES = auto()
    """A list of strings as they were typed, edited one a line."""
    INTEGER = auto()
    BOOLEAN = auto()
    MAPPING = auto()


@dataclass(frozen=True)
class SettingDefinition:
    key: str
    """The primary key of its row, and the name of its form field."""
    label: Any
    help: Any
    default: Callable[[], Any]
    value_type: ValueType = ValueType.SHORT_TEXT
    max_characters: int = 80
    """Of a text, or of all lines together."""
    min_value: int = 1
    max_value: int | None = None
    """Of an INTEGER."""


@dataclass(frozen=True)
class SettingsSection:
    """Settings under one heading of the page, in the order of their fields."""

    heading: Any
    definitions: tuple[SettingDefinition, ...]


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
    lambda: typeset(default_texts.TAKE_OVER_TEXT),
    ValueType.LONG_TEXT,
    max_characters=MAX_MESSAGE_CHARACTERS,
)
CLOSE_TEXT = SettingDefinition(
    "close_text",
    _("À la clôture"),
    _("Envoyé au client quand un agent clôture la conversation."),
    lambda: typeset(default_texts.CLOSE_TEXT),
    ValueType.LONG_TEXT,
    max_characters=MAX_MESSAGE_CHARACTERS,
)
WAITING_TEXT = SettingDefinition(
    "waiting_text",
    _("En attente d'un agent"),
    _("Envoyé au client qui écrit pendant qu'il attend un agent, au plus toutes les dix minutes."),
    lambda: typeset(default_texts.WAITING_TEXT),
    ValueType.LONG_TEXT,
    max_characters=MAX_MESSAGE_CHARACTERS,
)
INACTIVITY_HOURS = SettingDefinition(
    "silence_hours",
    _("Silence avant la fin (heures)"),
    _("Une conversation que personne ne tient se termine après ce silence du client."),
    lambda: 24,
    ValueType.INTEGER,
    max_value=24 * 30,
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
    ValueType.MAPPING,
)
BUFFER_EARLY_REPLIES = SettingDefinition(
    "keep_early_answers",
    _("Garder les réponses en avance"),
    _("Ce que le client écrit avant que la question du bot ne soit partie répond à la question suivante."),
    lambda: True,
    ValueType.BOOLEAN,
)
FLOW_HOSTS = SettingDefinition(
    "flow_hosts",
    _("Machines internes que le bot peut appeler"),
    _("Une par ligne. Les adresses publiques sont toujours permises."),
    list,
    ValueType.LINES,
    max_characters=2_000,
)
SEND_RATE = SettingDefinition(
    "send_rate",
    _("Messages par seconde"),
    _("Au plus, pour chacun de vos numéros. WhatsApp en accepte 80, sauf accord particulier."),
    lambda: 80,
    ValueType.INTEGER,
    max_value=720,
)
NEW_TAGS_BY_SUPERVISORS = SettingDefinition(
    "new_tags_by_supervisors",
    _("Nouvelles étiquettes par les superviseurs seulement"),
    _("Les agents posent et retirent les étiquettes qui existent, sans en créer."),
    lambda: False,
    ValueType.BOOLEAN,
)
CLOSE_REASONS = SettingDefinition(
    "close_reasons",
    _("Motifs de clôture"),
    _("Un par ligne. L'agent choisit dans la liste, ou écrit le sien."),
    list,
    ValueType.TEXT_LINES,
    max_characters=2_000,
)
CLOSE_REASON_REQUIRED = SettingDefinition(
    "close_reason_required",
    _("Motif obligatoire à la clôture"),
    _("Sans motif, la conversation reste ouverte."),
    lambda: False,
    ValueType.BOOLEAN,
)
TYPING_INDICATOR = SettingDefinition(
    "typing_indicator",
    _("Montrer au client que l'agent écrit"),
    _(
        "Pendant que l'agent tape, WhatsApp affiche « écrit… » chez le client et marque ses messages comme lus."
    ),
    lambda: False,
    ValueType.BOOLEAN,
)
PRESENCE_GRACE_SECONDS = SettingDefinition(
    "presence_grace_seconds",
    _("Délai avant « hors ligne » (secondes)"),
    _(
        "Un agent dont aucune page n'est ouverte et qu'aucun appareil n'avertit est hors ligne après ce délai."
    ),
    lambda: 60,
    ValueType.INTEGER,
    max_value=3_600,
)
AWAY_AFTER_MINUTES = SettingDefinition(
    "away_after_minutes",
    _("Délai avant « absent » (minutes)"),
    _(
        "Un agent en ligne qui ne touche à aucune de ses pages pendant ce temps est absent, jusqu'à son retour."
    ),
    lambda: 15,
    ValueType.INTEGER,
    max_value=24 * 60,
)
BREAK_REASONS = SettingDefinition(
    "break_reasons",
    _("Motifs de pause"),
    _("Un par ligne. L'agent en choisit un quand il se met en pause."),
    list,
    ValueType.TEXT_LINES,
    max_characters=2_000,
)
SETTINGS_SECTIONS = (
    SettingsSection(
        _("Marque et textes"), (BRAND, TAKE_OVER_TEXT, CLOSE_TEXT, WAITING_TEXT, INACTIVITY_HOURS)
    ),
    SettingsSection(_("Le bot"), (BUFFER_EARLY_REPLIES, FLOW_HOSTS)),
    SettingsSection(_("Envoi des messages"), (SEND_RATE, TYPING_INDICATOR)),
    SettingsSection(_("Conversations"), (CLOSE_REASONS, CLOSE_REASON_REQUIRED, NEW_TAGS_BY_SUPERVISORS)),
    SettingsSection(_("Présence des agents"), (PRESENCE_GRACE_SECONDS, AWAY_AFTER_MINUTES, BREAK_REASONS)),
)
EDITABLE_SETTINGS = tuple(definition for section in SETTINGS_SECTIONS for definition in section.definitions)


def get_value(definition: SettingDefinition) -> Any:
    """The stored value, else the default."""
    row = Setting.objects.filter(key=definition.key).first()
    return definition.default() if row is None else row.value


def get_values(*definitions: SettingDefinition) -> dict[str, Any]:
    """The values of several settings by key, in one query."""
    keys = [definition.key for definition in definitions]
    stored = dict(Setting.objects.filter(key__in=keys).values_list("key", "value"))
    return {each.key: stored[each.key] if each.key in stored else each.default() for each in definitions}


def brand() -> str:
    return str(get_value(BRAND))


def render_text(definition: SettingDefinition) -> str:
    """The text as the client reads it, with the brand inserted."""
    return str(get_value(definition)).replace(BRAND_PLACEHOLDER, brand())


def set_value(definition: SettingDefinition, value: Any) -> None:
    """Store a value. The default deletes the row, so that a changed default takes effect."""
    if value == definition.default():
        Setting.objects.filter(key=definition.key).delete()
    else:
        Setting.objects.update_or_create(
            key=definition.key, defaults={"value": value, "updated_at": timezone.now()}
        )
