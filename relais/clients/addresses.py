"""The one form of a channel address: `whatsapp:+212600000000`, or `whatsapp:` and an opaque name."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from relais.text import ascii_digits

CHANNEL = "whatsapp:"
_FILLERS = re.compile(r"[\s().\-\u00a0\u202a-\u202e\u2066-\u2069\u200b-\u200f/]+")
_OPAQUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,127}\Z")

# Countries whose numbers are written in two ways. Each pair leads from one form to the form all are compared by.
_NATIONAL_FORMS: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    # Mexico: the 1 after the country code went in 2019; WhatsApp still writes it for old accounts.
    "+52": ((re.compile(r"\+521(\d{10})"), r"+52\1"),),
    # Argentina: the 9 of a mobile phone called from abroad.
    "+54": ((re.compile(r"\+549(\d{10})"), r"+54\1"),),
    # Brazil: the ninth digit of mobile phones, missing in old accounts. Without it a mobile number begins with 6 to 9.
    "+55": ((re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2"),),
    # Ivory Coast, January 2021: from 8 digits to 10. The prefix follows from the operator, which the second digit of
    # a mobile number tells, and the third of a landline. Not back again: numbers given since need not follow that rule.
    "+225": (
        (re.compile(r"\+225([04-9][0-3]\d{6})"), r"+22501\1"),
        (re.compile(r"\+225([04-9][4-6]\d{6})"), r"+22505\1"),
        (re.compile(r"\+225([04-9][7-9]\d{6})"), r"+22507\1"),
        (re.compile(r"\+225(2[0-3]8\d{5})"), r"+22521\1"),
        (re.compile(r"\+225([23]\d0\d{5})"), r"+22525\1"),
        (re.compile(r"\+225([23]\d[1-9]\d{5})"), r"+22527\1"),
    ),
    # Benin, November 2024: 01 before the 8 digits.
    "+229": ((re.compile(r"\+229(\d{8})"), r"+22901\1"),),
}

# The way back, as a guess: it counts only where the pairs above lead from it to the same form.
_OTHER_FORMS = (
    (re.compile(r"\+52(\d{10})"), r"+521\1"),
    (re.compile(r"\+54(\d{10})"), r"+549\1"),
    (re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
    (re.compile(r"\+225\d\d(\d{8})"), r"+225\1"),
    (re.compile(r"\+22901(\d{8})"), r"+229\1"),
)


class InvalidAddress(ValueError):
    """The text is no address we could write to; the message is a sentence for a person."""


def canonical_address(text: str) -> str:
    """Bring an address or phone number to its one form.

    `+212 600-00 00 00`, `00212600000000`, `WhatsApp: 212600000000` and `whatsapp:+212600000000` are the same client.
    Raises InvalidAddress.
    """
    bare = text.strip()
    named_channel = bare.lower().startswith(CHANNEL)
    if named_channel:
        bare = bare[len(CHANNEL) :].strip()
    squeezed = ascii_digits(_FILLERS.sub("", bare))
    digits = squeezed.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        digits = digits.removeprefix("00") if squeezed.startswith("00") else digits
        if 7 <= len(digits) <= 15 and not digits.startswith("0"):
            return f"{CHANNEL}+{digits}"
    elif named_channel and _OPAQUE.match(bare):
        return CHANNEL + bare
    raise InvalidAddress(
        _("« %(given)s » n'est pas un numéro au format international (+212…).") % {"given": text[:60]}
    )


def match_key(address: str) -> str:
    """What is the same for all forms of one canonical address: numbers of some countries are written in two ways.

    To compare and look up by; a message goes to the address as its client last wrote from it.
    """
    number = address.removeprefix(CHANNEL)
    for forms in (_NATIONAL_FORMS.get(number[:length], ()) for length in (3, 4)):
        for form, compared in forms:
            if match := form.fullmatch(number):
                return CHANNEL + match.expand(compared)
    return address


def is_same_address(one: str, other: str) -> bool:
    """Whether two canonical addresses are one phone, also where a country's numbers are written in two ways."""
    return one == other or match_key(one) == match_key(other)


def national_forms(address: str) -> list[str]:
    """All ways in which the number of a canonical address is written, its own first; mostly that one alone."""
    key = match_key(address)
    number = key.removeprefix(CHANNEL)
    others = [CHANNEL + form.sub(other, number) for form, other in _OTHER_FORMS if form.fullmatch(number)]
    same = [other for other in others if match_key(other) == key]
    return list(dict.fromkeys([address, key, *same]))


def phone_number(address: str) -> str | None:
    """The number in an address (`+212600000000`), or None when the address hides it."""
    bare = address.removeprefix(CHANNEL)
    return bare if bare.startswith("+") else None


def format_address(address: str) -> str:
    """The number grouped as in its country (`+212 600-000000`), or the opaque name."""
    number = phone_number(address)
    if number is None:
        return address.removeprefix(CHANNEL)
    import phonenumbers  # Large, and what starts Relais shows no number.

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
