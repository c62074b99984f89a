"""A quick reply with files in the composer: attached without an upload, shown, removed, sent."""

from io import BytesIO

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.conversations.models import Media
from relais.conversations.tests.received_files import run_file_jobs
from relais.files.models import StoredFile, store_file
from relais.files.tests import samples
from relais.files.uploads import OutgoingFile
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target
from tests.accessibility import violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_FOLDER, settings.UPLOAD_FOLDER = tmp_path / "media", tmp_path / "uploads"


@pytest.fixture
def reply(awa, clock):
    files = [
        OutgoingFile(store_file(BytesIO(content), content_type=kind, at=timezone.now()), kind, name)
        for content, kind, name in (
            (samples.picture(exif=False), "image/jpeg", "garage.jpg"),
            (samples.PDF, "application/pdf", "devis.pdf"),
            (samples.VCARD, "text/vcard", "awa.vcf"),
        )
    ]
    target = parse_target("mine", awa)
    return QuickReply.create(
        by=awa, target=target, shortcut="devis", title="", text="Voici, {prénom}", at=clock.now, files=files
    )


def test_a_reply_attaches_its_files_which_are_removed_and_sent(run_story, awa, held_by_awa, reply):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        field = page.get_by_role("textbox", name="Votre message")
        field.press_sequentially("/devis")
        expect(page.get_by_role("option")).to_contain_text(["garage.jpg, devis.pdf, awa.vcf"])
        field.press("Enter")
        attached = page.get_by_role("list", name="Fichiers à envoyer").get_by_role("listitem")
        expect(attached).to_have_count(3)
        expect(attached.first.locator("img")).to_be_visible()
        assert not list(violations(page, "light", "files of a quick reply"))
        page.get_by_role("button", name="Retirer awa.vcf").click()
        expect(attached).to_have_count(2)
        expect(field).to_be_focused()
        expect(field).to_have_value("Voici, Fatou")
        field.press("Enter")
        bubbles = page.locator("#thread .message--agent")
        expect(bubbles).to_have_count(2)
        expect(bubbles.first).to_contain_text("Voici, Fatou")
        run_file_jobs()
        expect(bubbles.first.locator("img")).to_be_visible()
        expect(bubbles.last).to_contain_text("devis.pdf")
        expect(attached).to_have_count(0)

    run_story(story)
    assert list(Media.objects.order_by("pk").values_list("filename", flat=True)) == [
        "garage.jpg",
        "devis.pdf",
    ]
    assert StoredFile.objects.filter(thumbnail_of=None).count() == 3


def test_the_files_go_without_a_text(run_story, awa, held_by_awa, reply):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        field = page.get_by_role("textbox", name="Votre message")
        field.press_sequentially("/devis")
        expect(page.get_by_role("option")).to_have_count(1)
        field.press("Enter")
        expect(field).to_have_value("Voici, Fatou")
        field.fill("")
        field.press("Enter")
        expect(page.locator("#thread .message--agent")).to_have_count(3)

    run_story(story)
    assert [event.body for event in held_by_awa.events.filter(event_type="agent_message")] == ["", "", ""]
