"""How received files, contacts and positions are shown in the thread and in rows."""

import re
from html import unescape

import pytest

from relais.conversations import fragments
from relais.conversations.message_display import location
from relais.conversations.models import ConversationEvent
from relais.conversations.tests.received_files import VIDEO, VOICE, receive, run_file_jobs
from relais.files.tests import samples
from relais.files.tests.test_previews import a_pdf

pytestmark = pytest.mark.usefixtures("clock_starts_now")
PLACE = {"Latitude": "33.5731", "Longitude": "-7.5898", "Label": "Garage Nord", "Address": "12 rue de Fès"}


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


def visible(html):
    return re.sub(
        r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", re.sub(r"<svg.*?</svg>", "", html, flags=re.S)))
    ).strip()


def shown(media):
    run_file_jobs()
    return fragments.message(ConversationEvent.objects.get(pk=media.event_id))


def row(media):
    return visible(fragments.row(media.event.conversation))


def test_a_voice_note_plays_in_place(fatou_writes):
    media = receive(fatou_writes, VOICE, "audio/ogg")
    html = shown(media)
    assert f'<audio controls preload="metadata" src="/dashboard/media/{media.pk}"' in html
    assert "0:02" in visible(html) and f'href="/dashboard/media/{media.pk}?save"' in html
    assert "Message vocal" in row(media)


def test_a_video_plays_in_place(fatou_writes):
    media = receive(fatou_writes, VIDEO, "video/mp4")
    assert "<video controls" in shown(media) and "0:02" in visible(shown(media))
    assert "Vidéo" in row(media)


def test_a_sticker_is_small(fatou_writes):
    media = receive(fatou_writes, samples.picture("WEBP", exif=False), "image/webp")
    assert "bubble__picture--sticker" in shown(media)
    assert "Autocollant" in row(media)


def test_a_document_says_its_name_type_size_pages_and_title(fatou_writes):
    html = visible(
        shown(receive(fatou_writes, a_pdf(pages=2, title="Devis été"), "application/pdf", "d.pdf"))
    )
    assert re.search(r"d\.pdf Devis été PDF · .* · 2 pages", html)


def test_a_contact_is_a_card_whose_numbers_copy(fatou_writes):
    media = receive(fatou_writes, samples.VCARD, "text/vcard")
    html = shown(media)
    assert "Awa Diop" in visible(html)
    assert 'data-copy="+212600000001"' in html and 'href="/dashboard/clients?q=%2B212600000001"' in html
    assert "Contact" in row(media)


def test_a_contact_cannot_bring_markup(fatou_writes):
    card = samples.VCARD.replace(b"Awa Diop", b"<img src=x>")
    assert "<img" not in shown(receive(fatou_writes, card, "text/vcard"))


def test_a_position_is_a_card_with_coordinates_and_a_link(fatou_writes):
    text = "📍 Garage Nord · 12 rue de Fès · 33.5731, -7.5898"
    conversation = fatou_writes(text, metadata={"parameters": PLACE})
    html = fragments.message(conversation.events.latest("seq"))
    assert 'data-copy="33.57310, -7.58980"' in html and "query=33.57310%2C-7.58980" in unescape(html)
    assert visible(html).count("Garage Nord") == 1 and "📍" not in html
    assert "Position · Garage Nord" in visible(fragments.row(conversation))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"Latitude": "x", "Longitude": "1"},
        {"Latitude": "nan", "Longitude": "1"},
        {"Latitude": "91", "Longitude": "1"},
    ],
)
def test_what_is_no_place_on_earth_is_no_card(broken):
    assert location({"parameters": broken}) is None


def test_a_file_is_saved_under_a_name_that_says_whose_and_what(fatou_writes, client, awa):
    media = receive(fatou_writes, samples.picture(), "image/jpeg", name="Fatou Diallo")
    client.force_login(awa)
    response = client.get(f"/dashboard/media/{media.pk}?save")
    response.close()
    name = response["Content-Disposition"]
    assert re.fullmatch(
        r"attachment; filename=\"Fatou Diallo \d{4}-\d\d-\d\d \d{4} photo\.jpg\"; filename\*=UTF-8''.*", name
    )
