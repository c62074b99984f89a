"""After its download a file is scanned, if there is a scanner, and gets its preview; screens hear of both."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.conversations import fragments
from relais.conversations.file_checks import (
    MAX_PAUSE_SECONDS,
    ScanRetryStrategy,
    defer_overdue_previews,
    preview,
    scan,
)
from relais.conversations.models import Conversation, ConversationEvent, Media
from relais.conversations.tests.received_files import receive, run_file_jobs
from relais.files.errors import FileRefused
from relais.files.models import StoredFile, lock_stored_files
from relais.files.tests import samples
from relais.files.tests.clamd_double import EICAR, running_clamd
from relais.files.virus_scanner import ScannerUnavailable

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


@pytest.fixture
def clamd(settings):
    with running_clamd() as server:
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, clamav_url=server.url)
        yield server


def status_of(client, path):
    response = client.get(path)
    response.close()
    return response.status_code


def render(media):
    return fragments.message(ConversationEvent.objects.get(pk=media.event_id))


def test_a_picture_gets_its_thumbnail_by_a_job_and_screens_hear_of_it(fatou_writes):
    media = receive(fatou_writes, samples.picture(), "image/jpeg")
    assert "<img" not in render(media) and f"/dashboard/pictures/{media.pk}" in render(media)
    before = Conversation.objects.get().rev
    assert run_file_jobs() == ["preview_media"]
    media.refresh_from_db()
    assert media.rev == Conversation.objects.get().rev == before + 1
    assert f'src="/dashboard/media/{media.pk}/thumbnail"' in render(media)


def test_the_same_picture_again_needs_no_job(fatou_writes):
    receive(fatou_writes, samples.picture(), "image/jpeg")
    run_file_jobs()
    again = receive(fatou_writes, samples.picture(), "image/jpeg")
    assert run_file_jobs() == []
    assert "/thumbnail" in render(again)


def test_a_picture_that_cannot_be_read_is_a_file(fatou_writes):
    media = receive(fatou_writes, b"\xff\xd8\xff" + bytes(99), "image/jpeg", "p.jpg")
    run_file_jobs()
    assert "<img" not in render(media) and f'href="/dashboard/media/{media.pk}"' in render(media)


def test_a_preview_of_what_is_gone_does_nothing(fatou_writes):
    media = receive(fatou_writes, samples.PDF, "application/pdf")
    Media.objects.update(state="infected")
    preview(media.pk, at=timezone.now())
    preview(0, at=timezone.now())
    assert StoredFile.objects.get().previewed_at is None


def test_files_without_preview_are_found_later(fatou_writes):
    receive(fatou_writes, samples.PDF, "application/pdf")
    ProcrastinateJob.objects.all().delete()
    defer_overdue_previews(at=timezone.now())
    assert run_file_jobs() == []
    defer_overdue_previews(at=timezone.now() + timedelta(hours=1))
    assert run_file_jobs() == ["preview_media"]


def test_without_a_scanner_nothing_waits(fatou_writes):
    assert receive(fatou_writes, samples.PDF, "application/pdf").state == "stored"


def test_a_file_is_not_served_before_its_scan(fatou_writes, client, awa, clamd):
    media = receive(fatou_writes, samples.picture(), "image/jpeg", "photo.jpg")
    client.force_login(awa)
    paths = [
        f"/dashboard/media/{media.pk}",
        f"/dashboard/media/{media.pk}/thumbnail",
        f"/dashboard/pictures/{media.pk}",
    ]
    assert media.state == "scanning"
    assert [status_of(client, path) for path in paths] == [404, 404, 404]
    assert "Analyse antivirus en cours" in render(media) and "href" not in render(media)
    before = Conversation.objects.get().rev
    assert run_file_jobs() == ["scan_media", "preview_media"]
    assert clamd.scanned == [samples.picture()]
    assert [status_of(client, path) for path in paths] == [200, 200, 200]
    assert Conversation.objects.get().rev == before + 2


def test_an_infected_file_is_never_served_and_the_thread_says_so(
    fatou_writes, client, awa, clamd, settings, caplog
):
    media = receive(fatou_writes, EICAR, "application/pdf", "facture.pdf")
    assert run_file_jobs() == ["scan_media"]
    media.refresh_from_db()
    assert (media.state, media.error) == ("infected", "Eicar-Test-Signature")
    html = render(media)
    assert (
        "Virus trouvé" in html
        and "Eicar-Test-Signature" in html
        and "facture.pdf" in html
        and "href" not in html
    )
    client.force_login(awa)
    assert client.get(f"/dashboard/media/{media.pk}").status_code == 404
    assert not list((settings.MEDIA_FOLDER / "sha256").rglob("*/*"))
    assert "infected file quarantined" in caplog.text
    with pytest.raises(FileRefused), transaction.atomic():
        lock_stored_files([media.file_id])  # nor sent to anybody


def test_the_same_content_elsewhere_is_quarantined_too(fatou_writes, clamd, settings):
    known = settings.ENVIRONMENT
    settings.ENVIRONMENT = replace(known, clamav_url="")
    earlier = receive(fatou_writes, EICAR, "text/plain")
    settings.ENVIRONMENT = known
    receive(fatou_writes, EICAR, "text/plain")
    run_file_jobs()
    assert {media.state for media in Media.objects.all()} == {"infected"}
    later = receive(fatou_writes, EICAR, "text/plain")
    assert (later.state, run_file_jobs()) == ("infected", [])
    assert Media.objects.get(pk=earlier.pk).rev > 0


def test_without_the_scanner_files_wait_and_are_scanned_later(fatou_writes, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, clamav_url="tcp://127.0.0.1:1")
    media = receive(fatou_writes, samples.PDF, "application/pdf")
    with pytest.raises(ScannerUnavailable):
        scan(media.pk)
    assert Media.objects.get().state == "scanning"
    with running_clamd() as server:
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, clamav_url=server.url)
        scan(media.pk)
        scan(media.pk)
    assert len(server.scanned) == 1 and Media.objects.get().state == "stored"


def test_a_scan_is_retried_without_end_ever_more_slowly():
    pauses = [
        ScanRetryStrategy()
        .get_retry_decision(exception=ScannerUnavailable(), job=SimpleNamespace(attempts=attempts))
        .retry_at
        - timezone.now()
        for attempts in (0, 3, 1000)
    ]
    assert sorted(pauses) == pauses
    assert pauses[-1] <= timedelta(seconds=MAX_PAUSE_SECONDS)


def test_when_the_scanner_is_turned_off_what_waits_is_shown(fatou_writes, clamd, settings):
    receive(fatou_writes, samples.PDF, "application/pdf")
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, clamav_url="")
    assert run_file_jobs() == ["scan_media", "preview_media"]
    assert Media.objects.get().state == "stored"
