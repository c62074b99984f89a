"""One table says what the channel takes: the documentation and the sentences repeat it."""

import re
from pathlib import Path

import pytest

from relais.files import errors
from relais.files.channel_types import (
    CHANNEL_TYPES,
    CONVERTED_TYPES,
    MAX_FILE_BYTES,
    MAX_FILES_PER_SEND,
    MEBIBYTE,
    accept_attribute,
    channel_type,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "media.md"


def test_the_documentation_has_the_same_table():
    rows = re.findall(
        r"^\| `([\w./+-]+)` \| (.+?) \| (.+?) \| (\d+) MB \| (yes|no) \|$", DOCS.read_text(), re.M
    )
    assert rows == [
        (
            each.content_type,
            each.label,
            " ".join(f"`{extension}`" for extension in each.extensions),
            str(each.max_bytes // MEBIBYTE),
            "yes" if each.shows_caption else "no",
        )
        for each in CHANNEL_TYPES
    ]
    assert all(f"`{content_type}`" in DOCS.read_text() for content_type in CONVERTED_TYPES)


@pytest.mark.parametrize("content_type", CONVERTED_TYPES)
def test_what_is_converted_counts_as_what_it_becomes(content_type):
    becomes = "image/jpeg" if content_type.startswith("image/") else "audio/ogg"
    assert channel_type(content_type).content_type == becomes


def test_the_sentences_name_file_limit_and_remedy():
    assert all(each.label in str(errors.wrong_type("x.gif")) for each in CHANNEL_TYPES)
    assert "16" in str(errors.too_large("x.mp4", MAX_FILE_BYTES))
    assert str(MAX_FILES_PER_SEND) in str(errors.too_many_files())


def test_every_code_is_documented():
    documented = set(re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.M))
    refusals = (
        errors.wrong_type("x"),
        errors.unplayable_video("x"),
        errors.unreadable_recording("x"),
        errors.too_large("x", 1),
        errors.empty("x"),
        errors.too_many_files(),
        errors.unreachable(),
    )
    assert {each.code for each in refusals} == documented


def test_the_file_dialog_offers_them_all():
    offered = accept_attribute().split(",")
    assert {"image/jpeg", ".heic", ".docx", "text/vcard"} <= set(offered)
