"""The outbox of the browser: what is written without a connection leaves once, in order, when it is back."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
NO_CONNECTION = "ERR_INTERNET_DISCONNECTED|ERR_FAILED|WebSocket"
BACK_ONLINE = "window.dispatchEvent(new Event('online'))"
SEND = re.compile(r"/dashboard/chat/\d+/send$")


@pytest.fixture
def ibrahims(fatou_writes, awa, clock):
    conversation = fatou_writes("bonjour", address="whatsapp:+2250700000002", name="Ibrahim")
    conversation.take_over(awa, at=clock.now)
    return conversation


def path_of(conversation):
    return f"/dashboard/chat/{conversation.pk}"


def write(page, *texts):
    for text in texts:
        page.get_by_role("textbox", name="Message").fill(text)
        page.keyboard.press("Enter")


def written_by_awa(conversation):
    return list(
        conversation.events.filter(event_type="agent_message").order_by("seq").values_list("body", flat=True)
    )


def waiting_bubbles(page):
    return page.locator(".is-unsent .delivery[data-state=waiting]")


def outbox_notice(page):
    return page.locator("#notices [data-outbox]")


def test_what_is_written_offline_leaves_in_order_when_back(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, path_of(held_by_awa))
        expect_live(page)
        page.context.set_offline(True)
        write(page, "un", "deux", "trois")
        expect(waiting_bubbles(page)).to_have_count(3)
        expect(page.locator(".is-unsent").first).to_contain_text("En attente de connexion")
        expect(outbox_notice(page)).to_contain_text("3 messages partiront")
        assert written_by_awa(held_by_awa) == []
        page.context.set_offline(False)
        expect(page.locator(".is-unsent")).to_have_count(0)
        expect(outbox_notice(page)).to_have_count(0)
        assert written_by_awa(held_by_awa) == ["un", "deux", "trois"]
        expect(page.locator(".message--agent .bubble__text")).to_have_text(["un", "deux", "trois"])

    run_story(story, allow_console_errors=NO_CONNECTION)


def test_the_next_message_waits_behind_those_that_could_not_leave(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, path_of(held_by_awa))
        expect_live(page)
        page.route(SEND, lambda route: route.abort())
        write(page, "un")
        expect(waiting_bubbles(page)).to_have_count(1)
        page.unroute(SEND)
        write(page, "deux")
        expect(page.locator(".is-unsent")).to_have_count(0)
        assert written_by_awa(held_by_awa) == ["un", "deux"]

    run_story(story, allow_console_errors=NO_CONNECTION)


def test_messages_of_other_conversations_leave_from_any_page(run_story, awa, held_by_awa, ibrahims):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, path_of(held_by_awa))
        page.route(SEND, lambda route: route.abort())
        write(page, "à Fatou", "encore")
        expect(waiting_bubbles(page)).to_have_count(2)
        page.goto(browsers.url + path_of(ibrahims))
        write(page, "à Ibrahim")
        expect(waiting_bubbles(page)).to_have_count(1)
        expect(outbox_notice(page)).to_contain_text("3 messages")
        page.goto(browsers.url + path_of(held_by_awa))
        expect(waiting_bubbles(page)).to_have_count(2)
        page.goto(browsers.url + "/dashboard")
        expect(outbox_notice(page)).to_contain_text("3 messages")
        page.unroute(SEND)
        page.evaluate(BACK_ONLINE)
        expect(outbox_notice(page)).to_have_count(0)
        assert written_by_awa(held_by_awa) == ["à Fatou", "encore"]
        assert written_by_awa(ibrahims) == ["à Ibrahim"]

    run_story(story, allow_console_errors=NO_CONNECTION)


def test_a_message_whose_answer_was_lost_is_not_doubled(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, path_of(held_by_awa))
        page.route("**/live**", lambda route: route.abort())

        def lose_answer(route):
            route.fetch()
            route.abort()

        page.route(SEND, lose_answer)
        write(page, "une seule fois")
        page.goto(browsers.url + "/dashboard")
        page.unroute(SEND)
        page.evaluate(BACK_ONLINE)
        expect(outbox_notice(page)).to_have_count(0)
        page.goto(browsers.url + path_of(held_by_awa))
        expect(page.locator(".is-unsent")).to_have_count(0)
        assert written_by_awa(held_by_awa) == ["une seule fois"]

    run_story(story, allow_console_errors=NO_CONNECTION)


def test_two_pages_of_a_browser_send_it_once(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        first = browsers.open_page(awa, path_of(held_by_awa))
        second = first.context.new_page()
        second.goto(browsers.url + path_of(held_by_awa))
        first.context.set_offline(True)
        write(first, "un", "deux")
        expect(waiting_bubbles(first)).to_have_count(2)
        first.context.set_offline(False)
        for page in (first, second):
            expect(page.locator(".is-unsent")).to_have_count(0)
            expect(page.locator(".message--agent .bubble__text")).to_have_text(["un", "deux"])
        assert written_by_awa(held_by_awa) == ["un", "deux"]

    run_story(story, allow_console_errors=NO_CONNECTION)


def test_a_refusal_elsewhere_is_said_with_a_link(run_story, awa, koffi, held_by_awa, mariam):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, path_of(held_by_awa))
        page.route(SEND, lambda route: route.abort())
        write(page, "trop tard")
        expect(waiting_bubbles(page)).to_have_count(1)
        page.goto(browsers.url + "/dashboard")
        held_by_awa.reassign(koffi, by=mariam, at=held_by_awa.last_activity_at)
        page.unroute(SEND)
        page.evaluate(BACK_ONLINE)
        notice = page.locator("#notices .notice--error")
        expect(notice).to_contain_text("n'est pas parti")
        expect(notice.get_by_role("link")).to_have_attribute("href", path_of(held_by_awa))
        expect(outbox_notice(page)).to_have_count(0)
        page.goto(browsers.url + path_of(held_by_awa))
        expect(page.locator(".is-unsent")).to_contain_text("trop tard")
        assert written_by_awa(held_by_awa) == []

    run_story(story, allow_console_errors=NO_CONNECTION + "|403")


def test_the_offline_page_gives_it_back(run_story, awa, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, path_of(held_by_awa), service_workers="allow")
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        page.context.set_offline(True)
        write(page, "avant le rechargement")
        expect(waiting_bubbles(page)).to_have_count(1)
        page.reload()
        expect(page.get_by_role("heading", name="Hors connexion")).to_be_visible()
        page.context.set_offline(False)
        expect(page.locator(".message--agent .bubble__text")).to_have_text("avant le rechargement")
        expect(page.locator(".is-unsent")).to_have_count(0)
        assert written_by_awa(held_by_awa) == ["avant le rechargement"]

    run_story(story, allow_console_errors=NO_CONNECTION)
