"""Text responses are compressed; short ones, and media that is compressed already, are not."""

import gzip

import brotli
import pytest
from django.utils import timezone

from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.models import Media
from relais.whatsapp.media.files import media_path
from tests.cast import Clock

pytestmark = pytest.mark.django_db
ACCEPT_GZIP = {"HTTP_ACCEPT_ENCODING": "gzip, deflate"}
ACCEPT_BROTLI = {"HTTP_ACCEPT_ENCODING": "gzip, deflate, br, zstd"}


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/active", "/dashboard/figures", "/nowhere"])
def test_a_page_and_a_fragment(client, awa, with_bot, path):
    client.force_login(awa)
    response = client.get(path, **ACCEPT_GZIP)
    assert response["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response["Vary"]
    assert b"</" in gzip.decompress(response.content)
    assert "Content-Encoding" not in client.get(path)


def test_by_brotli_it_is_smaller(client, awa, with_bot):
    client.force_login(awa)
    response, by_gzip = (client.get("/dashboard", **each) for each in (ACCEPT_BROTLI, ACCEPT_GZIP))
    assert response["Content-Encoding"] == "br"
    assert "Accept-Encoding" in response["Vary"]
    assert int(response["Content-Length"]) == len(response.content) < len(by_gzip.content) * 0.95
    assert b"</" in brotli.decompress(response.content)


def test_an_answer_to_a_program(client, awa, held_by_awa):
    client.force_login(awa)
    response = client.post(
        f"/dashboard/chat/{held_by_awa.pk}/send",
        {"message": "Bonjour " * 50},
        HTTP_ACCEPT="application/json",
        **ACCEPT_GZIP,
    )
    assert response["Content-Encoding"] == "gzip"
    assert b'"success": true' in gzip.decompress(response.content)


@pytest.mark.parametrize("accepted", [ACCEPT_GZIP, ACCEPT_BROTLI])
def test_a_page_of_the_same_words_has_another_length_each_time(client, awa, with_bot, accepted):
    """What guesses a secret by lengths (BREACH) finds noise; the token itself is another each time."""
    client.force_login(awa)
    responses = [client.get("/dashboard/active", **accepted) for _ in range(20)]
    assert len({len(each.content) + len(each.get("X-Padding", "")) for each in responses}) > 3


def test_a_picture_goes_as_it_is(client, awa, fatou_writes, settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path
    fatou_writes("photo", media=(InboundMedia("https://api.twilio.com/Media/ME", "image/png"),))
    picture = Media.objects.get()
    media_path(picture).parent.mkdir(parents=True, exist_ok=True)
    media_path(picture).write_bytes(b"p" * 5000)
    Media.objects.update(state="stored", content_type="image/png", size=5000)
    client.force_login(awa)
    response = client.get(f"/dashboard/media/{picture.pk}", **ACCEPT_GZIP)
    assert "Content-Encoding" not in response
    assert b"".join(response.streaming_content) == b"p" * 5000
