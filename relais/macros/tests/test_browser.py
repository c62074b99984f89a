"""Macros in a browser: a whole one by keyboard alone, with a colleague and the client; on a phone; the form of one."""

import re

import pytest
from playwright.sync_api import expect

from relais.accounts.models import Language
from relais.conversations.models import Conversation
from relais.macros.models import Macro
from relais.macros.tests.conftest import CLOSE, NOTE, SEND, TAG
from relais.notes.models import Note
from tests.accessibility import NARROW, THEMES, WIDE, in_theme, violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture
def chat(held_by_awa):
    return f"/dashboard/chat/{held_by_awa.pk}"


@pytest.fixture
def macros(create_macro, mariam, awa):
    create_macro(mariam, SEND, TAG, NOTE, shortcut="suivi", title="Devis à suivre", scope="all")
    create_macro(mariam, SEND, CLOSE, shortcut="clore", title="Devis envoyé, clore", scope="all")
    create_macro(awa, NOTE, shortcut="mémo", title="Mémo d'été")


def dialog_of(page):
    return page.locator("#macro-dialog")


def open_picker(page):
    page.locator("[data-thread]").focus()
    page.keyboard.press("m")
    field = dialog_of(page).get_by_role("searchbox")
    expect(field).to_be_focused()
    return field


def bubbles(page):
    return page.locator("#thread .message--agent .bubble__text")


def test_a_whole_macro_by_keyboard_alone(run_story, awa, koffi, chat, macros, held_by_awa):
    def story(browsers: Browsers) -> None:
        page, colleague = browsers.open_page(awa, chat), browsers.open_page(koffi, chat)
        expect_live(page, colleague)
        page.evaluate("window.isSamePage = true")
        open_picker(page)
        links = dialog_of(page).locator("[data-macro-open]:visible")
        expect(links).to_have_count(3)
        page.keyboard.type("ETE")
        expect(links).to_have_count(1)
        for _ in "ETE":
            page.keyboard.press("Backspace")
        page.keyboard.press("ArrowDown")
        expect(links.first).to_be_focused()
        page.keyboard.press("ArrowUp")
        expect(dialog_of(page).get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("suivi")
        page.keyboard.press("Enter")
        run = dialog_of(page).get_by_role("button", name="Exécuter")
        expect(run).to_be_focused()
        expect(dialog_of(page)).to_contain_text("Ajouter l'étiquette « devis »")
        text = dialog_of(page).get_by_role("textbox", name="Texte de l'étape 1")
        expect(text).to_have_value("Bonjour Fatou, Awa Diop à votre service.")
        text.focus()
        page.keyboard.press("End")
        page.keyboard.type(" À bientôt.")
        page.keyboard.press("Control+Enter")
        expect(page.locator("dialog[open]")).to_have_count(0)
        for each in (page, colleague):
            expect(bubbles(each)).to_have_text(["Bonjour Fatou, Awa Diop à votre service. À bientôt."])
            expect(each.locator("#thread .note")).to_contain_text("Devis envoyé à Fatou.")
            expect(each.locator("#client .tag")).to_contain_text("devis")
        assert page.evaluate("window.isSamePage")
        assert Note.objects.count() == 1

    run_story(story)
    assert Macro.objects.get(shortcut="suivi").use_count == 1


def test_closing_by_a_macro_is_undone_with_its_text(run_story, awa, chat, macros, held_by_awa):
    awa.undo_seconds = 60
    awa.save()

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        open_picker(page)
        page.keyboard.type("clore")
        page.keyboard.press("Enter")
        expect(dialog_of(page)).to_contain_text("Le client reçoit")
        expect(dialog_of(page).get_by_role("button", name="Exécuter")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/dashboard/active$"))
        expect(page.locator("#notices")).to_contain_text("Macro « Devis envoyé, clore » exécutée.")
        page.locator("#notices").get_by_role("button", name="Annuler").click()
        expect(page).to_have_url(re.compile(f"{chat}$"))
        expect(page.locator("#notices")).to_contain_text("Le client n'a rien reçu")
        expect(page.locator("[data-composer] textarea")).to_be_visible()

    run_story(story)
    held_by_awa.refresh_from_db()
    assert held_by_awa.is_held_by(awa)
    assert (
        not held_by_awa.deliveries.filter(event__event_type="agent_message").exclude(reason="undone").exists()
    )


def test_a_colleague_was_faster(run_story, awa, koffi, mariam, chat, macros, held_by_awa, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        open_picker(page)
        page.keyboard.type("suivi")
        page.keyboard.press("Enter")
        expect(dialog_of(page).get_by_role("button", name="Exécuter")).to_be_focused()
        Conversation.objects.get(pk=held_by_awa.pk).reassign(koffi, by=mariam, at=clock.now)
        page.keyboard.press("Enter")
        expect(dialog_of(page).get_by_role("alert")).to_contain_text("Koffi Mensah tient cette conversation")
        expect(dialog_of(page).get_by_role("alert")).to_contain_text("Rien n'a été fait")
        page.keyboard.press("Escape")
        page.locator("[data-thread]").focus()
        open_picker(page)
        page.keyboard.type("suivi")
        page.keyboard.press("Enter")
        expect(dialog_of(page)).to_contain_text("Koffi Mensah tient cette conversation")
        expect(dialog_of(page).get_by_role("button", name="Exécuter")).to_have_count(0)

    run_story(story, allow_console_errors="403")
    assert bubbles_in_database(held_by_awa) == 0


def bubbles_in_database(conversation):
    return conversation.events.filter(event_type="agent_message").count()


def test_the_command_bar_opens_the_preview(run_story, awa, chat, macros):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Chercher et agir").fill("memo")
        option = page.get_by_role("option", name=re.compile("Mémo d'été"))
        expect(option).to_be_visible()
        page.keyboard.press("Enter")
        expect(dialog_of(page).get_by_role("heading", name="Mémo d'été")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.locator("#thread .note")).to_contain_text("Devis envoyé à Fatou.")

    run_story(story)


def test_by_touch_on_a_phone(run_story, awa, chat, macros):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, viewport=NARROW, has_touch=True, is_mobile=True)
        expect_live(page)
        page.get_by_role("button", name="Macros").tap()
        dialog_of(page).get_by_role("link", name=re.compile("Devis à suivre")).tap()
        dialog_of(page).get_by_role("link", name="Autres macros").tap()
        dialog_of(page).get_by_role("link", name=re.compile("Devis à suivre")).tap()
        dialog_of(page).get_by_role("button", name="Exécuter").tap()
        expect(bubbles(page)).to_have_text(["Bonjour Fatou, Awa Diop à votre service."])

    run_story(story)


def test_without_scripts(run_story, awa, chat, macros):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, java_script_enabled=False)
        page.get_by_role("button", name="Macros").click()
        page.get_by_role("searchbox").fill("suivi")
        page.get_by_role("button", name="Chercher").last.click()
        page.get_by_role("link", name=re.compile("Devis à suivre")).click()
        page.get_by_role("textbox", name="Texte de l'étape 1").fill("Autrement")
        page.get_by_role("button", name="Exécuter").click()
        expect(page).to_have_url(re.compile(f"{chat}$"))
        expect(page.locator("#thread")).to_contain_text("Autrement")

    run_story(story)


def test_the_form_of_a_macro_by_keyboard(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/macros")
        expect_live(page)
        page.keyboard.press("n")
        expect(page).to_have_url(re.compile("/macros/new$"))
        expect_live(page)
        page.get_by_label("Nom").fill("Clore")
        page.get_by_role("textbox", name="Raccourci").fill("clore")
        page.get_by_role("button", name="Clôturer").press("Enter")
        expect(page.get_by_label("Motif")).to_be_focused()
        page.keyboard.type("Devis envoyé")
        page.get_by_role("button", name="Envoyer un texte au client").press("Enter")
        steps = page.locator("[data-steps] > li")
        expect(steps).to_have_count(2)
        expect(steps.nth(1).locator("textarea")).to_be_focused()
        page.keyboard.type("Bonjour ")
        steps.nth(1).get_by_role("button", name="{prénom}").press("Enter")
        expect(page.locator("#preview")).to_contain_text("suit la clôture")
        page.keyboard.press("Alt+ArrowUp")
        expect(steps.nth(0).locator("textarea")).to_be_focused()
        expect(steps.nth(0).locator("legend")).to_have_text("1. Envoyer un texte au client")
        expect(page.locator("#preview")).to_contain_text("Bonjour Fatou")
        page.get_by_role("button", name="Mettre en pause").press("Enter")
        expect(steps).to_have_count(3)
        expect(page.locator("#preview")).to_contain_text("Étape 3")
        steps.nth(2).get_by_role("button", name="Retirer l'étape").press("Enter")
        expect(steps).to_have_count(2)
        expect(steps.nth(1).get_by_role("button", name="Retirer l'étape")).to_be_focused()
        expect(page.locator("#preview li")).to_have_count(2)
        page.get_by_label("Nom").press("Enter")
        expect(page).to_have_url(re.compile("/dashboard/macros$"))

    run_story(story)
    macro = Macro.objects.get()
    assert macro.steps == [
        {"type": "send", "text": "Bonjour {prénom}"},
        {"type": "close", "reason": "Devis envoyé"},
    ]


@pytest.mark.parametrize("language", [Language.FRENCH, Language.ARABIC])
@pytest.mark.parametrize("theme", THEMES)
def test_they_are_accessible(run_story, theme, language, mariam, waiting, create_macro, macros, clock):
    mariam.language = language
    mariam.save()
    waiting.take_over(mariam, at=clock.now)
    everything = create_macro(
        mariam,
        *(SEND, NOTE, TAG, {"type": "transfer", "agent": mariam.pk, "note": "à suivre"}),
        shortcut="tout",
        title="Tout",
    )

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, "/dashboard/macros", in_theme(theme))
        problems = list(violations(page, theme, "the list"))
        for path in (f"/{everything.pk}", "/new", "?q=zzz"):
            page.goto(f"{browsers.url}/dashboard/macros{path}")
            problems += violations(page, theme, path)
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        chat = f"{browsers.url}/dashboard/chat/{waiting.pk}"
        for path in ("", f"/{everything.pk}"):
            page.goto(f"{chat}/macros{path}")
            problems += violations(page, theme, f"as a page: {path}")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        page.goto(chat)
        expect_live(page)
        open_picker(page)
        problems += violations(page, theme, "the dialog")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        page.keyboard.type("tout")
        page.keyboard.press("Enter")
        expect(dialog_of(page).locator("[data-run]")).to_be_focused()
        problems += violations(page, theme, "the preview")
        assert problems == []

    run_story(story)


def test_a_slash_in_the_composer_finds_macros(run_story, awa, chat, macros, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        field = page.locator("[data-composer] textarea")
        field.press_sequentially("Je note. /suivi")
        option = page.get_by_role("option")
        expect(option).to_have_count(1)
        expect(option).to_contain_text("Devis à suivre")
        expect(option).to_contain_text("ouvre son aperçu")
        field.press("Enter")
        expect(dialog_of(page).get_by_role("heading")).to_have_text("Devis à suivre")
        expect(field).to_have_value("Je note. ")
        dialog_of(page).get_by_role("button", name="Exécuter").click()
        expect(bubbles(page)).to_have_count(1)

    run_story(story)
    assert held_by_awa.events.filter(event_type="agent_message").count() == 1
