"""Phone numbers as people type and spreadsheets keep them, in the country that they are meant for."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from relais.clients.addresses import CHANNEL, InvalidAddress, canonical_address, match_key
from relais.text import ascii_digits


def address_of_number(text: str, region: str) -> str:
    """The canonical address of a number; without a country code it is one of this region, as `MA`.

    Also of what a spreadsheet leaves of a number: without its +, or without the 0 it begins with.
    Raises InvalidAddress.
    """
    import phonenumbers  # Large, and not needed at startup.

    if text.strip().lower().startswith(CHANNEL):
        return canonical_address(text)
    for candidate in _readings(ascii_digits(text)):
        try:
            parsed = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        address = CHANNEL + phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        if phonenumbers.is_valid_number(parsed):
            return address
        # A number from before a country's renumbering.
        key = match_key(address)
        if key != address and phonenumbers.is_valid_number(phonenumbers.parse(key.removeprefix(CHANNEL))):
            return key
    raise InvalidAddress(_("« %(given)s » n'est pas un numéro de téléphone valide.") % {"given": text[:60]})


def _readings(text: str) -> Iterator[str]:
    digits = "".join(character for character in text if character.isdigit())
    yield text
    if not text.strip().startswith(("+", "00")) and digits:
        yield f"+{digits}"
        yield f"0{digits}"


def region_of_number(number: str) -> str | None:
    """The region of a number with its country code, as `MA`."""
    import phonenumbers

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return None


def regions_by_name(language: str) -> list[tuple[str, str]]:
    """All regions with their names and country codes, by name: `("MA", "Maroc (+212)")`."""
    import phonenumbers
    from babel import Locale

    names = Locale.parse(language).territories
    choices = [
        (region, f"{names.get(region, region)} (+{phonenumbers.country_code_for_region(region)})")
        for region in phonenumbers.SUPPORTED_REGIONS
    ]
    return sorted(choices, key=lambda choice: choice[1])
