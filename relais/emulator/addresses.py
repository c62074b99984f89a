"""Channel addresses: `whatsapp:+` and the number in international form."""

import re

import phonenumbers

from relais.typography import typeset

_WHATSAPP = re.compile(r"whatsapp:\+[1-9][0-9]{6,14}")


class InvalidNumber(ValueError):
    """The message is a French sentence for the person who typed the number."""


def is_whatsapp(address: str) -> bool:
    return bool(_WHATSAPP.fullmatch(address))


def whatsapp_address(number: str) -> str:
    """The canonical address of a number typed by a person, with or without `whatsapp:`."""
    text = number.strip().removeprefix("whatsapp:")
    try:
        parsed = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise InvalidNumber(
            "Indiquez le numéro avec son indicatif, par exemple +212 6 12 34 56 78."
        ) from None
    if not phonenumbers.is_possible_number(parsed):
        raise InvalidNumber(typeset("Ce numéro est trop court ou trop long pour son pays : vérifiez-le."))
    return "whatsapp:" + phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def format_number(address: str) -> str:
    """The number grouped as in its country, with spaces: `+212 6 12 34 56 78`."""
    number = address.removeprefix("whatsapp:")
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    grouped = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return grouped.replace("-", " ")
