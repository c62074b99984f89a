"""`relais.text`: visible characters, characters PostgreSQL stores, digits of every script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relais.text import ascii_digits, has_visible_characters, sanitize_for_postgres

INVISIBLE = {
    "nothing": "",
    "Hangul filler": "\u3164",
    "half-width Hangul filler": "\uffa0",
    "Hangul jamo fillers": "\u115f\u1160",
    "directions": "\u200e\u200f\u202e\u2066\u2069",
    "empty Braille pattern": "\u2800",
    "soft hyphen": "\u00ad",
    "joiners": "\u200b\u200c\u200d\u2060\ufeff",
    "tag characters": "\U000e0041\U000e007f",
    "combining marks alone": "\u0301\u034f\u20dd\u0903",
    "variation selectors": "\ufe0f\U000e0100\u180b",
    "spaces": " \u00a0\u2003\u3000\t\n",
    "control characters": "\x00\x07\x1b",
    "noncharacters": "\ufffe\ufdd0\u2065\ufff0\U000e0fff",
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE.keys())
def test_it_has_no_visible_character(text):
    assert not has_visible_characters(text)


@pytest.mark.parametrize(
    "text", ["Awa", ".", "٠", "🙏", "1️⃣", "é", "e\u0301", "\u200eAwa", "فاطمة", "王", "\U0001fadf"]
)
def test_it_has_visible_characters(text):
    assert has_visible_characters(text)


@given(st.text(alphabet=list("".join(INVISIBLE.values()))))
def test_combined_invisible_characters_are_invisible(text):
    assert not has_visible_characters(text)
    assert has_visible_characters(text + "a")


@given(st.characters(categories=["L", "N", "P", "S"]))
def test_invisible_letters_and_signs_are_known_by_their_unicode_name(character):
    if not has_visible_characters(character):
        name = unicodedata.name(character, "EGYPTIAN HIEROGLYPH FULL BLANK")
        assert any(word in name for word in ("FILLER", "BLANK", "NULL", "REPLACEMENT"))


@pytest.mark.parametrize(
    ("text", "stored"),
    [("Awa\x00", "Awa"), ("a\ud800b", "a?b"), ("a\nb", "a\nb"), ("é😀\u200e", "é😀\u200e"), ("", "")],
)
def test_what_postgres_cannot_store_is_removed(text, stored):
    assert sanitize_for_postgres(text) == stored


def test_digits_of_every_script():
    assert ascii_digits("٠٦۱۲ a²½") == "0612 a²½"
