"""The countdown of the 24-hour window in rows and in the composer, and lists ordered by it, in a browser."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from tests.accessibility import THEMES, in_theme, violations
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}


def set_window(conversation, **remaining):
    """The window of this conversation closes so long from now."""
    last_inbound_at = timezone.now() + timedelta(**remaining) - timedelta(hours=24)
    Conversation.objects.filter(pk=conversation.pk).update(last_inbound_at=last_inbound_at)


def without_date(route):
    """A browser whose clock was moved by the test would be told the machine's time."""
    response = route.fetch()
    headers = {name: value for name, value in response.headers.items() if name != "date"}
    route.fulfill(response=response, headers=headers)


def names_in_list(page):
    return page.locator(".row__open")


def test_counts_down_without_a_request_also_after_a_suspension(run_story, awa, chat, held_by_awa):
    set_window(held_by_awa, hours=4, minutes=30)

    def story(browsers: Browsers) -> None:
        def prepare(page):
            page.clock.install(time=timezone.now())

        page = browsers.open_page(awa, chat, prepare)
        expect_live(page)
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        page.route("**/dashboard/**", without_date)
        row, composer = page.locator(f"#row-{held_by_awa.pk} .row__window"), page.locator(".composer__window")
        expect(row).to_contain_text("4 h")
        expect(composer).to_contain_text("4 h")
        expect(row).not_to_have_class("chip--attention")
        page.clock.fast_forward("02:45:00")  # the laptop was closed
        expect(row).to_contain_text("1 h 4")
        expect(composer).to_contain_text("1 h 4")
        expect(page.locator(f"#row-{held_by_awa.pk} .row__window.chip--attention")).to_be_visible()
        expect(page.locator(".composer__window.is-closing-soon")).to_be_visible()
        assert not [url for url in requests if f"/chat/{held_by_awa.pk}/header" in url]
        page.clock.fast_forward("02:00:00")
        expect(page.locator(f"#row-{held_by_awa.pk}").get_by_text("fenêtre fermée")).to_be_visible()
        expect(row).to_be_hidden()

    run_story(story)


@pytest.mark.parametrize("wrong_by", [timedelta(hours=-5), timedelta(hours=30)])
def test_a_wrong_clock_of_the_computer_does_not_matter(run_story, awa, chat, held_by_awa, wrong_by):
    set_window(held_by_awa, hours=1, minutes=30)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, lambda page: page.clock.install(time=timezone.now() + wrong_by))
        expect_live(page)
        row = page.locator(f"#row-{held_by_awa.pk} .row__window.chip--attention")
        expect(row).to_contain_text("1 h 2")
        page.clock.fast_forward("00:20:00")
        expect(row).to_contain_text("1 h 0")
        expect(page.locator(".composer__window.is-closing-soon")).to_contain_text("1 h 0")

    run_story(story)


def test_the_composer_closes_with_the_window(run_story, awa, chat, held_by_awa):
    set_window(held_by_awa, seconds=20)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect(page.get_by_role("button", name="Envoyer un modèle")).to_be_visible()

    run_story(story)


def test_the_order_by_the_end_of_the_window_is_live(run_story, awa, chat, held_by_awa, fatou_writes, clock):
    ibrahims = fatou_writes("Bonjour", **IBRAHIM)
    ibrahims.take_over(awa, at=clock.now)
    set_window(held_by_awa, hours=3)
    set_window(ibrahims, hours=1)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
        page.locator(".list__order > summary").click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Se ferment bientôt")).to_be_hidden()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Se ferment bientôt").click()
        expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
        page.mouse.move(700, 400)
        clock.now = timezone.now()
        fatou_writes("encore une question", **IBRAHIM)
        expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
        page.reload()
        expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
        other = browsers.open_page(awa, "/dashboard/conversations?order=window&status=held")
        expect_live(other)
        expect(names_in_list(other)).to_have_text(["Fatou", "Ibrahim"])
        clock.now = timezone.now()
        fatou_writes("et moi")
        expect(names_in_list(other)).to_have_text(["Ibrahim", "Fatou"])

    run_story(story)


def test_a_row_goes_to_the_others_when_its_window_closes(run_story, awa, held_by_awa, fatou_writes, clock):
    ibrahims = fatou_writes("Bonjour", **IBRAHIM)
    ibrahims.take_over(awa, at=clock.now)
    set_window(held_by_awa, seconds=40)
    set_window(ibrahims, hours=1)
    awa.set_list_order("mine", "window")

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa, "/dashboard/active?tab=mine", lambda page: page.clock.install(time=timezone.now())
        )
        expect_live(page)
        expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
        page.clock.fast_forward("00:00:50")
        expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])

    run_story(story)


@pytest.mark.parametrize("theme", THEMES)
def test_every_state_of_the_window_is_legible(run_story, theme, awa, chat, held_by_awa, fatou_writes, clock):
    set_window(held_by_awa, hours=1, minutes=10)
    for number, remaining in enumerate((timedelta(hours=20), timedelta(minutes=3), timedelta(hours=-1))):
        other = fatou_writes("Bonjour", address=f"whatsapp:+22507000{number:05}", name=f"Client {number}")
        other.take_over(awa, at=clock.now)
        set_window(other, seconds=remaining.total_seconds())

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, in_theme(theme))
        expect_live(page)
        expect(page.locator(".row__window.chip--attention")).to_have_count(2)
        expect(page.locator(".composer__window.is-closing-soon")).to_be_visible()
        problems = list(violations(page, theme, "a conversation"))
        for path in ("/dashboard/active?tab=mine", "/dashboard/conversations?order=window"):
            page.goto(browsers.url + path)
            expect(page.locator("[data-order=window], [data-order=need]")).to_be_attached()
            problems += violations(page, theme, path)
        assert problems == []

    run_story(story)
