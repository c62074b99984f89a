"""The links that Twilio fetches: signed, expiring, with a short plain name."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from relais.files import fetch_links
from relais.files.fetch_links import LIFETIME, fetch_url, link_name, media_id_of

AT = datetime(2026, 11, 30, 10, tzinfo=UTC)


def token_of(url):
    return url.split("/media/")[1].split("/")[0]


def test_a_link_names_the_media_for_an_hour(settings):
    url = fetch_url(77, filename="devis.pdf", content_type="application/pdf", at=AT)
    assert url.startswith(f"{settings.PUBLIC_BASE_URL}/media/") and url.endswith("/devis.pdf")
    assert media_id_of(token_of(url), at=AT + LIFETIME - timedelta(seconds=1)) == 77
    assert media_id_of(token_of(url), at=AT + LIFETIME) is None


def test_each_attempt_has_its_own_link():
    first, second = (
        fetch_url(77, filename="a.pdf", content_type="application/pdf", at=AT + timedelta(minutes=n))
        for n in (0, 1)
    )
    assert first != second


@pytest.mark.parametrize("token", ["", "4d-6", "4d-6~x", "~", "4d", "é~é", "4d-6~" + "A" * 43])
def test_no_other_token_names_anything(token):
    assert media_id_of(token, at=AT) is None


def test_a_changed_token_names_nothing():
    token = token_of(fetch_url(77, filename="a.pdf", content_type="application/pdf", at=AT))
    assert media_id_of("4e" + token[2:], at=AT) is None


def test_the_key_of_another_purpose_signs_no_link():
    from django.core.signing import Signer

    assert media_id_of(Signer(salt="other", sep="~").sign("4d-ffffffff"), at=AT) is None


@pytest.mark.parametrize(
    ("filename", "content_type", "name"),
    [
        ("Devis GLC été 2026 – Awa.pdf", "application/pdf", "Devis-GLC-ete-20.pdf"),
        ("عرض.pdf", "application/pdf", "document.pdf"),
        ("", "image/jpeg", "document.jpg"),
        ("../../x.png", "image/jpeg", "x.jpg"),
        ("voice", "audio/ogg", "voice.ogg"),
    ],
)
def test_the_name_is_short_and_plain(filename, content_type, name):
    assert link_name(filename, content_type) == name
    assert len(name) <= 20


@pytest.mark.parametrize(
    ("base_url", "double", "reachable"),
    [
        ("https://desk.example", "", True),
        ("http://localhost:8000", "", False),
        ("http://127.0.0.1:8000", "", False),
        ("https://192.168.1.4", "", False),
        ("https://8.8.8.8", "", True),
        ("https://desk", "", False),
        ("http://localhost:8000", "http://127.0.0.1:9000", True),
    ],
)
def test_whether_twilio_reaches_the_public_address(settings, base_url, double, reachable):
    settings.PUBLIC_BASE_URL = base_url
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_api_base_url=double)
    assert fetch_links.is_reachable() is reachable
