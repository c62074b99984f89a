"""The one form of a channel address: `whatsapp:+212600000000`, or `whatsapp:` and an opaque name."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

CHANNEL = "whatsapp:"
_FILLERS = re.compile(r"[\s().\-\u00a0\u202a-\u202e\u2066-\u2069\u200b-\u200f/]+")
_OPAQUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,127}\Z")


class BadAddress(ValueError):
    """The text is no address we could write to; the message is a sentence for a person."""


def canonical(text: str) -> str:
    """Bring an address or phone number to its one form.

    `+212 600-00 00 00`, `00212600000000`, `WhatsApp: 212600000000` and `whatsapp:+212600000000` are the same client.
    Raises BadAddress.
    """
    bare = text.strip()
    named_channel = bare.lower().startswith(CHANNEL)
    if named_channel:
        bare = bare[len(CHANNEL) :].strip()
    squeezed = _FILLERS.sub("", bare)
    digits = squeezed.removeprefix("+")
    if digits.isascii() and digits.isdigit():
        digits = digits.removeprefix("00") if squeezed.startswith("00") else digits
        if 7 <= len(digits) <= 15 and not digits.startswith("0"):
            return f"{CHANNEL}+{digits}"
    elif named_channel and _OPAQUE.match(bare):
        return CHANNEL + bare
    raise BadAddress(
        _("« %(given)s » n'est pas un numéro au format international (+212…).") % {"given": text[:60]}
    )


def phone_number(address: str) -> str | None:
    """The number in an address (`+212600000000`), or None when the address hides it."""
    bare = address.removeprefix(CHANNEL)
    return bare if bare.startswith("+") else None


def readable(address: str) -> str:
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
