"""The addresses of received files: ranges, caches, thumbnails, the viewer; each within reach only."""

from io import BytesIO

import pytest
from PIL import Image

from relais.conversations.models import Conversation
from relais.conversations.tests.received_files import VIDEO, receive, run_file_jobs
from relais.files.tests import samples
from relais.whatsapp import views

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


@pytest.fixture
def page(client, awa):
    client.force_login(awa)
    return client


@pytest.fixture
def video(fatou_writes):
    return f"/dashboard/media/{receive(fatou_writes, VIDEO, 'video/mp4').pk}"


def body(response):
    return b"".join(response.streaming_content)


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-", 0, None),
        ("bytes=100-199", 100, 200),
        ("bytes=3000-", 3000, None),
        ("bytes=-10", -10, None),
    ],
)
def test_a_player_gets_the_range_that_it_asks_for(page, video, header, start, stop):
    response = page.get(video, headers={"Range": header})
    part = VIDEO[start:stop]
    first = VIDEO.index(part) if start else 0
    assert response.status_code == (200 if part == VIDEO else 206)
    assert (body(response), response["Content-Length"]) == (part, str(len(part)))
    assert response["Accept-Ranges"] == "bytes" and response["Content-Type"] == "video/mp4"
    if part != VIDEO:
        assert response["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(VIDEO)}"


def test_a_player_that_asks_for_all_gets_a_part(page, video, monkeypatch):
    monkeypatch.setattr(views, "MAX_OPEN_RANGE_BYTES", 1000)
    response = page.get(video, headers={"Range": "bytes=500-"})
    assert (response.status_code, body(response)) == (206, VIDEO[500:1500])
    assert response["Content-Range"] == f"bytes 500-1499/{len(VIDEO)}"
    assert body(page.get(video)) == VIDEO


def test_a_range_outside_the_file_is_refused(page, video):
    response = page.get(video, headers={"Range": "bytes=99999-"})
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{len(VIDEO)}")


def test_a_range_of_another_version_is_the_whole_file(page, video):
    assert body(page.get(video, headers={"Range": "bytes=0-9", "If-Range": '"other"'})) == VIDEO


def test_a_cached_file_is_asked_for_again_by_each_session(page, video, yao, sales):
    first = page.get(video)
    first.close()
    assert first["Cache-Control"] == "private, no-cache" and "Cookie" in first["Vary"]
    assert page.get(video, headers={"If-None-Match": first["ETag"]}).status_code == 304
    Conversation.objects.update(team=sales)
    page.force_login(yao)
    assert page.get(video, headers={"If-None-Match": first["ETag"]}).status_code == 404


def test_a_thumbnail_is_shown_within_reach(page, fatou_writes, yao, sales):
    media = receive(fatou_writes, samples.picture(size=(2000, 1000)), "image/jpeg")
    path = f"/dashboard/media/{media.pk}/thumbnail"
    assert page.get(path).status_code == 404  # not made yet
    run_file_jobs()
    response = page.get(path)
    assert response["Content-Type"] == "image/webp" and response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "private, max-age=3600" and "Cookie" in response["Vary"]
    assert Image.open(BytesIO(body(response))).size == (320, 640)
    assert page.get(path, headers={"If-None-Match": response["ETag"]}).status_code == 304
    Conversation.objects.update(team=sales)
    page.force_login(yao)
    assert page.get(path).status_code == 404
    page.logout()
    assert page.get(path).status_code == 302


def test_the_viewer_leads_through_the_pictures_of_the_conversation(page, fatou_writes, yao, sales):
    receive(fatou_writes, samples.picture(), "image/jpeg", address="whatsapp:+2250700000099", name="Autre")
    one, other = (
        receive(fatou_writes, samples.picture(color=n), "image/jpeg") for n in ((1, 2, 3), (4, 5, 6))
    )
    receive(fatou_writes, samples.PDF, "application/pdf")
    last = receive(fatou_writes, samples.picture("PNG", exif=False), "image/png")

    def links(media):
        html = page.get(f"/dashboard/pictures/{media.pk}").content.decode()
        assert f'src="/dashboard/media/{media.pk}"' in html and "<html" in html
        return [
            f'href="/dashboard/pictures/{each.pk}" rel="{rel}"' in html
            for each in (one, other, last)
            for rel in ("prev", "next")
        ]

    assert links(one) == [False, False, False, True, False, False]
    assert links(other) == [True, False, False, False, False, True]
    assert links(last) == [False, False, True, False, False, False]
    fragment = page.get(
        f"/dashboard/pictures/{one.pk}", headers={"X-Requested-With": "fetch"}
    ).content.decode()
    assert fragment.lstrip().startswith("<dialog") and "data-closes" in fragment
    Conversation.objects.update(team=sales)
    page.force_login(yao)
    assert page.get(f"/dashboard/pictures/{one.pk}").status_code == 404


def test_only_pictures_have_a_viewer(page, video):
    assert page.get(video.replace("media", "pictures")).status_code == 404
