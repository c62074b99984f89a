"""The fields of a client as people type them: cleaning and validation, for forms and imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from relais.clients.limits import (
    MAX_ATTRIBUTE_NAME_CHARACTERS,
    MAX_ATTRIBUTE_VALUE_CHARACTERS,
    MAX_FIELD_CHARACTERS,
)
from relais.clients.models import ATTRIBUTE_PREFIX, Client
from relais.clients.vin import normalize_vin
from relais.conversations.yes_no_answers import yes_or_no
from relais.text import has_visible_characters, sanitize_for_postgres


class InvalidValue(ValueError):
    """The message is a translated sentence for the user."""


def clean_text(text: str) -> str:
    """Without surrounding and repeated spaces; empty when nothing is visible."""
    compact = " ".join(sanitize_for_postgres(text).split())
    return compact if has_visible_characters(compact) else ""


def clean_field(field: str, text: str) -> Any:
    """The value to store. Raises InvalidValue."""
    return _CLEANERS[field](text) if field in _CLEANERS else _clean_attribute(text)


def attribute_field(name: str) -> str:
    """The field of an attribute with this name. Raises InvalidValue."""
    name = clean_text(name)
    if not name:
        raise InvalidValue(_("Donnez un nom à ce champ."))
    if len(name) > MAX_ATTRIBUTE_NAME_CHARACTERS:
        raise InvalidValue(_too_long(MAX_ATTRIBUTE_NAME_CHARACTERS))
    return ATTRIBUTE_PREFIX + name


def current_value(client: Client, field: str) -> Any:
    if field.startswith(ATTRIBUTE_PREFIX):
        return client.attributes.get(field.removeprefix(ATTRIBUTE_PREFIX), "")
    return getattr(client, field)


def as_text(value: Any) -> str:
    """A value as a form shows it and as the journal keeps it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _clean_name(text: str) -> str:
    return _limited("client_full_name", clean_text(text))


def _clean_email(text: str) -> str:
    email = _limited("email", clean_text(text))
    if email:
        try:
            validate_email(email)
        except ValidationError as error:
            raise InvalidValue(
                _("Ce n'est pas une adresse e-mail : il y manque « @ » ou la fin, comme « .com ».")
            ) from error
    return email


def _clean_vin(text: str) -> str:
    return _limited("vin", normalize_vin(clean_text(text)))


def _clean_vip_card(text: str) -> str:
    return _limited("carte_vip", clean_text(text))


def _clean_is_client(text: str) -> bool | None:
    text = clean_text(text)
    answer = yes_or_no(text)
    if text and answer is None:
        raise InvalidValue(_("Répondez par oui ou par non, ou laissez vide."))
    return answer


def _clean_attribute(text: str) -> str:
    value = clean_text(text)
    if len(value) > MAX_ATTRIBUTE_VALUE_CHARACTERS:
        raise InvalidValue(_too_long(MAX_ATTRIBUTE_VALUE_CHARACTERS))
    return value


def _limited(field: str, value: str) -> str:
    if len(value) > MAX_FIELD_CHARACTERS[field]:
        raise InvalidValue(_too_long(MAX_FIELD_CHARACTERS[field]))
    return value


def _too_long(most: int) -> str:
    return _("C'est trop long : %(most)s caractères au plus.") % {"most": most}


_CLEANERS: dict[str, Callable[[str], Any]] = {
    "client_full_name": _clean_name,
    "email": _clean_email,
    "vin": _clean_vin,
    "carte_vip": _clean_vip_card,
    "is_client": _clean_is_client,
}
FIELDS = tuple(_CLEANERS)
