"""Files in the composer: chosen, listed, removed, pasted, and sent with the text."""

import pytest
from playwright.sync_api import expect

from relais.conversations.models import Media
from relais.files.tests import samples
from tests.browser import expect_live

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


def test_on_a_phone_the_tools_are_one_menu(run_story, awa, held_by_awa):
    def story(browsers):
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}", **phone)
        expect_live(page)
        menu = page.locator("#composer-menu")
        expect(menu).to_be_hidden()
        page.get_by_role("button", name="Ajouter").click()
        expect(menu.get_by_text("Joindre des fichiers")).to_be_visible()
        menu.get_by_role("button", name="Réponses rapides").click()
        expect(menu).to_be_hidden()
        expect(page.get_by_role("textbox", name="Votre message")).to_have_value("/")
        page.get_by_role("textbox", name="Votre message").fill("")
        page.get_by_label("Prendre une photo").set_input_files([chosen("IMG_1.jpg", samples.picture())])
        listed = page.get_by_role("list", name="Fichiers à envoyer").get_by_role("listitem")
        expect(listed).to_have_count(1)
        page.get_by_label("Prendre une photo").set_input_files([chosen("IMG_2.jpg", samples.picture())])
        expect(listed).to_have_count(2)

    run_story(story)


def test_a_key_opens_the_file_dialog(run_story, awa, held_by_awa):
    def story(browsers):
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Alt+j")
        chooser.value.set_files([chosen("devis.pdf", samples.PDF)])
        expect(page.get_by_role("button", name="Retirer devis.pdf")).to_be_visible()

    run_story(story)
