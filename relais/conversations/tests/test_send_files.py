"""Files are sent one a message, in order, all or none; the text is the caption of the first that shows one."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.utils import timezone

from relais.conversations import fragments
from relais.conversations.errors import CannotSend, StateConflict
from relais.conversations.models import ConversationEvent, Media, MessageDelivery
from relais.files.errors import FileRefused
from relais.files.models import StoredFile, delete_unreferenced, store_file
from relais.files.tests import samples
from relais.files.uploads import OutgoingFile

pytestmark = pytest.mark.usefixtures("clock_starts_now")
JPEG = samples.picture(exif=False)


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"
    return settings.MEDIA_FOLDER


@pytest.fixture
def page(awa):
    browser = Browser()
    browser.force_login(awa)
    return browser


def upload(content, name):
    return SimpleUploadedFile(name, content, content_type="application/x-whatever")


def send(page, conversation, *files, message="", json=True, **fields):
    return page.post(
        f"/dashboard/chat/{conversation.pk}/send",
        {"message": message, "files": [upload(*file) for file in files], **fields},
        **({"HTTP_ACCEPT": "application/json"} if json else {}),
    )


def stored(content=samples.PDF, content_type="application/pdf", name="devis.pdf"):
    return OutgoingFile(
        store_file(BytesIO(content), content_type=content_type, at=timezone.now()), content_type, name
    )


def sent(conversation):
    """Of each message of an agent its text and its file, in order."""
    events = conversation.events.filter(event_type="agent_message").order_by("seq")
    return [(event.body, [media.filename for media in event.media.all()]) for event in events]


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


PICTURE, OTHER_PICTURE = (JPEG, "a.jpg"), (samples.picture("PNG", exif=False), "b.png")
DOCUMENT, VOICE = (samples.PDF, "devis.pdf"), (samples.OGG_OPUS, "note.ogg")


@pytest.mark.parametrize(
    ("files", "message", "messages"),
    [
        ([PICTURE], "Voici", [("Voici", ["a.jpg"])]),
        ([PICTURE], "", [("", ["a.jpg"])]),
        ([PICTURE, OTHER_PICTURE], "Voici", [("Voici", ["a.jpg"]), ("", ["b.png"])]),
        ([DOCUMENT], "Votre devis", [("Votre devis", []), ("", ["devis.pdf"])]),
        ([VOICE, PICTURE], "Écoutez", [("Écoutez", []), ("", ["note.ogg"]), ("", ["a.jpg"])]),
        ([PICTURE, DOCUMENT], "Voici", [("Voici", ["a.jpg"]), ("", ["devis.pdf"])]),
    ],
)
def test_each_file_is_a_message_in_order(page, held_by_awa, files, message, messages):
    response = send(page, held_by_awa, *files, message=message)
    assert response.status_code == 200, response.content
    assert sent(held_by_awa) == messages
    data = response.json()
    assert [each["status"] for each in data["events"]] == ["queued"] * len(messages)
    deliveries = MessageDelivery.objects.filter(event__event_type="agent_message").order_by("pk")
    assert [each["event_id"] for each in data["events"]] == [each.event_id for each in deliveries]
    assert (data["event_id"], data["status"], data["message_sid"]) == (deliveries[0].event_id, "queued", None)


def test_a_file_in_another_field_is_refused_and_the_text_stays(page, held_by_awa):
    response = page.post(
        f"/dashboard/chat/{held_by_awa.pk}/send",
        {"message": "Voici le devis", "file": upload(samples.PDF, "devis.pdf")},
        HTTP_ACCEPT="application/json",
    )
    assert (response.status_code, response.json()["code"]) == (422, "files")
    assert "«\xa0file\xa0»" in response.json()["error"]
    assert sent(held_by_awa) == []


def test_a_text_alone_is_answered_with_its_event(page, held_by_awa):
    data = send(page, held_by_awa, message="Bonjour").json()
    assert [each["event_id"] for each in data["events"]] == [data["event_id"]]


def test_a_stored_file_is_sent_without_an_upload(held_by_awa, awa, clock):
    [delivery] = held_by_awa.send_files_as_agent("", [stored()], agent=awa, at=clock.now)
    assert (delivery.state, sent(held_by_awa)) == ("queued", [("", ["devis.pdf"])])


def test_a_repeated_ref_sends_nothing_twice_and_is_answered_alike(page, held_by_awa):
    first = send(page, held_by_awa, DOCUMENT, PICTURE, message="Voici", ref="r1").json()
    again = send(page, held_by_awa, DOCUMENT, PICTURE, message="Voici", ref="r1").json()
    without_files = send(page, held_by_awa, message="Voici", ref="r1").json()
    assert first["events"] == again["events"] == without_files["events"]
    refs = MessageDelivery.objects.exclude(ref=None).order_by("pk").values_list("ref", flat=True)
    assert list(refs) == ["r1", "r1:1", "r1:2"]


def test_the_longest_ref_has_room_for_all_messages(page, held_by_awa):
    response = send(page, held_by_awa, *[DOCUMENT] * 10, message="Voici", ref="r" * 64)
    assert len(response.json()["events"]) == 11
    assert MessageDelivery.objects.filter(ref="r" * 64 + ":10").exists()


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ([(b"MZ" + bytes(60), "facture.pdf")], "media_type", ["facture.pdf", "PDF"]),
        ([(b"", "vide.pdf")], "media_empty", ["vide.pdf"]),
        ([(samples.mp4(payload=bytes(16 * 1024 * 1024)), "film.mp4")], "media_too_large", ["film.mp4", "16"]),
        ([PICTURE, (b"<html>", "page.jpg")], "media_type", ["page.jpg"]),
        ([DOCUMENT] * 11, "too_many_files", ["10"]),
    ],
)
def test_what_the_channel_does_not_take_is_refused_and_nothing_is_stored(
    page, held_by_awa, folders, files, code, words
):
    response = send(page, held_by_awa, *files, message="Voici")
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert all(word in response.json()["error"] for word in words)
    assert (sent(held_by_awa), StoredFile.objects.count(), files_in(folders)) == ([], 0, [])


def test_without_scripts_a_refusal_keeps_the_text(page, held_by_awa):
    response = send(page, held_by_awa, (b"MZ", "x.exe"), message="Mon long texte", json=False)
    assert response.status_code == 422
    assert "Mon long texte" in response.content.decode() and "x.exe" in response.content.decode()


def test_without_scripts_files_are_sent(page, held_by_awa):
    response = send(page, held_by_awa, PICTURE, json=False)
    assert (response.status_code, sent(held_by_awa)) == (302, [("", ["a.jpg"])])


def test_a_converted_picture_gets_the_name_of_what_it_is(page, held_by_awa):
    send(page, held_by_awa, (samples.HEIC, "IMG_1.HEIC"))
    media = Media.objects.get()
    assert (media.filename, media.content_type) == ("IMG_1.jpg", "image/jpeg")


def test_who_does_not_hold_the_conversation_stores_nothing(held_by_awa, koffi, folders):
    browser = Browser()
    browser.force_login(koffi)
    assert send(browser, held_by_awa, PICTURE).status_code == 403
    assert (sent(held_by_awa), files_in(folders)) == ([], [])


def test_out_of_reach_is_404(held_by_awa, yao, sales):
    type(held_by_awa).objects.filter(pk=held_by_awa.pk).update(team=sales)
    browser = Browser()
    browser.force_login(yao)
    assert send(browser, held_by_awa, PICTURE).status_code == 404


def test_after_the_end_and_outside_the_window_nothing_is_stored(held_by_awa, awa, clock, page, folders):
    with pytest.raises(CannotSend):
        held_by_awa.send_files_as_agent("", [stored()], agent=awa, at=clock.now + timedelta(hours=25))
    held_by_awa.close(awa, at=clock.now)
    with pytest.raises(StateConflict):
        held_by_awa.send_files_as_agent("", [stored()], agent=awa, at=clock.now)
    before = StoredFile.objects.count()
    assert send(page, held_by_awa, PICTURE).status_code == 409
    assert (StoredFile.objects.count(), sent(held_by_awa)) == (before, [])


def test_a_public_address_that_twilio_does_not_reach_is_said(page, held_by_awa, settings):
    settings.PUBLIC_BASE_URL = "http://localhost:8000"
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_api_base_url="")
    response = send(page, held_by_awa, PICTURE)
    assert (response.status_code, response.json()["code"]) == (422, "media_unreachable")
    assert "PUBLIC_BASE_URL" in response.json()["error"]


def test_all_messages_or_none(held_by_awa, awa, clock):
    gone = stored(b"%PDF-1.2")
    delete_unreferenced(at=timezone.now() + timedelta(days=2))
    kept = stored()
    with pytest.raises(FileRefused):
        held_by_awa.send_files_as_agent("Voici", [kept, gone], agent=awa, at=clock.now)
    assert (
        sent(held_by_awa),
        MessageDelivery.objects.filter(by_person=True, event__author_kind="agent").count(),
    ) == ([], 0)


def test_an_error_before_the_commit_leaves_nothing_after_the_clean_up(
    page, held_by_awa, folders, monkeypatch
):
    def broken(*args, **options):
        raise RuntimeError

    monkeypatch.setattr("relais.conversations.models.Conversation.send_files_as_agent", broken)
    with pytest.raises(RuntimeError):
        send(page, held_by_awa, PICTURE, ref="r1")
    assert len(files_in(folders)) == 1
    monkeypatch.undo()
    assert send(page, held_by_awa, PICTURE, ref="r1").status_code == 200  # The page tries again.
    assert (len(sent(held_by_awa)), len(files_in(folders))) == (1, 1)
    send(page, held_by_awa, DOCUMENT)
    assert delete_unreferenced(at=timezone.now() + timedelta(days=2)) == 0


def test_undo_withdraws_the_whole_send(held_by_awa, awa, clock):
    deliveries = held_by_awa.send_files_as_agent(
        "Voici", [stored(), stored(JPEG, "image/jpeg", "a.jpg")], agent=awa, at=clock.now, undo_seconds=5
    )
    other = held_by_awa.send_as_agent("Autre", agent=awa, at=clock.now, undo_seconds=5)
    held_by_awa.undo_send(deliveries[1].event, agent=awa, at=clock.now)
    states = MessageDelivery.objects.filter(pk__in=[each.pk for each in deliveries])
    assert {(each.state, each.reason) for each in states} == {("refused", "undone")}
    other.refresh_from_db()
    assert other.state == "queued"


def test_undo_withdraws_nothing_once_the_first_has_left(held_by_awa, awa, clock):
    deliveries = held_by_awa.send_files_as_agent(
        "Voici", [stored(), stored(JPEG, "image/jpeg", "a.jpg")], agent=awa, at=clock.now, undo_seconds=5
    )
    MessageDelivery.objects.filter(pk=deliveries[0].pk).update(
        attempt=1, state="sending", claimed_by="x", lease_until=clock.now
    )
    with pytest.raises(StateConflict):
        held_by_awa.undo_send(deliveries[2].event, agent=awa, at=clock.now)
    assert MessageDelivery.objects.filter(reason="undone").count() == 0


def test_undo_answers_with_every_message(page, held_by_awa, awa):
    awa.undo_seconds = 5
    awa.save()
    data = send(page, held_by_awa, DOCUMENT, message="Voici", undo="1").json()
    answer = page.post(
        f"/dashboard/chat/{held_by_awa.pk}/undo-send",
        {"event": data["event_id"]},
        HTTP_ACCEPT="application/json",
    ).json()
    assert [each["status"] for each in answer["events"]] == ["refused", "refused"]
    assert len(answer["fragments"]) == 2


def test_a_failed_file_is_sent_again_as_the_same_file(held_by_awa, awa, clock):
    [delivery] = held_by_awa.send_files_as_agent("", [stored()], agent=awa, at=clock.now)
    delivery.mark_failed(at=clock.now, code=63019, error="x")
    again = held_by_awa.resend(delivery.event, agent=awa, at=clock.now)
    media = again.event.media.get()
    assert (media.file, media.filename) == (delivery.event.media.get().file, "devis.pdf")
    assert StoredFile.objects.count() == 1


def test_the_bubble_shows_the_file_like_a_received_one(held_by_awa, awa, clock):
    deliveries = held_by_awa.send_files_as_agent(
        "Voici", [stored(JPEG, "image/jpeg", "a.jpg"), stored()], agent=awa, at=clock.now
    )
    picture, document = (
        fragments.message(ConversationEvent.objects.get(pk=each.event_id)) for each in deliveries
    )
    media = Media.objects.order_by("pk")
    assert f'href="/dashboard/pictures/{media[0].pk}"' in picture and "Voici" in picture
    assert f'href="/dashboard/media/{media[1].pk}"' in document and "devis.pdf" in document


def test_an_agents_file_is_shown_within_reach(page, held_by_awa, yao, sales):
    send(page, held_by_awa, DOCUMENT)
    media = Media.objects.get()
    response = page.get(f"/dashboard/media/{media.pk}")
    assert (response["Content-Type"], b"".join(response.streaming_content)) == (
        "application/pdf",
        samples.PDF,
    )
    type(held_by_awa).objects.filter(pk=held_by_awa.pk).update(team=sales)
    stranger = Browser()
    stranger.force_login(yao)
    assert stranger.get(f"/dashboard/media/{media.pk}").status_code == 404
