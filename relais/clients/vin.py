"""Vehicle identification numbers (ISO 3779): what to tell whoever typed one. A VIN is never refused."""

from __future__ import annotations

from django.utils.translation import gettext as _

VIN_CHARACTERS = 17
CHECK_DIGIT_POSITION = 8
_MANDATORY_FIRST_CHARACTERS = frozenset("12345L")
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VALUES = {str(digit): digit for digit in range(10)} | dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ", (*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)), strict=True)
)


def normalize_vin(text: str) -> str:
    """Upper case, without spaces and hyphens."""
    return "".join(text.split()).replace("-", "").upper()


def has_valid_check_digit(vin: str) -> bool:
    """Whether the ninth character is the check digit of the others. It is mandatory in North America and China only."""
    total = sum(_VALUES[character] * weight for character, weight in zip(vin, _WEIGHTS, strict=True))
    return vin[CHECK_DIGIT_POSITION] == "0123456789X"[total % 11]


def is_check_digit_mandatory(vin: str) -> bool:
    """In North America (1 to 5) and China (L), by the first character."""
    return vin[:1] in _MANDATORY_FIRST_CHARACTERS


def is_suspicious(vin: str) -> bool:
    """Whether it is probably mistyped. Elsewhere the ninth character need not be a check digit."""
    if not vin:
        return False
    is_well_formed = len(vin) == VIN_CHARACTERS and all(character in _VALUES for character in vin)
    return not is_well_formed or (is_check_digit_mandatory(vin) and not has_valid_check_digit(vin))


def vin_hint(vin: str) -> str:
    """What the form of a VIN says about it."""
    if not vin:
        return ""
    if len(vin) != VIN_CHARACTERS:
        return _("Un VIN a 17 caractères ; celui-ci en a %(count)s.") % {"count": len(vin)}
    if any(character not in _VALUES for character in vin):
        return _("Un VIN n'a que des chiffres et des lettres, sans I, O ni Q.")
    if has_valid_check_digit(vin):
        return _("Clé de contrôle juste.")
    if is_check_digit_mandatory(vin):
        return _("La clé de contrôle ne correspond pas : à vérifier.")
    return _("Sans clé de contrôle, comme souvent en Europe.")
