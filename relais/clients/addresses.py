"""Channel addresses in canonical form: `whatsapp:+212600000000`, or `whatsapp:` and an opaque user name."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from relais.text import ascii_digits

CHANNEL = "whatsapp:"
_SEPARATORS = re.compile(r"[\s().\-\u00a0\u202a-\u202e\u2066-\u2069\u200b-\u200f/]+")
_OPAQUE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,127}\Z")

# Countries whose numbers have several national forms: each pattern maps one form to the one used as match key.
_TO_MATCH_KEY: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    # Mexico: the 1 after the country code was dropped in 2019; WhatsApp still has it for old accounts.
    "+52": ((re.compile(r"\+521(\d{10})"), r"+52\1"),),
    # Argentina: the 9 of mobile numbers in international format.
    "+54": ((re.compile(r"\+549(\d{10})"), r"+54\1"),),
    # Brazil: the ninth digit of mobile phones, missing in old accounts. Without it a mobile number begins with 6 to 9.
    "+55": ((re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2"),),
    # Ivory Coast, January 2021: from 8 digits to 10. The prefix depends on the operator, which is the second digit of a
    # mobile number and the third of a landline. One way only: numbers assigned since need not follow that rule.
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

# The inverse, as candidates: one counts only if the patterns above map it to the same match key.
_FROM_MATCH_KEY = (
    (re.compile(r"\+52(\d{10})"), r"+521\1"),
    (re.compile(r"\+54(\d{10})"), r"+549\1"),
    (re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
    (re.compile(r"\+225\d\d(\d{8})"), r"+225\1"),
    (re.compile(r"\+22901(\d{8})"), r"+229\1"),
)


class InvalidAddress(ValueError):
    """The text is not a valid address. The message is a translated sentence for the user."""


def canonical_address(text: str) -> str:
    """Normalize an address or phone number to its canonical form.

    `+212 600-00 00 00`, `00212600000000`, `WhatsApp: 212600000000` and `whatsapp:+212600000000` are the same address.
    Raises InvalidAddress.
    """
    bare = text.strip()
    has_channel = bare.lower().startswith(CHANNEL)
    if has_channel:
        bare = bare[len(CHANNEL) :].strip()
    compact = ascii_digits(_SEPARATORS.sub("", bare))
    digits = compact.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        digits = digits.removeprefix("00") if compact.startswith("00") else digits
        if 7 <= len(digits) <= 15 and not digits.startswith("0"):
            return f"{CHANNEL}+{digits}"
    elif has_channel and _OPAQUE_NAME.match(bare):
        return CHANNEL + bare
    raise InvalidAddress(
        _("« %(given)s » n'est pas un numéro au format international (+212…).") % {"given": text[:60]}
    )


def match_key(address: str) -> str:
    """The key that all national forms of a canonical address share: in some countries a number has two.

    To compare and look up addresses; messages are sent to the address as its client last wrote from it.
    """
    number = address.removeprefix(CHANNEL)
    for patterns in (_TO_MATCH_KEY.get(number[:length], ()) for length in (3, 4)):
        for pattern, replacement in patterns:
            if match := pattern.fullmatch(number):
                return CHANNEL + match.expand(replacement)
    return address


def is_same_address(one: str, other: str) -> bool:
    """Whether two canonical addresses are the same phone, whatever national form each has."""
    return one == other or match_key(one) == match_key(other)


def national_forms(address: str) -> list[str]:
    """All national forms of a canonical address, its own first; mostly that one alone."""
    key = match_key(address)
    number = key.removeprefix(CHANNEL)
    candidates = [
        CHANNEL + pattern.sub(replacement, number)
        for pattern, replacement in _FROM_MATCH_KEY
        if pattern.fullmatch(number)
    ]
    forms = [candidate for candidate in candidates if match_key(candidate) == key]
    return list(dict.fromkeys([address, key, *forms]))


def phone_number(address: str) -> str | None:
    """The phone number of an address (`+212600000000`), or None for an opaque name."""
    bare = address.removeprefix(CHANNEL)
    return bare if bare.startswith("+") else None


def format_address(address: str) -> str:
    """For display: the number in international format (`+212 6 00 00 00 00`), or the opaque name."""
    number = phone_number(address)
    if number is None:
        return address.removeprefix(CHANNEL)
    import phonenumbers  # Large, and not needed at startup.

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
