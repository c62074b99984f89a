"""One phone, however its number is written."""

import phonenumbers
import pytest

from relais.clients.addresses import (
    InvalidAddress,
    canonical_address,
    is_same_address,
    match_key,
    national_forms,
)

SAME = [
    ("+5215512345678", "+525512345678"),
    ("+5491123456789", "+541123456789"),
    ("+5531987654321", "+553187654321"),
    ("+22507123456", "+2250707123456"),
    ("+22545123456", "+2250545123456"),
    ("+22501123456", "+2250101123456"),
    ("+22520212345", "+2252720212345"),
    ("+22520812345", "+2252120812345"),
    ("+22520012345", "+2252520012345"),
    ("+22997123456", "+2290197123456"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_both_forms_of_a_number_are_one_phone(one, other):
    assert is_same_address(canonical_address(one), canonical_address(other))
    assert is_same_address(canonical_address(other), canonical_address(one))
    assert match_key(match_key(canonical_address(one))) == match_key(canonical_address(one))


@pytest.mark.parametrize(("one", "other"), SAME)
def test_each_form_of_a_number_leads_to_the_other(one, other):
    forms = {canonical_address(one), canonical_address(other)}
    assert forms <= set(national_forms(canonical_address(one))) & set(
        national_forms(canonical_address(other))
    )
    assert national_forms(canonical_address(one))[0] == canonical_address(one)


@pytest.mark.parametrize("address", ["whatsapp:FI.9xY", "whatsapp:+212612345678", "whatsapp:+551133334444"])
def test_most_numbers_have_one_form(address):
    assert national_forms(address) == [address]


@pytest.mark.parametrize("newer", [new for old, new in SAME if old.startswith(("+225", "+229"))])
def test_the_newer_form_is_a_number_of_its_country(newer):
    assert phonenumbers.is_possible_number(phonenumbers.parse(newer))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A landline of São Paulo, and a mobile phone that only looks like it with a 9 before.
        ("+551133334444", "+5511933334444"),
        # Two operators' numbers with the same last eight digits.
        ("+2250147123456", "+2250747123456"),
        ("+212612345678", "+212612345679"),
        ("+525512345678", "+545512345678"),
    ],
)
def test_two_phones_stay_two(one, other):
    assert not is_same_address(canonical_address(one), canonical_address(other))


@pytest.mark.parametrize(
    "address", ["whatsapp:FI.9xY", "whatsapp:+52", "whatsapp:+225", "whatsapp:+33612345678"]
)
def test_what_has_no_other_form_is_its_own_key(address):
    assert match_key(address) == address


@pytest.mark.parametrize("digits", ["+٢١٢٦١٢٣٤٥٦٧٨", "+۲۱۲۶۱۲۳۴۵۶۷۸", "００212 612 345 678"])
def test_digits_of_every_script_are_a_number(digits):
    assert canonical_address(digits) == "whatsapp:+212612345678"


def test_a_superscript_is_no_digit():
    with pytest.raises(InvalidAddress):
        canonical_address("+21261234567²")
