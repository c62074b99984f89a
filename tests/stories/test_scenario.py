"""Two people at once, in two browsers, on the whole demo: double, signed hooks, sender and socket, nothing replaced."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from relais.bench.instance import RelaisInstance, running_instance
from relais.typography import typeset
from tests.accessibility import THEMES, in_theme, violations

FATOU = "whatsapp:+212612345678"
TAKEN_OVER = typeset(
    "Vous êtes maintenant en contact avec un agent Mercedes-Benz. Comment puis-je vous aider ?"
)
CLOSED = typeset(
    "Merci d'avoir contacté Mercedes-Benz. Votre conversation a été clôturée. "
    "N'hésitez pas à nous recontacter si besoin !"
)
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelaisInstance]:
    with running_instance(tmp_path_factory.mktemp("demo") / "données d'essai") as desk:
        yield desk


class Stage:
    """Browsers side by side; every page's console must stay silent."""

    def __init__(self, browser: Browser, desk: RelaisInstance) -> None:
        self.browser, self.desk = browser, desk
        self.troubles: list[str] = []

    def page(self, path: str, **options: object) -> Page:
        page = self.browser.new_context(locale="fr-FR", **options).new_page()  # type: ignore[arg-type]
        page.on("console", lambda said: self.troubles.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.goto(self.desk.url + path)
        return page

    def phone(self) -> Page:
        return self.page("/simulator")

    def desk_of(self, email: str, path: str = "/dashboard", **options: object) -> Page:
        page = self.page(f"/accounts/login/?next={path}", **options)
        page.locator("[name=login]").fill(email)
        page.locator("[name=password]").fill("relais-demo")
        page.get_by_role("button", name="Se connecter").click()
        expect(page).to_have_url(self.desk.url + path)
        expect(page.locator("#live-state")).to_have_attribute("data-state", "live")
        return page


def test_the_doctor_finds_a_desk_that_works_well(demo: RelaisInstance) -> None:
    looked = demo.command("doctor", "--live", "--json")
    found = json.loads(looked.stdout)
    tried = {each["name"] for each in found if each["state"] == "ok"}
    # How full this machine's disk is says nothing of the desk.
    assert {each["name"] for each in found if each["state"] == "failed"} <= {"disk"}, found
    assert {"database", "migrations", "jobs", "sender", "public_address", "sender_number", "hooks"} <= tried
    unverified = [each["sentence"] for each in found if each["name"] == "assumption"]
    assert all(sentence.startswith("non vérifié") for sentence in unverified if "STUDIO_SIGNS" in sentence)
    assert any("STUDIO_SIGNS" in sentence for sentence in unverified)
    assert not demo.ask("select 1 from conversations")


def run_story(desk: RelaisInstance, story: Callable[[Stage], None]) -> None:
    """In a thread of its own: Playwright's loop would otherwise be this whole test run's."""

    def run() -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
            stage = Stage(browser, desk)
            try:
                story(stage)
            except BaseException:
                for number, context in enumerate(browser.contexts):
                    for page in context.pages:
                        page.screenshot(path=Path(desk.folder).with_name(f"trouble-{number}.png"))
                raise
            finally:
                browser.close()
            assert stage.troubles == []

    with ThreadPoolExecutor(1) as alone:
        alone.submit(run).result()


def writes(phone: Page, client: str, text: str) -> None:
    field = phone.locator(f'[data-phone="{client}"] textarea')
    field.fill(text)
    field.press("Enter")


def bubbles(phone: Page, client: str) -> object:
    return phone.locator(f'[data-phone="{client}"] .bubble:not(.mine) .text')


def test_from_the_first_word_to_the_close(demo: RelaisInstance) -> None:
    def story(stage: Stage) -> None:
        phone = stage.phone()
        awa = stage.desk_of("agent1@relais.test", "/dashboard/active")

        # (1) A client writes; the conversation stands under « actives », the bot in charge, and the bot answers.
        writes(phone, FATOU, "mercedes")
        row = awa.locator(".row", has_text="Fatou Diallo")
        expect(row).to_have_attribute("data-situation", "bot")
        expect(bubbles(phone, FATOU).last).to_contain_text("nom")

        # (2) An agent takes it over; the client is told.
        row.get_by_role("button", name="Prendre en charge").click()
        expect(awa).to_have_url(re.compile(r"/dashboard/chat/\d+$"))
        expect(bubbles(phone, FATOU).last).to_have_text(TAKEN_OVER)
        expect(awa.locator(".message--client .bubble__text")).to_have_text(["mercedes"])

        # The client writes again; it is on the agent's screen without a reload.
        writes(phone, FATOU, "Je cherche un GLE <b>noir</b> 🚗")
        expect(awa.locator(".message--client .bubble__text").last).to_have_text(
            "Je cherche un GLE <b>noir</b> 🚗"
        )

        # The agent answers by Enter; the client reads it, and the ticks follow.
        field = awa.get_by_role("textbox", name="Votre message")
        field.fill("Bonjour Fatou,")
        field.press("Shift+Enter")
        field.type("quel moteur ?")
        field.press("Enter")
        expect(bubbles(phone, FATOU).last).to_have_text("Bonjour Fatou,\nquel moteur ?")
        expect(awa.locator(".message--agent .delivery").last).to_have_attribute("data-state", "read")
        expect(awa.locator(".message--agent")).to_have_count(1)
        expect(field).to_have_value("")

        # The agent closes, after being asked; the client is told, the duration is there.
        awa.get_by_role("button", name="Clôturer").click()
        awa.get_by_role("dialog").get_by_role("button", name="Clôturer").click()
        expect(bubbles(phone, FATOU).last).to_have_text(CLOSED)
        [[conversation, seconds]] = demo.ask(
            "select id, duration_seconds from conversations order by id desc limit 1"
        )
        assert seconds >= 0
        awa.goto(f"{demo.url}/dashboard/chat/{conversation}")
        expect(awa.locator("#composer")).to_contain_text("après")

        # Her next word opens another conversation.
        writes(phone, FATOU, "merci !")
        expect(awa.get_by_role("link", name="Ouvrir la conversation en cours")).to_have_count(0)
        awa.goto(f"{demo.url}/dashboard/active")
        # By her name: the bot's answer may stand in the row already.
        expect(awa.locator(".row", has_text="Fatou Diallo")).to_have_attribute("data-situation", "bot")

    run_story(demo, story)


def test_who_asks_the_bot_for_an_agent_waits_for_one_and_then_hears_nobody_else(demo: RelaisInstance) -> None:
    def story(stage: Stage) -> None:
        phone = stage.phone()
        client = phone.locator("[data-chip]", has_text="Ibrahim").get_attribute("data-chip") or ""
        awa = stage.desk_of("agent1@relais.test", "/dashboard/pending")
        said = bubbles(phone, client)
        for word, answer in (("bonjour", "nom"), ("Ibrahim Koné", "client"), ("non", "Parler à un agent")):
            before = said.count()
            writes(phone, client, word)
            expect(said.nth(before)).to_be_visible()
            expect(said.last).to_contain_text(answer)
        writes(phone, client, "5")

        # He stands in the queue, with what he wants.
        row = awa.locator(".row", has_text="Ibrahim")
        expect(row).to_have_attribute("data-situation", "waiting")
        row.get_by_role("button", name="Prendre en charge").click()
        expect(awa).to_have_url(re.compile(r"/dashboard/chat/\d+$"))
        expect(said.last).to_have_text(TAKEN_OVER)

        # The bot is silent from here on: a number of its menu is a word to the agent.
        before = said.count()
        writes(phone, client, "2")
        expect(awa.locator(".message--client .bubble__text").last).to_have_text("2")
        field = awa.get_by_role("textbox", name="Votre message")
        field.fill("Je vous écoute.")
        field.press("Enter")
        expect(said.nth(before)).to_have_text("Je vous écoute.")

    run_story(demo, story)


def test_two_agents_see_each_other_s_moves(demo: RelaisInstance) -> None:

    def story(stage: Stage) -> None:
        phone = stage.phone()
        chip = phone.locator("[data-chip]", has_text="Salma")
        client = chip.get_attribute("data-chip") or ""
        chip.click()
        awa = stage.desk_of("agent1@relais.test", "/dashboard/active")
        koffi = stage.desk_of("agent2@relais.test", "/dashboard/active")
        writes(phone, client, "Bonjour")
        for page in (awa, koffi):
            page.locator(".row", has_text="Salma").get_by_role("link").first.click()
            expect(page).to_have_url(re.compile(r"/dashboard/chat/\d+$"))
        awa.locator("#composer").get_by_role("button", name="Prendre en charge").click()
        expect(awa.get_by_role("textbox", name="Votre message")).to_be_visible()

        # Koffi's page learns it by itself, and offers him nothing he may not do.
        expect(koffi.locator("#composer")).to_contain_text("tient cette conversation")
        expect(koffi.locator("#composer").get_by_role("button", name="Prendre en charge")).to_have_count(0)
        expect(koffi.get_by_role("button", name="Clôturer")).to_have_count(0)

        # He follows what she says, live.
        field = awa.get_by_role("textbox", name="Votre message")
        field.fill("Bonjour Salma")
        field.press("Enter")
        expect(koffi.locator(".message--agent .bubble__text").last).to_have_text("Bonjour Salma")

    run_story(demo, story)


def test_a_page_that_lost_its_connection_catches_up(demo: RelaisInstance) -> None:
    def story(stage: Stage) -> None:
        phone = stage.phone()
        awa = stage.desk_of("agent1@relais.test", "/dashboard/active")
        writes(phone, FATOU, "première")
        awa.locator(".row", has_text="Fatou Diallo").get_by_role("link").first.click()
        expect(awa).to_have_url(re.compile(r"/dashboard/chat/\d+$"))
        expect(awa.locator("#live-state")).to_have_attribute("data-state", "live")
        demo.kill("web")
        expect(awa.locator("#live-state")).not_to_have_attribute("data-state", "live")
        stage.troubles.clear()
        expect(awa.locator("#live-state")).to_have_attribute("data-state", "live", timeout=30_000)
        writes(phone, FATOU, "pendant l'absence")
        expect(awa.locator(".message--client .bubble__text").last).to_have_text(
            "pendant l'absence", timeout=20_000
        )
        # What the browser says of refused connections in between is no fault of the page.
        stage.troubles[:] = [
            t for t in stage.troubles if "ERR_CONNECTION" not in t and "WebSocket" not in t and "502" not in t
        ]

    run_story(demo, story)


def test_the_log_tells_all_that_happened_and_nothing_that_was_said(demo: RelaisInstance) -> None:
    [[conversation]] = demo.ask("select conversation_id from conversation_events order by id limit 1")
    said = {body for (body,) in demo.ask("select body from conversation_events where length(body) > 5")}
    named = {
        name
        for row in demo.ask("select client_full_name, whatsapp_profile_name from clients")
        for name in row
    }
    numbers = {
        address.removeprefix("whatsapp:") for (address,) in demo.ask("select address from client_addresses")
    }
    written = {kind: (Path(demo.folder) / "log" / f"{kind}.log").read_text() for kind in ("web", "jobs")}
    lines = [json.loads(line) for text in written.values() for line in text.splitlines()]
    told = {
        line.get("kind") or line.get("state") for line in lines if line.get("conversation") == conversation
    }
    assert {
        "message_received",
        "agent_takeover",
        "agent_message",
        "conversation_closed",
        "sent",
        "read",
    } <= told
    for word in (said | named | numbers) - {None, ""}:
        assert not any(word in text or json.dumps(word)[1:-1] in text for text in written.values()), word


@pytest.mark.parametrize("theme", THEMES)
def test_the_phone_breaks_no_rule_of_accessibility(demo: RelaisInstance, theme: str) -> None:
    def story(stage: Stage) -> None:
        phone = stage.phone()
        in_theme(theme)(phone)
        writes(phone, FATOU, "bonjour")
        expect(bubbles(phone, FATOU).first).to_be_visible()  # type: ignore[attr-defined]
        phone.reload()
        expect(bubbles(phone, FATOU).first).to_be_visible()  # type: ignore[attr-defined]
        assert list(violations(phone, theme, "/simulator")) == []

    run_story(demo, story)
