"""`relais flow export`: files unchanged, and the placeholders that Twilio needs filled in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relais.flows import library
from relais.flows.studio_export import CannotExport, for_twilio, read

SID = "FW0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("name", library.NAMES)
def test_a_flow_of_the_library_is_exported_unchanged(name: str) -> None:
    assert read(name) == library.path_of(name).read_text(encoding="utf-8")


def test_a_file_is_exported_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    file.write_text('{ "states" : [ ],\n  "été": 1 }')
    assert read(str(file)) == '{ "states" : [ ],\n  "été": 1 }'


@pytest.mark.parametrize("name", library.NAMES)
def test_for_twilio_fills_in_only_the_placeholders(name: str) -> None:
    text = read(name)
    filled = for_twilio(text, host="https://relais.example.com", secret="s3cret", subflow=SID)
    assert library.PLACEHOLDER_HOST not in filled
    assert library.PLACEHOLDER_SUBFLOW not in filled
    back = filled.replace("https://studio:s3cret@relais.example.com", library.PLACEHOLDER_BASE)
    assert back.replace(SID, library.PLACEHOLDER_SUBFLOW) == text
    head = next(s for s in json.loads(filled)["states"] if s["name"] == "reglages")
    assert head["properties"]["variables"][0] == {
        "key": "host",
        "value": "https://studio:s3cret@relais.example.com",
    }


@pytest.mark.parametrize(
    ("host", "secret", "base"),
    [
        ("relais.example.com", "s", "https://studio:s@relais.example.com"),
        ("https://relais.example.com/", "s", "https://studio:s@relais.example.com"),
        ("http://127.0.0.1:8000", "s", "http://studio:s@127.0.0.1:8000"),
        ("https://example.com/relais/", "s", "https://studio:s@example.com/relais"),
        ("relais.example.com", 'a"b/c@d{{', "https://studio:a%22b%2Fc%40d%7B%7B@relais.example.com"),
    ],
)
def test_the_host_is_accepted_in_several_notations(host: str, secret: str, base: str) -> None:
    filled = json.loads(for_twilio(read("mercedes"), host=host, secret=secret))
    head = next(s for s in filled["states"] if s["name"] == "reglages")
    assert head["properties"]["variables"][0]["value"] == base


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": ""}, "--host"),
        ({"secret": ""}, "--secret"),
        ({"subflow": ""}, "--subflow"),
        ({"subflow": "FW1"}, "no SID"),
        ({"host": "ftp://relais.example.com"}, "no address"),
        ({"host": "https://me:pw@relais.example.com"}, "no address"),
        ({"host": "https://relais.example.com/?a=b"}, "no address"),
    ],
)
def test_a_missing_option_is_named(options: dict[str, str], message: str) -> None:
    right = {"host": "relais.example.com", "secret": "s", "subflow": SID}
    with pytest.raises(CannotExport, match=message):
        for_twilio(read("twilio-flow-agent-mode"), **right | options)


def test_a_flow_without_placeholders_needs_no_options() -> None:
    assert for_twilio('{"states": []}', host="", secret="") == '{"states": []}'


def test_a_placeholder_that_cannot_be_filled_in_is_an_error() -> None:
    with pytest.raises(CannotExport, match="in another way"):
        for_twilio('{"states": [], "x": "https://relais.invalid"}', host="a.example.com", secret="s")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no file"), ("{", "not JSON"), ("[]", "no states"), ("{}", "no states")]
)
def test_an_invalid_file_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "flow.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CannotExport, match=message):
        read(str(file))
