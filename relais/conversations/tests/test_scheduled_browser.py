"""Scheduling in a real browser: from the composer, edited, cancelled, seen live by a colleague, and leaving."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from relais.conversations.models import Conversation
from relais.conversations.scheduled_messages import ScheduledMessage, send_due
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def open_dialog(page: Page):
    page.keyboard.press("Alt+p")
    dialog = page.get_by_role("dialog", name="Programmer l'envoi")
    expect(dialog).to_be_visible()
    return dialog


def card(page: Page, text: str):
    return page.locator(".scheduled:visible", has_text=text)


def test_it_is_scheduled_edited_and_leaves_before_a_colleague(run_story, awa, koffi, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page, colleague = browsers.open_page(awa, chat), browsers.open_page(koffi, chat)
        expect_live(page, colleague)
        field = page.get_by_role("textbox", name=re.compile("^Votre message"))
        field.fill("Votre voiture est prête")
        dialog = open_dialog(page)
        expect(dialog.get_by_label("Message")).to_have_value("Votre voiture est prête")
        dialog.get_by_label("Demain matin").check()
        dialog.get_by_role("button", name="Programmer").click()
        expect(dialog).to_have_count(0)
        expect(field).to_have_value("")
        for each in (page, colleague):
            expect(card(each, "Votre voiture est prête")).to_have_count(1)
        # Personal: only the author may change it.
        expect(card(page, "prête").get_by_role("button", name="Modifier")).to_be_visible()
        expect(card(colleague, "prête").get_by_role("button", name="Modifier")).to_be_hidden()
        expect(card(colleague, "prête").get_by_role("button", name="Annuler l'envoi")).to_be_hidden()

        card(page, "prête").get_by_role("button", name="Modifier").click()
        dialog = page.get_by_role("dialog", name="Message programmé")
        dialog.get_by_label("Message").fill("Votre Clio est prête")
        dialog.get_by_label("Dans une heure").check()
        dialog.get_by_role("button", name="Enregistrer").click()
        for each in (page, colleague):
            expect(card(each, "Votre Clio est prête")).to_have_count(1)
            expect(card(each, "Votre voiture est prête")).to_have_count(0)

        send_due(ScheduledMessage.objects.all(), at=timezone.now() + timedelta(hours=2))
        for each in (page, colleague):
            expect(each.locator(".message", has_text="Votre Clio est prête")).to_have_count(1)
            expect(each.locator(".scheduled:visible")).to_have_count(0)

    run_story(story)


def test_it_is_cancelled_and_what_is_withheld_says_why_to_everyone(
    run_story, awa, mariam, koffi, chat, held_by_awa
):
    def story(browsers: Browsers) -> None:
        page, supervisor = browsers.open_page(awa, chat), browsers.open_page(mariam, chat)
        expect_live(page, supervisor)
        for text in ("À annuler", "À retenir"):
            dialog = open_dialog(page)
            dialog.get_by_label("Message").fill(text)
            dialog.get_by_role("button", name="Programmer").click()
            expect(card(supervisor, text)).to_have_count(1)
        # A supervisor cancels for everyone.
        card(supervisor, "À annuler").get_by_role("button", name="Annuler l'envoi").click()
        for each in (page, supervisor):
            expect(card(each, "À annuler")).to_have_count(0)
        Conversation.objects.get(pk=held_by_awa.pk).reassign(koffi, by=mariam, at=timezone.now())
        send_due(ScheduledMessage.objects.all(), at=timezone.now() + timedelta(hours=2))
        for each in (page, supervisor):
            expect(card(each, "À retenir")).to_contain_text("changé de mains")
            expect(each.locator(".line--scheduled_withheld")).to_contain_text("Awa Diop")

    run_story(story)


def test_outside_the_window_the_dialog_warns_and_offers_a_template(run_story, awa, chat, held_by_awa):
    Conversation.objects.filter(pk=held_by_awa.pk).update(
        last_inbound_at=timezone.now() - timedelta(hours=23)
    )

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, timezone_id="Africa/Abidjan")
        expect_live(page)
        dialog = open_dialog(page)
        warning = dialog.locator("[data-schedule-warning]")
        dialog.get_by_label("À une date").check()
        moment = (timezone.localtime(timezone=ZoneInfo("Africa/Abidjan")) + timedelta(minutes=30)).strftime(
            "%Y-%m-%dT%H:%M"
        )
        dialog.get_by_label("Date et heure").fill(moment)
        expect(warning).to_be_hidden()
        dialog.get_by_label("Demain matin").check()
        expect(warning).to_contain_text("fenêtre de 24 h")
        dialog.get_by_role("link", name="Programmer un modèle").click()
        expect(page.get_by_role("dialog", name="Choisir un modèle")).to_be_visible()

    run_story(story)


def test_files_of_the_composer_are_scheduled_and_a_refusal_keeps_everything(
    run_story, awa, chat, held_by_awa
):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        pdf = {"name": "devis.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7\n1 0 obj\n%%EOF\n"}
        page.locator("[data-composer] [data-files]").set_input_files([pdf])
        dialog = open_dialog(page)
        expect(dialog.get_by_role("list", name="Fichiers")).to_contain_text("devis.pdf")
        dialog.get_by_label("À une date").check()
        dialog.get_by_role("button", name="Programmer").click()
        expect(dialog.get_by_role("alert")).to_contain_text("Indiquez une date et une heure")
        expect(page.locator("[data-file-list]")).to_contain_text("devis.pdf")
        dialog.get_by_label("Dans une heure").check()
        dialog.get_by_role("button", name="Programmer").click()
        expect(card(page, "devis.pdf")).to_have_count(1)
        expect(page.locator("[data-file-list]")).to_be_hidden()

    run_story(story, allow_console_errors="422")
    [scheduled] = ScheduledMessage.objects.all()
    assert [file.filename for file in scheduled.files.all()] == ["devis.pdf"]
