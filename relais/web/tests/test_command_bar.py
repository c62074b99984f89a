"""The command bar (Ctrl K) and the sheet of keys (?) in a browser: both list what the page shows, and every key works."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from relais.clients.models import Client
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.quick_replies.models import QuickReply, clean_fields
from tests.accessibility import NARROW, THEMES, WIDE, in_theme, violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


@pytest.fixture
def ibrahims(fatou_writes, awa, clock):
    conversation = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim Koné")
    conversation.take_over(awa, at=clock.now)
    return conversation


@pytest.fixture
def chat(held_by_awa):
    return f"/dashboard/chat/{held_by_awa.pk}"


def option(page, text):
    return page.get_by_role("option", name=re.compile(text))


def open_bar(page):
    page.keyboard.press("Control+k")
    bar = page.get_by_role("dialog", name="Chercher et agir")
    expect(bar).to_be_visible()
    return bar.get_by_role("combobox")


def close_dialog(page):
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    # The focus leaves a field of the closed dialog with the next frame.
    expect(page.locator("dialog :focus")).to_have_count(0)


def test_it_finds_conversations_clients_replies_and_pages(run_story, awa, chat, ibrahims):
    fields = clean_fields(shortcut="rdv", title="Rendez-vous", text="Quel jour, {prénom} ?")
    QuickReply.objects.create(scope="all", **fields)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        page.evaluate("window.isSamePage = true")
        query = open_bar(page)
        query.fill("kone")
        expect(option(page, "Ibrahim Koné")).to_have_count(2)
        query.press("Enter")
        expect(page).to_have_url(re.compile(f"/dashboard/chat/{ibrahims.pk}$"))
        expect(page.get_by_role("textbox", name="Votre message à Ibrahim")).to_be_visible()
        assert page.evaluate("window.isSamePage")

        query = open_bar(page)
        expect(query).to_have_value("")
        query.fill("rendez vous")
        expect(option(page, "Rendez-vous")).to_have_count(1)
        query.press("Enter")
        expect(page.locator("[data-composer] textarea")).to_have_value("Quel jour, Ibrahim ?")

        query = open_bar(page)
        query.fill("zzzz")
        expect(page.locator(".command-bar__empty:visible")).to_have_text("Rien ne correspond.")
        query.fill("reponses")
        expect(option(page, "^Réponses")).to_be_visible()
        query.press("Enter")
        expect(page).to_have_url(re.compile("/dashboard/quick-replies$"))

    run_story(story)


def test_it_finds_clients_within_reach_by_name_phone_and_vin(
    run_story, awa, chat, ibrahims, fatou_writes, sales
):
    """As the directory does, which tests reach for every role."""
    Client.objects.filter(pk=ibrahims.client_id).update(vin="W1KZF8DB1MA000001")
    hidden = fatou_writes("Bonjour", address="whatsapp:+2250700000098", name="Ibrahim Caché")
    Conversation.objects.filter(pk=hidden.pk).update(team=sales)
    Client.objects.filter(pk=hidden.client_id).update(vin="W1KZF8DB1MA000002")
    clients = "[role=group]:has(> .command-bar__heading:text-is('Clients')) > [role=option]"

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        query = open_bar(page)
        for text in ("ibrahim", "07 00 00 00 9", "W1KZF8DB1MA"):
            query.fill(text)
            expect(page.locator(clients)).to_have_text([re.compile(r"Ibrahim Koné.*W1KZF8DB1MA000001")])
        query.press("ArrowUp")
        while "Ibrahim" not in page.locator("[role=option][aria-selected=true]").inner_text():
            query.press("ArrowUp")
        query.press("Enter")
        expect(page).to_have_url(re.compile(f"/dashboard/clients/{ibrahims.client_id}$"))

    run_story(story)


@pytest.mark.parametrize("user", ["awa", "mariam", "nadia"])
def test_every_action_it_lists_has_a_key_of_its_own(
    run_story, user, request, held_by_awa, fatou_writes, clock
):
    """On each kind of page; and in a conversation it lists every action of the header, with its key."""
    waiting = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim")
    waiting.ask_for_agent(by=BOT, at=clock.now)
    chats = [f"/dashboard/chat/{held_by_awa.pk}", f"/dashboard/chat/{waiting.pk}"]
    sections = [
        "",
        "/pending",
        "/active",
        "/conversations",
        "/search",
        "/clients",
        "/quick-replies",
        "/macros",
    ]
    listed = """() => [...document.querySelectorAll("#command-options [role=option]:has(kbd)")].map((option) =>
      [option.querySelector(".command-bar__label").textContent, option.querySelector(".command-bar__keys").textContent])"""
    offered = """() => [...document.querySelectorAll(".chat__actions .button")].filter((each) => each.checkVisibility())
      .map((each) => (each.getAttribute("aria-label") ?? each.textContent).trim())"""

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(request.getfixturevalue(user), chats[0])
        for path in [*chats, *(f"/dashboard{section}" for section in sections)]:
            page.goto(browsers.url + path)
            expect_live(page)
            in_header = page.evaluate(offered)
            open_bar(page)
            actions = page.get_by_role("group", name="Actions").get_by_role("option")
            expect(page.locator("#command-options [role=option]").first).to_be_visible()
            with_key = page.evaluate(listed)
            assert len(with_key) == actions.count(), path
            keys = [key for _name, key in with_key]
            assert len(set(keys)) == len(keys), path
            assert set(in_header) <= {name for name, _key in with_key}, path
            close_dialog(page)

    run_story(story)


def test_every_action_in_it_shows_its_key_and_every_key_works(run_story, mariam, chat):
    """A supervisor has all actions: each is done by its option, and again by its key alone."""
    dialogs = {
        "Transférer": "transfer-dialog",
        "Rendre au bot": "hand-back-dialog",
        "Clôturer": "close-dialog",
    }

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, chat)
        expect_live(page)
        for name, dialog in dialogs.items():
            query = open_bar(page)
            query.fill(name)
            key = option(page, name).first.locator("kbd").inner_text()
            query.press("Enter")
            expect(page.locator(f"#{dialog}")).to_be_visible()
            close_dialog(page)
            page.keyboard.press(key.lower())
            expect(page.locator(f"#{dialog}")).to_be_visible()
            page.keyboard.press(key.lower())  # a dialog is open: nothing else happens
            close_dialog(page)
        query = open_bar(page)
        for shown in page.locator("[aria-labelledby=command-group-0] [role=option]").all():
            expect(shown.locator("kbd")).not_to_have_count(0)

    run_story(story)


def test_the_sheet_names_the_key_of_each_action_and_the_key_presses_it(run_story, mariam, chat, fatou_writes):
    """On a held conversation and on one of the bot: what is listed is what the keys do."""
    with_bot = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim")
    watch_clicks = """() => {
      window.clicked = [];
      addEventListener("click", (event) => {
        const element = event.target.closest("[data-key]");
        if (!element) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        clicked.push(element.dataset.key);
      }, { capture: true });
    }"""
    offered = "[...document.querySelectorAll('[data-key]')].filter((e) => e.checkVisibility() && !e.closest('dialog'))"

    def story(browsers: Browsers) -> None:
        shown = set()
        for path in (chat, f"/dashboard/chat/{with_bot.pk}"):
            page = browsers.open_page(mariam, path)
            expect_live(page)
            page.locator("[data-thread]").focus()
            page.keyboard.press("?")
            rows = page.locator("#key-sheet [data-keys] .key-sheet__row")
            expect(rows.first).to_be_visible()
            sheet = [
                (row.locator("dt").inner_text(), row.locator("kbd").all_inner_texts()) for row in rows.all()
            ]
            close_dialog(page)
            keys = page.evaluate(f"{offered}.map((e) => e.dataset.key)")
            alone = [names[0].lower() for _name, names in sheet if len(names) == 1 and names[0] != "/"]
            assert sorted(alone) == sorted(keys)
            assert len(set(keys)) == len(keys)
            page.evaluate(watch_clicks)
            for key in keys:
                page.locator("[data-thread]").focus()
                page.keyboard.press(key)
            assert page.evaluate("clicked") == keys
            shown |= {(name, *names) for name, names in sheet}
        expected = {
            ("Prendre en charge", "A"),
            ("Changer les étiquettes", "T"),
            ("Transférer", "R"),
            ("Clôturer", "C"),
            ("Rendre au bot", "B"),
            ("Fiche du client", "I"),
            ("Macros", "M"),
            ("Mettre en pause", "P"),
        }
        assert expected <= shown

    run_story(story)


def test_each_element_with_a_key_declares_it():
    """A key that its element does not declare is missing in the sheet; a title with another key lies."""
    tags = [
        tag
        for template in Path("relais").rglob("templates/**/*.html")
        for tag in re.findall(
            r"<\w+\b(?:[^<>{]|{%.*?%}|{{.*?}})*\bdata-key=(?:[^<>{]|{%.*?%}|{{.*?}})*>", template.read_text()
        )
    ]
    assert len(tags) >= 7
    for tag in tags:
        key = re.search(r'data-key="(\w)"', tag)[1]
        assert f'aria-keyshortcuts="{key}"' in tag, tag
        assert re.search(r'title=".*? \((\w)\)"', tag)[1] == key.upper(), tag


def test_taking_over_by_its_key(run_story, awa, with_bot):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{with_bot.pk}")
        expect_live(page)
        page.keyboard.press("a")
        expect(page.locator("[data-composer] textarea")).to_be_visible()

    run_story(story)


def test_keys_do_nothing_while_typing_except_those_with_a_modifier(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        field = page.locator("[data-composer] textarea")
        field.press_sequentially("abc?")
        expect(field).to_have_value("abc?")
        expect(page.locator("dialog[open]")).to_have_count(0)
        open_bar(page)
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(field).to_be_focused()
        page.locator("[data-thread]").focus()
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Raccourcis clavier")
        expect(sheet).to_contain_text("Clôturer")
        expect(sheet).to_contain_text("Fiche du client")

    run_story(story)


def test_by_touch_from_the_account_menu(run_story, awa, chat, ibrahims):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard", viewport=NARROW, has_touch=True, is_mobile=True)
        page.get_by_role("button", name="Compte de").tap()
        page.get_by_role("button", name="Chercher et agir").tap()
        page.get_by_role("combobox", name="Chercher et agir").fill("ibrahim")
        option(page, "Ibrahim").first.tap()
        expect(page).to_have_url(re.compile(f"/dashboard/chat/{ibrahims.pk}$"))

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_both_are_accessible(run_story, theme, awa, chat, ibrahims):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, in_theme(theme))
        expect_live(page)
        page.set_viewport_size(WIDE)
        query = open_bar(page)
        query.fill("i")
        expect(option(page, "Ibrahim").first).to_be_visible()
        problems = list(violations(page, theme, "the command bar"))
        page.keyboard.press("Escape")
        page.locator("[data-thread]").focus()
        page.keyboard.press("?")
        expect(page.locator("#key-sheet [data-keys] dt").first).to_be_visible()
        problems += violations(page, theme, "the sheet of keys")
        assert problems == []

    run_story(story)


def test_single_keys_do_nothing_for_those_who_turned_them_off(run_story, awa, with_bot):
    """Keys with a modifier, and the sheet by its button, work as before; it lists the keys that are left."""
    awa.single_keys = False
    awa.save()

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{with_bot.pk}")
        expect_live(page)
        for key in ("a", "?", "/", "j"):
            page.keyboard.press(key)
        query = open_bar(page)
        query.fill("prendre")
        expect(option(page, "Prendre en charge")).to_be_visible()
        expect(page.locator("#command-bar kbd", has_text=re.compile("^A$"))).to_have_count(0)
        close_dialog(page)
        assert page.url.endswith(str(with_bot.pk))
        expect(page.get_by_role("button", name="Prendre en charge")).to_be_visible()
        expect(page.locator("kbd.key").first).to_be_hidden()
        page.get_by_role("button", name="Prendre en charge").hover()
        expect(page.get_by_role("button", name="Prendre en charge")).to_have_attribute(
            "title", "Prendre en charge"
        )
        page.locator("[data-key=i]").focus()
        expect(page.locator("[data-key=i]")).to_have_attribute("title", "Fiche du client")

    run_story(story)
    with_bot.refresh_from_db()
    assert with_bot.agent is None


def test_the_sound_is_tried_before_it_is_saved(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/profile")
        expect_live(page)
        page.get_by_label("Son des notifications").select_option("wood")
        with page.expect_response(re.compile(r"/wood\.[0-9a-f]+\.wav$")):
            page.get_by_role("button", name="Écouter").click()
        page.get_by_label("Son des notifications").select_option("")
        expect(page.get_by_role("button", name="Écouter")).to_be_disabled()
        page.get_by_role("button", name="Voir", exact=True).click()
        expect(page.get_by_role("dialog", name="Raccourcis clavier")).to_be_visible()

    run_story(story)
