"""Canonical addresses, and the national forms of one number."""

import phonenumbers
import pytest

from relais.clients.addresses import (
    InvalidAddress,
    canonical_address,
    format_address,
    is_same_address,
    match_key,
    national_forms,
    phone_number,
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
def test_both_national_forms_of_a_number_are_the_same_address(one, other):
    assert is_same_address(canonical_address(one), canonical_address(other))
    assert is_same_address(canonical_address(other), canonical_address(one))
    assert match_key(match_key(canonical_address(one))) == match_key(canonical_address(one))


@pytest.mark.parametrize(("one", "other"), SAME)
def test_each_national_form_has_the_other(one, other):
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
def test_different_numbers_are_different_addresses(one, other):
    assert not is_same_address(canonical_address(one), canonical_address(other))


@pytest.mark.parametrize(
    "address", ["whatsapp:FI.9xY", "whatsapp:+52", "whatsapp:+225", "whatsapp:+33612345678"]
)
def test_an_address_with_one_form_is_its_own_match_key(address):
    assert match_key(address) == address


@pytest.mark.parametrize("digits", ["+٢١٢٦١٢٣٤٥٦٧٨", "+۲۱۲۶۱۲۳۴۵۶۷۸", "００212 612 345 678"])
def test_digits_of_every_script_are_digits(digits):
    assert canonical_address(digits) == "whatsapp:+212612345678"


def test_a_superscript_is_not_a_digit():
    with pytest.raises(InvalidAddress):
        canonical_address("+21261234567²")


@pytest.mark.parametrize(
    "text",
    [
        "+212 600-00 00 00",
        "00212600000000",
        "212600000000",
        "WhatsApp: 212600000000",
        " whatsapp:+212600000000 ",
        "\u202a+212 (6) 00.00/00\u00a000\u202c",
    ],
)
def test_spellings_of_a_number_have_one_canonical_form(text):
    assert canonical_address(text) == "whatsapp:+212600000000"


def test_an_opaque_name_needs_its_channel():
    assert canonical_address("WhatsApp:FI.9xY") == "whatsapp:FI.9xY"
    with pytest.raises(InvalidAddress):
        canonical_address("FI.9xY")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whatsapp:",
        "+21",
        "0612345678",
        "+0123456789",
        "+1234567890123456",
        "whatsapp:-x",
        "whatsapp:" + "a" * 129,
        "sms:+1",
    ],
)
def test_an_invalid_address_is_refused_with_a_sentence(text):
    with pytest.raises(InvalidAddress, match="format international"):
        canonical_address(text)


def test_the_sentence_quotes_no_more_than_60_characters():
    with pytest.raises(InvalidAddress) as error:
        canonical_address("x" * 1000)
    assert "x" * 60 in str(error.value) and "x" * 61 not in str(error.value)


def test_only_a_number_has_a_phone_number():
    assert phone_number("whatsapp:+212600000000") == "+212600000000"
    assert phone_number("whatsapp:FI.9xY") is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("whatsapp:+212612345678", "+212 6 12 34 56 78"),
        ("whatsapp:+33612345678", "+33 6 12 34 56 78"),
        ("whatsapp:FI.9xY", "FI.9xY"),
        ("whatsapp:+9990000000", "+9990000000"),
    ],
)
def test_an_address_is_formatted_for_display(address, shown):
    assert format_address(address) == shown
