"""Verification of Twilio's signatures: the SDK's published test vectors, and observed ones."""

import base64
import hashlib
import time
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from relais.whatsapp.inbound.raw_request import FORM_CONTENT_TYPE, RawRequest
from relais.whatsapp.inbound.signature import basic_credentials, has_studio_secret, is_signed

TOKEN = "12345"
PUBLISHED = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}


def request(
    path="/myapp.php", query="foo=1&bar=2", params=None, *, signature, body=None, content_type="", auth=""
):
    return RawRequest(
        path=path,
        query=query,
        content_type=content_type,
        body=urlencode(params or PUBLISHED).encode() if body is None else body,
        signature=signature,
        authorization=auth,
    )


def signed(raw, base, tokens=(TOKEN,)):
    return is_signed(raw, base_url=base, tokens=tokens)


@pytest.mark.parametrize(
    ("base", "signature"),
    [
        ("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:443", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:80", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    ],
)
def test_the_published_signatures_are_valid_with_and_without_port(base, signature):
    assert signed(request(signature=signature), base)


def test_a_json_body_is_signed_by_its_hash():
    body = b'{"property": "value", "boolean": true}'
    query = f"foo=1&bar=2&bodySHA256={hashlib.sha256(body).hexdigest()}"
    raw = request(
        query=query, body=body, content_type="application/json", signature="a9nBmqA0ju/hNViExpshrM61xv4="
    )
    assert signed(raw, "https://mycompany.com")
    other = request(query=query, body=body + b" ", content_type="application/json", signature=raw.signature)
    assert not signed(other, "https://mycompany.com")


def test_a_json_body_without_its_hash_is_not_signed():
    raw = request(body=b"{}", content_type="application/json", signature="RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert not signed(raw, "https://mycompany.com")


def test_empty_and_non_ascii_values_are_signed():
    params = {"Body": "é😀", "Empty": ""}
    raw = request("/twilio/webhook", "", params, signature="45vpzoBasZzP1MvNc0XUkJt8unk=")
    assert signed(raw, "https://example.com")


def test_each_repeated_parameter_is_signed():
    pairs = [
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ]
    raw = request(body=urlencode(pairs).encode(), signature="IK+Dwps556ElfBT0I3Rgjkr1wJU=")
    assert signed(raw, "https://mycompany.com")
    fewer = request(body=urlencode(pairs[:3]).encode(), signature=raw.signature)
    assert not signed(fewer, "https://mycompany.com")


@pytest.mark.parametrize("signature", ["", "x", "RSOYDt4T1cUTdK1PDd93/VVr8B9=", "é"])
def test_a_wrong_signature_is_rejected(signature):
    assert not signed(request(signature=signature), "https://mycompany.com")


def test_the_secondary_token_is_valid_during_rotation():
    raw = request(signature="RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    assert signed(raw, "https://mycompany.com", tokens=("new", TOKEN))
    assert not signed(raw, "https://mycompany.com", tokens=("new", ""))


def test_an_empty_token_signs_nothing():
    from twilio.request_validator import RequestValidator

    forged = RequestValidator("").compute_signature("https://mycompany.com/myapp.php?foo=1&bar=2", PUBLISHED)
    assert not signed(request(signature=forged), "https://mycompany.com", tokens=("",))


@pytest.mark.parametrize(
    ("auth", "secret", "known"),
    [
        ("Basic c3R1ZGlvOnNlY3JldA==", "secret", True),
        ("basic c3R1ZGlvOnNlY3JldA==", "secret", True),
        ("Basic c3R1ZGlvOnNlY3JldA==", "other", False),
        ("Basic c3R1ZGlvOg==", "", False),
        ("Basic !!!", "secret", False),
        ("Bearer secret", "secret", False),
        ("", "", False),
    ],
)
def test_studio_s_secret(auth, secret, known):
    assert has_studio_secret(request(signature="", auth=auth), secret) is known


def test_credentials_that_are_not_utf_8_are_empty():
    assert basic_credentials("Basic /////w==") == ""


def test_many_parameters_are_cheap():
    body = "&".join(f"{n:x}=" for n in range(40_000)).encode()
    assert len(body) < 256 * 1024
    started_at = time.process_time()
    assert not signed(request(body=body, signature="made up"), "https://mycompany.com")
    assert time.process_time() - started_at < 5


@pytest.mark.parametrize("query", ["xbodySHA256=1", "bodySHA256=", "a=bodySHA256=", "bodySHA256"])
@pytest.mark.parametrize("body", [b"", b'{"From": "+212600000001"}'])
def test_a_body_without_a_valid_hash_is_not_signed(query, body):
    raw = request(query=query, body=body, content_type="application/json", signature="made up")
    assert not signed(raw, "https://mycompany.com")


@pytest.mark.parametrize("credentials", ["[:x", "host:port/x", "host:99999/", "a@b:c", "?#:", "℀:x", "\\:\n"])
def test_credentials_that_fit_into_no_url_are_harmless(credentials):
    auth = "Basic " + base64.b64encode(credentials.encode()).decode()
    assert not signed(request(signature="made up", auth=auth), "https://mycompany.com")


@given(st.text(alphabet="%+&=;aé\u2028🌸C3E29Ff\x00") | st.binary().map(lambda body: body.decode("latin-1")))
def test_a_form_is_parsed_like_the_standard_library_does(text):
    pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")
    read = request(signature="", body=text.encode()).form
    assert [(name, value) for name in read for value in read.getall(name)] == sorted(
        pairs, key=lambda pair: [name for name, _ in pairs].index(pair[0])
    )


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), min_size=1))
def test_our_verification_agrees_with_the_sdk_s_validator(pairs):
    """The SDK's validator tries the URL with and without port; ours must accept both."""
    params = request(signature="", body=urlencode(pairs, errors="replace").encode()).form
    expected = RequestValidator(TOKEN).compute_signature("https://a.example/x", params)
    for url in ("https://a.example", "https://a.example:443"):
        raw = request(
            "/x",
            "",
            signature=expected,
            body=urlencode(pairs, errors="replace").encode(),
            content_type=FORM_CONTENT_TYPE,
        )
        assert signed(raw, url)
