"""Media files: only from our account at Twilio, retried with backoff, never served as a page of ours."""

import errno
import os
from datetime import timedelta
from types import SimpleNamespace

import pytest
import requests
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from relais.conversations import fragments
from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.media_limits import MEDIA_TOO_LARGE
from relais.conversations.media_types import OFFICE
from relais.conversations.models import Conversation, Media
from relais.job_queues import QUEUE_CONCURRENCY
from relais.whatsapp import tasks
from relais.whatsapp.media import download, retry
from relais.whatsapp.media.content_type_detection import detect_content_type
from relais.whatsapp.media.files import media_path, read_content

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.MEDIA_FOLDER = tmp_path / "media"
    return settings.MEDIA_FOLDER


@pytest.fixture
def picture(double, desk):
    """Fatou sends a picture through the double; it is not downloaded yet."""
    double.client_writes("+212600000001", "voilà", name="Fatou", media=(PNG, "image/png", "photo.png"))
    return Media.objects.get()


def test_a_picture_is_downloaded_and_stored(picture):
    before = Conversation.objects.get().rev
    download.fetch(picture)
    assert (picture.state, picture.content_type, picture.size) == ("stored", "image/png", len(PNG))
    assert b"".join(read_content(picture, chunk_bytes=4096)) == PNG
    assert picture.rev == Conversation.objects.get().rev == before + 1


def test_a_file_stored_by_its_id_stays_readable(picture, awa, folder):
    path = media_path(picture)
    path.parent.mkdir(parents=True)
    path.write_bytes(PNG)
    picture.record_download("stored", content_type="image/png", size=len(PNG))
    assert b"".join(open_media(awa, picture).streaming_content) == PNG
    path.unlink()
    assert open_media(awa, picture).status_code == 404


def test_the_same_picture_is_stored_once(picture, double, desk, folder):
    double.client_writes("+212600000001", "encore", media=(PNG, "image/png", "autre.png"))
    for media in Media.objects.all():
        download.fetch(media)
    assert len({media.file_id for media in Media.objects.all()}) == 1
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 1


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
        download.fetch(picture)
        assert picture.state == "failed"  # A redirect to another host without TLS is not followed.
        double.clear_faults()
        double.fault("media", "redirect", times=1, location=f"{double.url}/elsewhere")
        with pytest.raises(requests.exceptions.RequestException):
            download.fetch(picture)  # There is nothing there yet.
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
def test_any_other_url_is_never_requested(fatou_writes, settings, monkeypatch, url):
    monkeypatch.setattr(requests.Session, "get", lambda *a, **k: pytest.fail("called"))
    address = url.format(account=settings.ENVIRONMENT.twilio_account_sid)
    fatou_writes("", media=(InboundMedia(address, "image/png"),))
    media = Media.objects.get()
    download.fetch(media)
    assert media.state == "failed"


def test_a_file_that_is_too_large_is_not_stored(picture, monkeypatch):
    monkeypatch.setattr(download, "MAX_MEDIA_BYTES", 10)
    download.fetch(picture)
    assert (picture.state, picture.error) == ("failed", MEDIA_TOO_LARGE)
    assert "dépasse 16 Mo" in fragments.message(picture.event)


def test_a_failure_of_twilio_is_retried(picture, double):
    double.fault("media", "5xx", times=1)
    with pytest.raises(requests.exceptions.RequestException):
        download.fetch(picture)
    assert Media.objects.get().state == "waiting"
    download.fetch(picture)
    assert picture.state == "stored"


def test_a_full_disk_leaves_no_temporary_files_and_is_retried(picture, folder, monkeypatch):
    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            download.fetch(picture)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert Media.objects.get().state == "waiting"
    download.fetch(picture)
    assert Media.objects.get().state == "stored"


def job(attempts):
    return SimpleNamespace(job=SimpleNamespace(attempts=attempts))


@pytest.mark.parametrize(("status", "code"), [("404", 20404), ("401", 20003), ("403", 20003), ("400", 20001)])
def test_an_error_that_may_pass_is_retried(picture, double, status, code):
    """A file that is not there yet, a token that is being changed."""
    double.fault("media", "reject", times=1, status=status, code=code)
    with pytest.raises(requests.exceptions.RequestException):
        download.fetch(picture)
    assert Media.objects.get().state == "waiting"
    download.fetch(picture)
    assert picture.state == "stored"


def test_a_deleted_file_is_not_retried(picture, double):
    double.fault("media", "reject", times=1, status="410", code=20410)
    download.fetch(picture)
    assert (picture.state, picture.is_retryable) == ("failed", False)
    assert "supprimée chez Twilio" in fragments.message(picture.event)


def test_files_given_up_by_an_earlier_version_may_be_retried(picture):
    picture.record_download("failed", error="HTTP 404")
    assert picture.is_retryable
    assert f"/dashboard/media/{picture.pk}/again" in fragments.message(picture.event)


def test_it_is_retried_for_a_day_with_exponential_backoff():
    strategy, error = retry.MediaRetryStrategy(), RuntimeError()
    pauses = []
    while decision := strategy.get_retry_decision(exception=error, job=SimpleNamespace(attempts=len(pauses))):
        pauses.append(decision.retry_at - timezone.now())
    seconds = [round(pause.total_seconds()) for pause in pauses]
    assert seconds[:4] == [3, 9, 27, 81]
    assert max(seconds) == 3600
    assert timedelta(hours=24) < sum(pauses, timedelta()) < timedelta(hours=26)
    assert len(pauses) == retry.MAX_ATTEMPTS


def test_retry_after_is_respected(picture, double):
    double.fault("media", "429", times=1, retry_after=120)
    with pytest.raises(download.RetryableDownloadError) as refusal:
        download.fetch(picture)
    decision = retry.MediaRetryStrategy().get_retry_decision(
        exception=refusal.value, job=SimpleNamespace(attempts=0)
    )
    assert timedelta(seconds=110) < decision.retry_at - timezone.now() <= timedelta(seconds=120)


def test_a_slow_download_is_cut_off(picture, monkeypatch):
    monkeypatch.setattr(download, "DOWNLOAD_DEADLINE_SECONDS", -1.0)
    with pytest.raises(download.RetryableDownloadError):
        download.fetch(picture)
    assert Media.objects.get().state == "waiting"


def test_its_jobs_take_no_slot_of_the_bot(picture):
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct queue_name from procrastinate_jobs where task_name like '%%fetch_media'"
        )
        assert cursor.fetchall() == [("media",)]
    assert tasks.fetch_media.queue == "media"
    assert "media" in QUEUE_CONCURRENCY


@pytest.fixture
def given_up(picture, double):
    double.fault("media", "5xx")
    with pytest.raises(requests.exceptions.RequestException):
        tasks.fetch_media(job(retry.MAX_ATTEMPTS - 1), picture.pk)
    assert Media.objects.get().state == "waiting"
    tasks.fetch_media(job(retry.MAX_ATTEMPTS), picture.pk)
    double.clear_faults()
    return Media.objects.get()


def press_retry(user, media, **headers):
    browser = Browser()
    browser.force_login(user)
    return browser.post(f"/dashboard/media/{media.pk}/again", **headers)


def waiting_jobs():
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from procrastinate_jobs where task_name like '%%fetch_media'")
        return cursor.fetchone()[0]


def test_a_download_that_is_given_up_may_be_retried_by_a_reader(given_up, awa):
    assert (given_up.state, given_up.is_retryable) == ("failed", True)
    shown = fragments.message(given_up.event)
    assert "Pièce jointe indisponible" in shown
    assert f"/dashboard/media/{given_up.pk}/again" in shown
    before = waiting_jobs()
    for _click in range(2):
        data = press_retry(awa, given_up, headers={"Accept": "application/json"}).json()
        assert data["success"]
        assert "Photo en cours de réception" in data["html"]
    assert (Media.objects.get().state, waiting_jobs()) == ("waiting", before + 1)
    tasks.fetch_media(job(0), given_up.pk)
    assert Media.objects.get().state == "stored"


def test_nobody_out_of_reach_can_retry_it(given_up, yao, sales):
    Conversation.objects.update(team=sales)
    assert press_retry(yao, given_up).status_code == 404
    assert Media.objects.get().state == "failed"


def test_without_javascript_a_retry_redirects_to_the_page(given_up, awa):
    assert press_retry(awa, given_up)["Location"] == f"/dashboard/chat/{given_up.event.conversation_id}"


def test_a_permanent_error_is_not_retried(picture, monkeypatch, awa):
    monkeypatch.setattr(download, "MAX_MEDIA_BYTES", 10)
    download.fetch(picture)
    assert "/again" not in fragments.message(picture.event)
    press_retry(awa, picture)
    assert Media.objects.get().state == "failed"


def box(name, content=b""):
    return (8 + len(content)).to_bytes(4, "big") + name + content


def mp4(brand, *tracks):
    """The structure of an MP4 file: its brand and the handler of each track."""
    handlers = [box(b"hdlr", b"\0" * 8 + track + b"\0" * 12) for track in tracks]
    moov = box(b"moov", b"".join(box(b"trak", box(b"mdia", each)) for each in handlers))
    return box(b"ftyp", brand + b"\0" * 8) + box(b"free", b"\0" * 5) + (moov if tracks else b"")


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
        (mp4(b"isom", b"vide", b"soun"), "video/mp4", "video/mp4"),
        (mp4(b"isom", b"soun"), "video/mp4", "audio/mp4"),
        (mp4(b"M4A ", b"soun"), "video/mp4", "audio/mp4"),
        (mp4(b"M4A "), "audio/x-m4a", "audio/mp4"),
        (mp4(b"3gp4", b"soun"), "video/3gpp", "audio/3gpp"),
        (mp4(b"isom", b"soun", b"vide")[:-3], "video/mp4", "video/mp4"),
        (b"#!AMR\n" + b"\x3c" * 32, "audio/amr", "audio/amr"),
        (
            b"PK\x03\x04" + b"\0" * 60,
            OFFICE + "presentationml.presentation",
            OFFICE + "presentationml.presentation",
        ),
    ],
)
def test_the_content_type_is_detected_by_content(content, declared, kind):
    assert detect_content_type(content, declared) == kind


def open_media(user, media):
    browser = Browser()
    browser.force_login(user)
    return browser.get(f"/dashboard/media/{media.pk}")


def test_it_is_shown_to_who_may_see_the_conversation(picture, awa, yao, sales):
    assert open_media(awa, picture).status_code == 404  # not fetched yet
    download.fetch(picture)
    shown = open_media(awa, picture)
    assert (shown.status_code, shown["Content-Type"], shown["X-Content-Type-Options"]) == (
        200,
        "image/png",
        "nosniff",
    )
    assert b"".join(shown.streaming_content) == PNG
    Conversation.objects.update(team=sales)
    assert open_media(yao, picture).status_code == 404
    assert Browser().get(f"/dashboard/media/{picture.pk}").status_code == 302


def test_content_that_could_run_scripts_is_only_downloaded(picture, awa):
    download.fetch(picture)
    Media.objects.update(content_type="image/svg+xml")
    shown = open_media(awa, picture)
    assert shown["Content-Type"] == "application/octet-stream"
    assert shown["Content-Disposition"].startswith("attachment")
    shown.close()


# -- names -----------------------------------------------------------------------------------------------------

DOCX = OFFICE + "wordprocessingml.document"
ZIP = b"PK\x03\x04" + b"\0" * 60


@pytest.fixture
def sent(double, desk):
    """A file that Fatou sends, downloaded."""

    def sent(content=ZIP, declared=DOCX, name="", **more):
        double.client_writes("+212600000001", "voilà", name="Fatou", media=(content, declared, name), **more)
        media = Media.objects.order_by("pk").last()
        download.fetch(media)
        return media

    return sent


def test_a_document_keeps_the_name_its_sender_gave_it(sent, awa):
    media = sent(name="Contrat signé 🚗.docx")
    assert (media.filename, media.content_type) == ("Contrat signé 🚗.docx", DOCX)
    html = fragments.message(media.event)
    assert "Contrat signé 🚗.docx" in html
    assert "Word" in html
    assert "VND." not in html
    shown = open_media(awa, media)
    assert shown["Content-Disposition"] == (
        'attachment; filename="Contrat signe.docx"; '
        "filename*=UTF-8''Contrat%20sign%C3%A9%20%F0%9F%9A%97.docx"
    )
    shown.close()


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ("attachment; filename*=UTF-8''r%C3%A9gl%C3%A9.docx; filename=regle.docx", "réglé.docx"),
        ('attachment; filename="../../../etc/cron.d/x.docx"', "x.docx"),
        ("attachment; filename*=UTF-8''facture%E2%80%AExcod.exe", "facturexcod.exe"),
        ('attachment; filename="CON"', "_CON.docx"),
        ('attachment; filename="' + "é".encode().decode("latin-1") * 600 + '.docx"', "é" * 97 + ".docx"),
    ],
)
def test_a_file_name_in_any_form_is_parsed_and_cleaned(sent, disposition, filename):
    assert sent(disposition=disposition).filename == filename


def test_without_a_file_name_it_is_named_by_type_and_time(sent, awa, settings):
    media = sent()
    written = timezone.localtime(media.event.created_at)
    assert (media.filename, media.label) == ("", "Word")
    assert media.download_name == f"document-{written:%Y-%m-%d-%H%M}.docx"
    shown = open_media(awa, media)
    assert f'filename="{media.download_name}"' in shown["Content-Disposition"]
    shown.close()


def test_a_file_name_is_escaped(sent):
    html = fragments.message(sent(name="a&b<script>.docx").event)
    assert "<script>" not in html
    assert "a&amp;b_script_.docx" in html


def test_a_picture_is_shown_inline_under_its_name(sent, awa):
    shown = open_media(awa, sent(PNG, "image/png", "rayure.png"))
    assert shown["Content-Disposition"].startswith('inline; filename="rayure.png"')
    shown.close()


def test_a_recording_that_no_browser_plays_is_offered_for_download(sent, awa):
    media = sent(b"#!AMR\n" + b"\x3c" * 32, "audio/amr")
    html = fragments.message(media.event)
    assert "téléchargez-le" in html
    assert "Audio" in html
    shown = open_media(awa, media)
    assert shown["Content-Disposition"].startswith("attachment")
    assert ".amr" in shown["Content-Disposition"]
    shown.close()


def test_an_m4a_is_audio_although_it_is_declared_as_video(sent):
    html = fragments.message(sent(mp4(b"M4A ", b"soun"), "video/mp4").event)
    assert "Audio" in html
    assert "Vidéo" not in html
    assert "MP4" not in html


def test_an_empty_file_says_that_it_is_empty(sent):
    media = sent(b"", DOCX, "vide.docx")
    assert (media.state, media.size) == ("stored", 0)
    html = fragments.message(media.event)
    assert "vide.docx" in html
    assert "fichier vide" in html
    assert "href" not in html


def test_an_empty_picture_is_no_broken_picture(sent):
    assert "<img" not in fragments.message(sent(b"", "image/png").event)
