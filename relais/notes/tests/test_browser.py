"""Notes in the browser: the note composer, @mentions, editing and deleting, and texts that look like notes."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from relais.notes.models import Note, NoteMention
from tests.accessibility import NARROW, THEMES, WIDE, in_theme, violations
from tests.browser import Browsers, expect_live
from tests.cast import MachineClock, messages_to_client
from tests.web_server import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock():
    return MachineClock()


@pytest.fixture
def chat(held_by_awa):
    return f"/dashboard/chat/{held_by_awa.pk}"


def note_field(page):
    return page.get_by_label("Votre note")


def message_field(page):
    return page.get_by_label(re.compile("Votre message"))


def write_note(page, text):
    page.keyboard.press("Alt+N")
    expect(note_field(page)).to_be_focused()
    note_field(page).fill(text)
    page.keyboard.press("Enter")
    expect(note_field(page)).to_have_value("")


def test_colleagues_write_notes_to_each_other_and_the_client_hears_nothing(
    run_story, awa, koffi, chat, held_by_awa
):
    sent = messages_to_client(held_by_awa)

    def story(browsers: Browsers) -> None:
        awas, koffis = (browsers.open_page(user, chat) for user in (awa, koffi))
        expect_live(awas, koffis)
        write_note(awas, "Il veut un devis")
        expect(koffis.locator(".note")).to_contain_text("Il veut un devis")
        expect(koffis.locator(".note")).to_contain_text("Note interne")
        koffis.get_by_role(
            "link", name="Note interne", exact=True
        ).click()  # He does not hold the conversation.
        note_field(koffis).fill("Je m'en occupe")
        koffis.get_by_role("button", name="Ajouter la note").click()
        for page in (awas, koffis):
            expect(page.locator(".note")).to_have_text([re.compile("devis"), re.compile("occupe")])
            page.reload()
            expect(page.locator(".note")).to_have_text([re.compile("devis"), re.compile("occupe")])

    run_story(story)
    assert messages_to_client(held_by_awa) == sent


def test_the_note_composer_takes_the_place_of_the_message(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message_field(page).fill("un message commencé")
        page.keyboard.press("Alt+N")
        expect(message_field(page)).to_be_hidden()
        page.keyboard.type("une note commencée")
        page.reload()
        expect(note_field(page)).to_have_value("une note commencée")
        page.keyboard.press("Alt+N") if not note_field(page).is_visible() else None
        note_field(page).focus()
        page.keyboard.press("Escape")
        expect(note_field(page)).to_be_hidden()
        expect(message_field(page)).to_be_focused()
        expect(message_field(page)).to_have_value("un message commencé")

    run_story(story)


def test_a_note_that_was_not_stored_comes_back(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        page.route("**/notes", lambda route: route.abort())
        page.keyboard.press("Alt+N")
        page.keyboard.type("pas perdue")
        page.keyboard.press("Enter")
        expect(page.locator(".note-composer [data-note-problem]")).to_contain_text("Pas de réponse")
        expect(note_field(page)).to_have_value("pas perdue")
        page.unroute("**/notes")
        page.keyboard.press("Enter")
        expect(page.locator(".note")).to_have_count(1)
        expect(note_field(page)).to_have_value("")

    run_story(story, allow_console_errors="ERR_FAILED")


def test_colleagues_see_who_looks_and_who_writes(run_story, awa, koffi, chat, fatou_writes):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000077", name="Autre")

    def story(browsers: Browsers) -> None:
        awas, koffis = (browsers.open_page(user, chat) for user in (awa, koffi))
        expect(koffis.locator("[data-presence]")).to_have_text("Awa regarde")
        expect(awas.locator("[data-presence]")).to_have_text("Koffi regarde")
        message_field(awas).press_sequentially("Bonj")
        expect(koffis.locator("[data-presence]")).to_have_text("Awa écrit")
        koffis.keyboard.press("Alt+N")
        koffis.keyboard.type("voir")
        expect(awas.locator("[data-presence]")).to_have_text("Koffi écrit une note")
        koffis.goto(f"{browsers.url}/dashboard/chat/{other.pk}")
        expect(awas.locator("[data-presence]")).to_be_hidden()
        expect(koffis.locator("[data-presence]")).to_be_hidden()

    run_story(story)


def test_unread_mentions_are_counted_at_the_account_menu(run_story, awa, chat, koffi_notes, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard")
        expect_live(page)
        koffi_notes(held_by_awa, "@Awa Diop, vu ?")
        expect(page.locator(".sidebar__mentions")).to_have_text("1")
        page.get_by_role("button", name="Compte de").click()
        page.get_by_role("link", name="Mentions").click()
        page.get_by_role("link", name="Koffi Mensah").click()
        expect(page.locator(".note")).to_be_in_viewport()
        expect(page.locator(".sidebar__mentions")).to_be_hidden()

    run_story(story)


def test_a_note_can_be_added_without_scripts(run_story, koffi, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(koffi, chat, java_script_enabled=False)
        expect(note_field(page)).to_be_hidden()
        page.get_by_role("link", name="Note interne", exact=True).click()
        note_field(page).fill("sans script")
        page.get_by_role("button", name="Ajouter la note").click()
        expect(page.locator(".note")).to_contain_text("sans script")
        page.locator(".note").get_by_role("link", name="détails").click()
        note_field(page).fill("corrigée sans script")
        page.get_by_role("button", name="Enregistrer").click()
        expect(page.locator(".note")).to_contain_text("corrigée sans script")
        page.locator(".note").get_by_role("link", name="modifiée").click()
        page.get_by_role("button", name="Supprimer la note").click()
        expect(page.locator(".line--note")).to_contain_text("Note supprimée")

    run_story(story)


def test_the_author_edits_and_deletes_before_everyones_eyes(
    run_story, awa, koffi, chat, koffi_notes, held_by_awa
):
    koffi_notes(held_by_awa, "Faute")

    def story(browsers: Browsers) -> None:
        awas, koffis = (browsers.open_page(user, chat) for user in (awa, koffi))
        expect_live(awas, koffis)
        expect(awas.locator(".note").get_by_role("button", name="Modifier")).to_be_hidden()
        koffis.locator(".note").get_by_role("button", name="Modifier").click()
        koffis.get_by_label("Modifier la note").fill("Corrigé")
        koffis.keyboard.press("Enter")
        for page in (awas, koffis):
            expect(page.locator(".note__text")).to_have_text("Corrigé")
            expect(page.locator(".note")).to_contain_text("modifiée")
        koffis.locator(".note").get_by_role("button", name="Supprimer").click()
        koffis.get_by_role("dialog").get_by_role("button", name="Supprimer").click()
        for page in (awas, koffis):
            expect(page.locator(".line--note")).to_contain_text("Note supprimée")
            expect(page.locator(".note")).to_have_count(0)

    run_story(story)


def test_after_ten_minutes_the_buttons_are_gone(run_story, koffi, chat, koffi_notes, held_by_awa):
    note = koffi_notes(held_by_awa, "Ancienne")
    Note.objects.filter(pk=note.pk).update(created_at=note.created_at - timedelta(minutes=11))

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(koffi, chat)
        expect_live(page)
        expect(page.locator(".note")).to_be_visible()
        expect(page.locator(".note").get_by_role("button", name="Modifier")).to_be_hidden()

    run_story(story)


def test_mentioning_a_colleague_by_keyboard(run_story, awa, koffi, mariam, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        page.keyboard.press("Alt+N")
        page.keyboard.type("voir avec @")
        options = page.get_by_role("option")
        expect(options).to_have_text(["Koffi MensahAgent", "Mariam TraoréSuperviseur"])
        page.keyboard.press("ArrowDown")
        expect(options.last).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Escape")
        expect(options.first).to_be_hidden()
        expect(note_field(page)).to_be_visible()
        page.keyboard.type("traore")
        expect(options).to_have_count(1)
        page.keyboard.press("Enter")
        expect(note_field(page)).to_have_value("voir avec @Mariam Traoré ")
        page.keyboard.press("Enter")
        expect(page.locator(".note__mention")).to_have_text("@Mariam Traoré")

    run_story(story)
    assert NoteMention.objects.get().user == mariam


def test_a_mention_on_the_open_page_is_read_at_once(run_story, awa, chat, koffi_notes, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        koffi_notes(held_by_awa, "@Awa Diop, vu ?")
        expect(page.locator(".note")).to_be_visible()
        wait_until(lambda: NoteMention.objects.get().read_at)

    run_story(story)


def test_a_message_is_sent_also_where_the_check_cannot_be_loaded(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa, chat, lambda page: page.route("**/note_tools*", lambda route: route.abort())
        )
        expect_live(page)
        message_field(page).fill("Ne dites rien au client")
        page.keyboard.press("Enter")
        expect(page.locator(".message--agent").last).to_contain_text("Ne dites rien au client")

    run_story(story, allow_console_errors="ERR_FAILED")


@pytest.mark.parametrize(
    "text",
    [
        "Koffi dit de ne pas dire au client qu'il y a du retard",
        "@Koffi tu regardes ?",
        "Ne dites rien au client",
    ],
)
def test_a_text_that_looks_like_a_note_is_asked_about_once(run_story, awa, koffi, chat, held_by_awa, text):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message_field(page).fill(text)
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="En faire une note").click()
        expect(note_field(page)).to_have_value(text)
        page.keyboard.press("Enter")
        expect(page.locator(".note")).to_contain_text(text)
        assert text not in messages_to_client(held_by_awa)
        page.keyboard.press("Escape")
        expect(message_field(page)).to_have_value("")
        message_field(page).fill(text)
        page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Envoyer au client").click()
        expect(page.locator(".message--agent").last).to_contain_text(text)
        wait_until(lambda: messages_to_client(held_by_awa)[-1] == text)

    run_story(story)


@pytest.mark.parametrize(
    "text", ["Écrivez à info@koffi.example", "Je note votre demande", "@mercedes est notre compte"]
)
def test_other_texts_are_sent_at_once(run_story, awa, koffi, chat, text):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message_field(page).fill(text)
        page.keyboard.press("Enter")
        expect(page.locator(".message--agent").last).to_contain_text(text)
        expect(page.get_by_role("dialog")).to_have_count(0)

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_notes_are_accessible(run_story, theme, awa, koffi, chat, koffi_notes, held_by_awa, clock):
    note = koffi_notes(held_by_awa, "@Awa Diop, vu ?")
    koffi_notes(held_by_awa, "supprimée").remove(by=koffi, at=clock.now)
    note.edit("@Awa Diop, as-tu vu ?", by=koffi, at=clock.now)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(koffi, chat, in_theme(theme))
        expect_live(page)
        page.keyboard.press("Alt+N")
        page.keyboard.type("@")
        expect(page.get_by_role("option").first).to_be_visible()
        problems = list(violations(page, theme, "the note composer"))
        for path in (f"/dashboard/notes/{note.pk}", "/dashboard/mentions"):
            page = browsers.open_page(awa if "mentions" in path else koffi, path, in_theme(theme))
            problems += violations(page, theme, path)
        assert problems == []

    run_story(story)


def test_on_a_phone_the_note_composer_fits(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, lambda page: page.set_viewport_size(NARROW))
        expect_live(page)
        page.get_by_role("button", name="Ajouter", exact=True).click()
        page.get_by_role("link", name="Note interne", exact=True).click()
        button = page.get_by_role("button", name="Ajouter la note")
        expect(button).to_be_in_viewport(ratio=1)
        assert button.bounding_box()["height"] >= 44
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
        page.set_viewport_size(WIDE)
        expect(button).to_be_in_viewport(ratio=1)

    run_story(story)
