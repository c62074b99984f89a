"""Pictures and documents: only from our account at Twilio, only once, never as a page of ours."""

import errno
import os
from types import SimpleNamespace

import pytest
import requests
from django.db import connection
from django.test import Client as Browser

from relais.conversations import fragments
from relais.conversations.models import Conversation, Media
from relais.conversations.receive import InboundMedia
from relais.whatsapp import media as fetching
from relais.whatsapp import tasks

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path / "media"
    return settings.MEDIA_FOLDER


@pytest.fixture
def picture(double, desk):
    """Fatou sends a picture through the double; it is not fetched yet."""
    double.client_writes("+212600000001", "voilà", name="Fatou", media=(PNG, "image/png", "photo.png"))
    return Media.objects.get()


def test_a_picture_is_fetched_kept_and_shown_again(picture):
    before = Conversation.objects.get().rev
    fetching.fetch(picture)
    assert (picture.state, picture.content_type, picture.size) == ("stored", "image/png", len(PNG))
    assert fetching.path_of(picture).read_bytes() == PNG
    assert picture.rev == Conversation.objects.get().rev == before + 1


def test_the_credentials_do_not_follow_a_redirect(picture, double, desk):
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from relais.emulator.testing import ServerThread

    seen = []

    async def storage(request):
        seen.append(request.headers.get("authorization"))
        return Response(PNG)

    elsewhere = ServerThread(Starlette(routes=[Route("/file", storage)]))
    try:
        double.fault("media", "redirect", location=f"{elsewhere.url}/file")
        fetching.fetch(picture)
        assert picture.state == "failed"  # A redirect that leaves TLS for another host is not followed.
        double.clear_faults()
        double.fault("media", "redirect", times=1, location=f"{double.url}/elsewhere")
        fetching.fetch(picture)
        assert picture.state == "failed"
        assert seen == []
    finally:
        elsewhere.stop()


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://api.twilio.com.evil.example/2010-04-01/Accounts/{account}/Messages/MM1/Media/ME1",
        "https://api.twilio.com@evil.example/2010-04-01/Accounts/{account}/x",
        "https://api.twilio.com/2010-04-01/Accounts/ACother/Messages/MM1/Media/ME1",
        "https://api.twilio.com/2010-04-01/Accounts/{account}/../ACother/x",
        "https://api.twilio.com/2010-04-01/Accounts/{account}/%2e%2e/ACother/x",
        "http://api.twilio.com/2010-04-01/Accounts/{account}/x",
        "file:///etc/passwd",
        "https://[",
        "",
    ],
)
def test_any_other_address_is_never_called(fatou_writes, settings, monkeypatch, url):
    monkeypatch.setattr(requests.Session, "get", lambda *a, **k: pytest.fail("called"))
    address = url.format(account=settings.ENVIRONMENT.twilio_account_sid)
    fatou_writes("", media=(InboundMedia(address, "image/png"),))
    found = Media.objects.get()
    fetching.fetch(found)
    assert found.state == "failed"


def test_what_is_too_large_is_not_kept(picture, monkeypatch):
    monkeypatch.setattr(fetching, "LARGEST", 10)
    fetching.fetch(picture)
    assert (picture.state, picture.error) == ("failed", "larger than 16 MB")


def test_a_failure_of_twilio_is_tried_again(picture, double):
    double.fault("media", "5xx", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        fetching.fetch(picture)
    assert Media.objects.get().state == "waiting"
    fetching.fetch(picture)
    assert picture.state == "stored"


def test_a_full_disk_leaves_no_pieces_and_is_tried_again(picture, folder, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            fetching.fetch(picture)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert Media.objects.get().state == "waiting"
    fetching.fetch(picture)
    assert Media.objects.get().state == "stored"


def job(attempts):
    return SimpleNamespace(job=SimpleNamespace(attempts=attempts))


@pytest.fixture
def given_up(picture, double):
    double.fault("media", "5xx")
    with pytest.raises(requests.exceptions.RequestException):
        tasks.fetch_media(job(tasks.MOST_TRIES - 1), picture.pk)
    assert Media.objects.get().state == "waiting"
    tasks.fetch_media(job(tasks.MOST_TRIES), picture.pk)
    double.clear_faults()
    return Media.objects.get()


def presses_again(user, media, **headers):
    browser = Browser()
    browser.force_login(user)
    return browser.post(f"/dashboard/media/{media.pk}/again", **headers)


def waiting_jobs():
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from procrastinate_jobs where task_name like '%%fetch_media'")
        return cursor.fetchone()[0]


def test_what_could_not_be_had_for_hours_ends_and_may_be_tried_again(given_up, awa):
    assert (given_up.state, given_up.may_be_tried_again) == ("failed", True)
    shown = fragments.message(given_up.event)
    assert "Pièce jointe indisponible" in shown
    assert f"/dashboard/media/{given_up.pk}/again" in shown
    before = waiting_jobs()
    for _click in range(2):
        told = presses_again(awa, given_up, headers={"Accept": "application/json"}).json()
        assert told["success"]
        assert "Photo en cours de réception" in told["html"]
    assert (Media.objects.get().state, waiting_jobs()) == ("waiting", before + 1)
    tasks.fetch_media(job(0), given_up.pk)
    assert Media.objects.get().state == "stored"


def test_nobody_out_of_reach_has_it_tried_again(given_up, yao, sales):
    Conversation.objects.update(team=sales)
    assert presses_again(yao, given_up).status_code == 404
    assert Media.objects.get().state == "failed"


def test_without_a_script_the_page_comes_back(given_up, awa):
    assert presses_again(awa, given_up)["Location"] == f"/dashboard/chat/{given_up.event.conversation_id}"


def test_what_will_never_be_had_is_not_tried_again(picture, monkeypatch, awa):
    monkeypatch.setattr(fetching, "LARGEST", 10)
    fetching.fetch(picture)
    assert "/again" not in fragments.message(picture.event)
    presses_again(awa, picture)
    assert Media.objects.get().state == "failed"


@pytest.mark.parametrize(
    ("content", "declared", "kind"),
    [
        (PNG, "image/png", "image/png"),
        (PNG, "text/html", "image/png"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
            "image/svg+xml",
            "application/octet-stream",
        ),
        (b"<html><script>", "image/png", "application/octet-stream"),
        (b"<html><script>", "text/plain", "application/octet-stream"),
        (b"%PDF-1.7\n", "application/pdf", "application/pdf"),
        (b"bonjour", "text/plain", "text/plain"),
        (b"", "", "application/octet-stream"),
    ],
)
def test_the_type_is_told_by_the_content(content, declared, kind):
    assert fetching.type_of(content, declared) == kind


def sees(user, media):
    browser = Browser()
    browser.force_login(user)
    return browser.get(f"/dashboard/media/{media.pk}")


def test_it_is_shown_to_who_may_see_the_conversation(picture, awa, yao, sales):
    assert sees(awa, picture).status_code == 404  # not fetched yet
    fetching.fetch(picture)
    shown = sees(awa, picture)
    assert (shown.status_code, shown["Content-Type"], shown["X-Content-Type-Options"]) == (
        200,
        "image/png",
        "nosniff",
    )
    assert b"".join(shown.streaming_content) == PNG
    Conversation.objects.update(team=sales)
    assert sees(yao, picture).status_code == 404
    assert Browser().get(f"/dashboard/media/{picture.pk}").status_code == 302


def test_what_could_run_in_our_page_is_only_downloaded(picture, awa):
    fetching.fetch(picture)
    Media.objects.update(content_type="image/svg+xml")
    shown = sees(awa, picture)
    assert shown["Content-Type"] == "application/octet-stream"
    assert shown["Content-Disposition"].startswith("attachment")
    shown.close()
