"""Text responses are compressed; short ones, and media that is compressed already, are not."""

import gzip

import pytest
from django.utils import timezone

from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.models import Media
from relais.whatsapp.media.files import media_path
from tests.cast import Clock

pytestmark = pytest.mark.django_db
ACCEPT_GZIP = {"HTTP_ACCEPT_ENCODING": "gzip, br"}


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


def test_a_page_of_the_same_words_has_another_length_each_time(client, awa, with_bot):
    """What guesses a secret by lengths (BREACH) finds noise; the token itself is another each time."""
    client.force_login(awa)
    assert len({len(client.get("/dashboard/active", **ACCEPT_GZIP).content) for _ in range(20)}) > 3


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
