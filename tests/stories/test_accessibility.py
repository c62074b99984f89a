"""Accessibility of every page by axe-core (WCAG 2.2 AA and best practice): wide and narrow screen, light and dark theme."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from relais.accounts.models import Language
from relais.choices import parse_choices
from relais.content_templates.synchronisation import store_templates
from relais.content_templates.tests.conftest import READY_SID, REJECTED_SID, record
from relais.conversations.events import BOT
from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.media_limits import MEDIA_GIVEN_UP
from relais.conversations.models import Conversation, Media
from relais.conversations.tags import Tag, TagColor
from relais.crm.client_import import configure_import, create_import, run_chunk, start_import
from relais.crm.import_files import read_file
from relais.flows.models import Flow
from relais.flows.tests.test_pages import begins, greets
from relais.quick_replies.demo import create_demo_replies
from relais.quick_replies.models import QuickReply
from relais.quick_replies.permissions import parse_target
from tests.accessibility import NARROW, THEMES, WIDE, in_theme, violations
from tests.browser import Browsers, expect_live
from tests.cast import MachineClock

pytestmark = pytest.mark.django_db(transaction=True)

DIALOGS = {"close-dialog": "Clôturer", "hand-back-dialog": "Rendre au bot", "transfer-dialog": "Transférer"}
"""Dialogs by id, with the name of the button that opens each."""


@pytest.fixture
def clock() -> MachineClock:
    return MachineClock()


def assert_no_violation(browsers: Browsers, user: Any, paths: list[str], theme: str) -> None:
    page = browsers.open_page(user, paths[0], in_theme(theme))
    problems: list[str] = []
    for path in paths:
        page.goto(browsers.url + path)
        problems += violations(page, theme, path)
    assert problems == []


def tag_in_every_color(conversation, user, at) -> None:
    names = [f"Étiquette {color}" for color in TagColor.values]
    conversation.change_tags(add=names, by=user, at=at)
    for name, color in zip(names, TagColor.values, strict=True):
        Tag.objects.filter(name=name).update(color=color)


@pytest.fixture
def chats(fatou_writes, awa, koffi, mariam, clock):
    """The path of one conversation in each situation; together they show each kind of bubble."""
    conversations: dict[str, Any] = {
        name: fatou_writes("Bonjour", address=f"whatsapp:+22507000000{n}", name=name)
        for n, name in enumerate(("bot", "waiting", "mine", "koffis", "ended", "أمينة العلوي"), start=10)
    }
    conversations["waiting"].ask_for_agent(by=BOT, at=clock.now, reason="le client le demande")
    for name, agent in (("mine", awa), ("koffis", koffi), ("ended", awa)):
        conversations[name].take_over(agent, at=clock.now)
    held_by_awa = conversations["mine"]
    held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now).mark_failed(
        at=clock.now, code=63024, error="Ce numéro ne peut pas recevoir ce message."
    )
    held_by_awa.send_as_agent("Êtes-vous là ?", agent=awa, at=clock.now).advance(
        "read", at=clock.now, sid="SM" + "1" * 32
    )
    url = "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM/Media/ME"
    picture = InboundMedia(url, "image/png")
    fatou_writes("voilà", address="whatsapp:+2250700000012", name="mine", media=(picture,))
    Media.objects.update(state="failed", error=MEDIA_GIVEN_UP)
    tag_in_every_color(conversations["mine"], awa, clock.now)
    conversations["ended"].close(awa, at=clock.now)
    return {name: f"/dashboard/chat/{conversation.pk}" for name, conversation in conversations.items()}


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_before_signing_in(run_story, theme):
    def story(browsers: Browsers) -> None:
        context = browsers.browser.new_context(locale="fr-FR")
        page, problems = context.new_page(), []
        in_theme(theme)(page)
        for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/password/reset/done/"):
            page.goto(browsers.url + path)
            problems += violations(page, theme, path)
        page.goto(browsers.url + "/accounts/login/")
        page.locator("[name=login]").fill("nobody@example.com")
        page.locator("[name=password]").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator(".notice")).to_be_visible()
        problems += violations(page, theme, "a refused sign-in")
        page.goto(browsers.url + "/no-such-page")
        problems += violations(page, theme, "not found")
        assert problems == []

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_lists_and_conversations_of_an_agent(run_story, theme, awa, chats):
    client = Conversation.objects.get(pk=chats["mine"].rpartition("/")[2]).client_id
    directory = ["/dashboard/clients", "/dashboard/clients?q=nobody", f"/dashboard/clients/{client}"]
    lists = ["/dashboard", "/dashboard/pending", "/dashboard/active", "/dashboard/active?tab=mine"]
    own = ["/dashboard/settings/notifications", "/dashboard/mentions", "/dashboard/scheduled", "/offline"]
    searches = ["/dashboard/conversations", "/dashboard/conversations?q=nobody"]
    searches += [
        "/dashboard/search",
        "/dashboard/search?q=bonjour",
        "/dashboard/search?q=nobody&type=message",
    ]

    def story(browsers: Browsers) -> None:
        assert_no_violation(browsers, awa, [*lists, *searches, *directory, *own, *chats.values()], theme)

    run_story(story)


def test_hits_in_two_conversations_of_a_client_have_names_of_their_own(
    run_story, held_by_awa, awa, fatou_writes, clock
):
    fatou_writes("mon devis")
    held_by_awa.close(awa, at=clock.passes(seconds=1))
    fatou_writes("encore mon devis")

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/search?q=devis")
        expect(page.get_by_role("region")).to_have_count(2)
        rule = {"type": "rule", "values": ["landmark-unique"]}
        assert Axe().run(page, options={"runOnly": rule}).response["violations"] == []

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_import_of_clients(run_story, theme, mariam, clock):
    content = b"Nom;Tel;Ville\nA;0612000001;Rabat\nB;12;\n"
    draft, done = [create_import(read_file(content), "a.csv", by=mariam, at=clock.now) for _ in range(2)]
    configure_import(done, targets=done.targets, region="MA", replaces_filled=False, by=mariam)
    start_import(done, by=mariam, at=clock.now)
    run_chunk(done.pk, at=clock.now)
    paths = [f"/dashboard/clients/imports/{each.pk}" for each in (draft, done)]

    def story(browsers: Browsers) -> None:
        pages = ["/dashboard/clients/import", *paths, "/dashboard/search?q=a&tag=zzz"]
        assert_no_violation(browsers, mariam, pages, theme)

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_menus_of_a_conversation(run_story, theme, mariam, chats):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, chats["koffis"], in_theme(theme))
        expect_live(page)
        problems = list(violations(page, theme, "a supervisor's view"))
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        page.get_by_role("button", name="Compte de").click()
        problems += violations(page, theme, "the account menu")
        page.goto(browsers.url + chats["koffis"])
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        page.get_by_role("link", name="Fiche du client").click()
        expect(page.locator("#client")).to_be_visible()
        problems += violations(page, theme, "the client panel")
        assert problems == []

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_voice_recorder(run_story, theme, awa, chats):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chats["mine"], in_theme(theme), permissions=["microphone"])
        expect_live(page)
        page.keyboard.press("Alt+v")
        recorder = page.get_by_role("group", name="Message vocal")
        expect(recorder.get_by_role("timer")).to_have_text("0:01")
        problems = list(violations(page, theme, "a recording"))
        page.keyboard.press("Alt+v")
        expect(recorder.locator("audio")).to_be_visible()
        problems += violations(page, theme, "a voice note to listen to")
        assert problems == []

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_of_a_supervisor(run_story, theme, mariam, chats):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, "/dashboard/settings/tags", in_theme(theme))
        problems = list(violations(page, theme, "all tags"))
        page.get_by_role("button", name="Modifier").first.click()
        problems += violations(page, theme, "a tag")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        page.goto(browsers.url + "/dashboard/active")
        expect_live(page)
        page.locator(".row__select").first.check(force=True)
        problems += violations(page, theme, "chosen rows")
        assert problems == []

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_of_an_admin(run_story, theme, nadia, awa, chats):
    flow = Flow.objects.create(name="Accueil", answers=True)
    flow.add_revision(greets(), by="Nadia Benali", at=timezone.now()).publish(at=timezone.now())
    begins(Conversation.objects.get(pk=chats["bot"].rpartition("/")[2]), flow.published)
    create_demo_replies(at=timezone.now())
    reply = QuickReply.objects.get(shortcut="rdv")
    choices = parse_choices("list", [{"title": "Rabat", "description": "Agdal"}])
    fields = {"shortcut": "lieu", "title": "", "text": "Où ?", "choices": choices}
    question = QuickReply.create(by=nadia, target=parse_target("all", nadia), **fields, at=timezone.now())
    rejected = record(REJECTED_SID, "offre", status="rejected", reason="promotional")
    store_templates([record(), rejected], at=timezone.now())
    flow_paths = ["", "/import", f"/{flow.pk}", f"/{flow.pk}/import", f"/{flow.pk}/revisions/1/try"]
    paths = [
        *("/dashboard/users", "/dashboard/users/invite", f"/dashboard/users/{awa.pk}"),
        *("/dashboard/settings", "/dashboard/state", "/accounts/password/change/"),
        *(f"/dashboard/flows{path}" for path in flow_paths),
        *(f"/dashboard/quick-replies{path}" for path in ("", "/new", f"/{reply.pk}", "/import")),
        f"/dashboard/quick-replies/{question.pk}",
        *("/dashboard/templates", "/dashboard/conversations/new"),
        f"/dashboard/conversations/new?phone_number=%2B212600000001&content_sid={READY_SID}",
        f"{chats['bot']}/path",
    ]

    def story(browsers: Browsers) -> None:
        assert_no_violation(browsers, nadia, paths, theme)

    run_story(story)


# -- on a phone ---------------------------------------------------------------------------------------------


def on_a_phone(page: Page) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]


def test_on_a_phone_the_send_button_has_its_name(run_story, awa, chats):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chats["mine"], on_a_phone)
        expect(page.get_by_role("button", name="Envoyer", exact=True)).to_be_visible()

    run_story(story)


@pytest.mark.parametrize("path", ["/dashboard/pending", "mine"])
def test_on_a_phone_the_offline_notice_covers_nothing(run_story, awa, chats, path):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chats.get(path, path), on_a_phone)
        expect_live(page)
        page.context.set_offline(True)
        state = page.locator("#live-state")
        expect(state).to_have_attribute("data-state", "lost")
        expect(state).to_be_in_viewport()
        notice, title = state.bounding_box(), page.get_by_role("heading", level=1).bounding_box()
        assert notice and title
        assert notice["y"] + notice["height"] <= title["y"]

    run_story(story, allow_console_errors="ERR_INTERNET_DISCONNECTED")


def is_cut(page: Page, selector: str) -> bool:
    """Whether a part of the element is clipped by an ancestor that hides its overflow, or by the window."""
    script = """(element) => {
      const inner = element.getBoundingClientRect();
      if (inner.left < 0 || inner.right > innerWidth || element.scrollWidth > element.clientWidth + 1) return true;
      for (let box = element.parentElement; box; box = box.parentElement) {
        const outer = box.getBoundingClientRect();
        if (getComputedStyle(box).overflowX !== "visible" && inner.right > outer.right + 1) return true;
      }
      return false;
    }"""
    return page.locator(selector).first.evaluate(script)


def test_on_a_phone_name_and_situation_are_not_cut(run_story, mariam, chats, koffi):
    koffi.full_name = "Koffi Anselme Mensah-Adjavon"
    koffi.save()

    def story(browsers: Browsers) -> None:
        for name in ("koffis", "waiting"):
            page = browsers.open_page(mariam, chats[name], on_a_phone)
            assert not is_cut(page, ".chat__who h1")
            assert not is_cut(page, ".chat__where .chip")
            for button in page.locator(".chat__actions .button").all():
                expect(button).to_be_in_viewport(ratio=1)
            assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]

    run_story(story)


# -- by keyboard --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("button", DIALOGS.values())
def test_focus_returns_to_the_button_that_opened_a_dialog(run_story, mariam, chats, button):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, chats["koffis"])
        expect_live(page)
        opener = page.locator(".chat__actions").get_by_role("button", name=button)
        for way_out in ("Escape", "Annuler"):
            opener.focus()
            page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            assert dialog.evaluate("dialog => dialog.contains(document.activeElement)")
            if way_out == "Escape":
                page.keyboard.press("Escape")
            else:
                dialog.get_by_role("button", name="Annuler").click()
            expect(dialog).to_be_hidden()
            expect(opener).to_be_focused()

    run_story(story)


def test_focus_returns_although_the_header_was_replaced_meanwhile(run_story, mariam, chats, fatou_writes):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(mariam, chats["koffis"])
        expect_live(page)
        opener = page.locator(".chat__actions").get_by_role("button", name="Rendre au bot")
        opener.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill("il a tout dit")
        revision = page.locator("#chat-header").get_attribute("data-rev")
        fatou_writes("encore moi", address="whatsapp:+2250700000013", name="koffis")
        expect(page.locator(".message").last).to_contain_text("encore moi")
        expect(dialog.get_by_role("textbox")).to_have_value("il a tout dit")
        page.keyboard.press("Escape")
        expect(page.locator("#chat-header")).not_to_have_attribute("data-rev", re.compile(f"^{revision}$"))
        expect(opener).to_be_focused()

    run_story(story)


def test_focus_returns_after_the_client_panel(run_story, awa, chats):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chats["mine"], on_a_phone)
        opener = page.get_by_role("link", name="Fiche du client")
        opener.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#client")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#client")).to_be_hidden()
        expect(opener).to_be_focused()

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_the_pages_in_arabic(run_story, theme, nadia, chats):
    nadia.language = Language.ARABIC
    nadia.save()
    create_demo_replies(at=timezone.now())
    pages = [
        "",
        "/active",
        "/conversations",
        "/search?q=Bonjour",
        "/clients",
        "/quick-replies",
        "/users",
        "/state",
    ]
    own = ["/settings", "/settings/notifications", "/profile"]
    paths = [*(f"/dashboard{path}" for path in (*pages, *own)), *chats.values()]

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(nadia, paths[0], in_theme(theme))
        problems: list[str] = []
        for path in paths:
            page.goto(browsers.url + path)
            expect(page.locator("html[lang=ar-MA][dir=rtl]")).to_be_attached()
            # The last size is the narrow one.
            problems += violations(page, theme, path)
            if page.evaluate("document.scrollingElement.scrollWidth > innerWidth"):
                problems.append(f"{path}: wider than a phone")
        assert problems == []

    run_story(story)
