"""Files in the composer: chosen, listed, removed, pasted, and sent with the text."""

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Media
from relais.files.tests import samples

from .test_send_files import folders  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("clock_starts_now")


def chosen(name, content, mime="application/octet-stream"):
    return {"name": name, "mimeType": mime, "buffer": content}


def test_an_agent_sends_files_with_a_text(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        files = page.get_by_label("Joindre des fichiers")
        files.set_input_files(
            [
                chosen("a.jpg", samples.picture(exif=False)),
                chosen("devis.pdf", samples.PDF),
                chosen("x.pdf", samples.PDF),
            ]
        )
        listed = page.get_by_role("list", name="Fichiers à envoyer").get_by_role("listitem")
        expect(listed).to_have_count(3)
        page.get_by_role("button", name="Retirer x.pdf").click()
        expect(listed).to_have_count(2)
        page.get_by_role("textbox", name="Votre message").fill("Voici votre devis")
        page.keyboard.press("Enter")
        bubbles = page.locator("#thread .message--agent")
        expect(bubbles).to_have_count(2)
        expect(bubbles.first).to_contain_text("Voici votre devis")
        expect(bubbles.first.locator("img")).to_be_visible()
        expect(bubbles.last).to_contain_text("devis.pdf")
        expect(page.get_by_role("textbox", name="Votre message")).to_have_value("")

    run_story(story)
    assert list(Media.objects.order_by("pk").values_list("filename", flat=True)) == ["a.jpg", "devis.pdf"]


def test_a_refused_file_keeps_the_text(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        page.get_by_label("Joindre des fichiers").set_input_files([chosen("facture.pdf", b"MZ" + bytes(60))])
        expect(page.get_by_role("list", name="Fichiers à envoyer")).to_be_visible()
        page.get_by_role("textbox", name="Votre message").fill("Mon long texte")
        page.get_by_role("button", name="Envoyer").click()
        expect(page.locator("#composer .notice--error")).to_contain_text("facture.pdf")
        expect(page.get_by_role("textbox", name="Votre message")).to_have_value("Mon long texte")

    run_story(story, allow_console_errors="422")
    assert not Media.objects.exists()
