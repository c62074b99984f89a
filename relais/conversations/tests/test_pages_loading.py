"""Page loading in a browser: one rendering, bytes on the wire, layout shift, scroll position, and times."""

import re
import struct
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone, translation
from playwright.sync_api import expect

from relais.conversations.events import BOT
from relais.conversations.inbound_messages import InboundMedia
from relais.conversations.models import Media
from relais.web.times import ZONE_COOKIE, format_time, parse_time_zone
from tests.browser import Browsers, expect_live

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}
MAX_COLD_BYTES, MAX_WARM_BYTES = 60_000, 15_000
MAX_LAYOUT_SHIFT = 0.05
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.shifts.push(entry.value); })
  .observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def busy_conversation(held_by_awa, awa, fatou_writes, clock):
    """A long conversation, and as many others as the sidebar shows. Returns another one that Awa holds."""
    for n in range(60):
        if n % 2:
            held_by_awa.send_as_agent(
                f"Voici la réponse numéro {n} : le rendez-vous est possible.",
                agent=awa,
                at=clock.passes(minutes=1),
            )
        else:
            fatou_writes(f"Bonjour, ma question numéro {n} porte sur la révision de ma Classe A.")
    for n in range(60):
        other = fatou_writes("Bonjour", address=f"whatsapp:+2250700001{n:03}", name=f"Client numéro {n}")
        if n % 2:
            other.take_over(awa, at=clock.now)
        else:
            other.ask_for_agent(by=BOT, at=clock.now)
    return other


def requested_paths(page):
    """A list that collects the paths of the pages and fragments that the page requests."""
    paths = []
    page.on(
        "request", lambda request: "/dashboard" in request.url and paths.append(urlsplit(request.url).path)
    )
    return paths


class TestSingleRendering:
    @pytest.mark.parametrize(
        "path", ["/dashboard", "/dashboard/active", "/dashboard/pending", "/dashboard/conversations"]
    )
    def test_of_a_page_with_lists(self, run_story, awa, held_by_awa, fatou_writes, path):
        def story(browsers: Browsers) -> None:
            requests = []

            def watch(page):
                page.clock.install()
                requests.append(requested_paths(page))

            page = browsers.open_page(awa, path, watch)
            expect_live(page)
            expect(page.locator('.sidebar [data-count="active"]')).to_have_text("1")
            page.clock.fast_forward(10_000)
            fatou_writes("et encore", **IBRAHIM)
            expect(page.locator('.sidebar [data-count="active"]')).to_have_text("2")
            assert requests == [[path]]

        run_story(story)

    def test_of_a_conversation(self, run_story, awa, chat, fatou_writes):
        def story(browsers: Browsers) -> None:
            requests = []
            page = browsers.open_page(awa, chat, lambda page: requests.append(requested_paths(page)))
            expect_live(page)
            expect(page.locator('.sidebar [data-count="active"]')).to_have_text("1")
            fatou_writes("et encore", **IBRAHIM)
            expect(page.locator('.sidebar [data-count="active"]')).to_have_text("2")
            assert requests == [[chat]]

        run_story(story)

    def test_changes_between_the_page_and_its_socket_are_shown(self, run_story, awa, with_bot, fatou_writes):
        def story(browsers: Browsers) -> None:
            requests, new = [], []

            def writes_before_the_scripts(route):
                new or new.append(fatou_writes("entre les deux", **IBRAHIM))
                route.continue_()

            def prepare(page):
                page.route(re.compile(r"/static/js/list_page"), writes_before_the_scripts)
                requests.append(requested_paths(page))

            page = browsers.open_page(awa, "/dashboard/active", prepare)
            expect(page.locator(f"#row-{new[0].pk}")).to_contain_text("entre les deux")
            assert requests == [["/dashboard/active"]]

        run_story(story)

    def test_only_the_statistics_are_refetched_when_they_change(self, run_story, awa, with_bot, fatou_writes):
        def story(browsers: Browsers) -> None:
            requests = []
            page = browsers.open_page(awa, "/dashboard", lambda page: requests.append(requested_paths(page)))
            expect_live(page)
            with page.expect_response(re.compile("/dashboard/figures")):
                fatou_writes("encore un", **IBRAHIM)
            assert requests == [["/dashboard", "/dashboard/figures"]]

        run_story(story)


class TestStaleResponses:
    def test_a_refetched_list_does_not_undo_a_filter(self, run_story, awa, with_bot, fatou_writes):
        fatou_writes("Bonjour", **IBRAHIM)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, "/dashboard/conversations")
            expect_live(page)
            held, requests = [], []
            list_url = re.compile(r"/dashboard/conversations")

            def hold_the_first(route):
                if route.request.headers.get("x-requested-with") != "fetch":
                    return route.continue_()
                requests.append(route.request.url)
                return route.continue_() if held else held.append(route)

            page.route(list_url, hold_the_first)
            page.evaluate("document.dispatchEvent(new CustomEvent('relais:refresh'))")
            page.get_by_label("Nom ou téléphone").press_sequentially("ibra")
            expect(page.locator(".row__open")).to_have_text(["Ibrahim"])
            with page.expect_response(lambda answer: "q=ibra" in answer.url):
                held[0].continue_()
            expect(page.locator(".row__open")).to_have_text(["Ibrahim"])
            assert [urlsplit(url).query for url in requests][0] == ""
            assert "q=ibra" in requests[-1]

        run_story(story)

    def test_a_stale_filter_response_is_ignored(self, run_story, awa, with_bot, fatou_writes):
        fatou_writes("Bonjour", **IBRAHIM)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, "/dashboard/conversations")
            expect_live(page)
            held = []
            page.route(re.compile("q=ibra(&|$)"), lambda route: held.append(route))
            search = page.get_by_label("Nom ou téléphone")
            with page.expect_request(re.compile("q=ibra(&|$)")):
                search.press_sequentially("ibra")
            search.evaluate("field => { field.value = 'fatou'; }")  # typed, and not requested yet
            with page.expect_response(re.compile("q=ibra(&|$)")):
                held[0].continue_()
            with page.expect_response(re.compile("q=fatou")):
                search.dispatch_event("input")
                expect(page.locator(".row")).to_have_count(2)
            expect(page.locator(".row__open")).to_have_text(["Fatou"])

        run_story(story)

    def test_stale_panels_do_not_replace_newer_ones(self, run_story, awa, mariam, chat, held_by_awa, clock):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(mariam, chat)
            expect_live(page)
            held = []

            earlier = page.context.request.get(f"{browsers.url}{chat}/situation").text()

            def hold_the_first(route):
                return route.continue_() if held else held.append(route)

            page.route(re.compile("/situation"), hold_the_first)
            with page.expect_request(re.compile("/situation")):
                held_by_awa.record_answer("collect_vin", user_input="WDD2050071R123456", at=clock.now)
            held_by_awa.close(awa, at=clock.now)
            expect(page.locator("#chat-header")).to_have_attribute("data-situation", "ended")
            held[0].fulfill(body=earlier, content_type="text/html")
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            expect(page.locator("#chat-header")).to_have_attribute("data-situation", "ended")

        run_story(story)


def test_a_chat_stays_within_its_byte_budget_and_the_next_one_is_smaller(
    run_story, awa, chat, busy_conversation
):
    def story(browsers: Browsers) -> None:
        sizes = []

        def count(page):
            wire = page.context.new_cdp_session(page)
            wire.send("Network.enable")
            wire.on("Network.loadingFinished", lambda finished: sizes.append(finished["encodedDataLength"]))

        page = browsers.open_page(awa, chat, count)
        expect_live(page)
        expect(page.locator(".row")).to_have_count(30)
        # With what is loaded after the page, or it counts for the next one.
        page.wait_for_load_state("networkidle")
        cold_bytes, request_count = sum(sizes), len(sizes)
        assert 10_000 < cold_bytes <= MAX_COLD_BYTES, sizes
        assert request_count <= 8
        sizes.clear()
        page.goto(f"{browsers.url}/dashboard/chat/{busy_conversation.pk}")
        expect_live(page)
        assert 1_000 < sum(sizes) <= MAX_WARM_BYTES, sizes

    run_story(story)


def png_bytes(width=60, height=90):
    def part(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


class TestLayoutShift:
    def test_loading_pictures_shifts_nothing(self, run_story, awa, chat, fatou_writes):
        url = "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM/Media/ME"
        for n in range(3):
            fatou_writes(f"photo {n}", media=(InboundMedia(f"{url}{n}", "image/png"),))
            fatou_writes(f"et un mot à ce sujet, numéro {n}")
        Media.objects.update(state="stored", content_type="image/png", size=100)

        def story(browsers: Browsers) -> None:
            held = []

            def prepare(page):
                page.add_init_script(SHIFTS)
                page.route(re.compile("/dashboard/media/"), lambda route: held.append(route))

            page = browsers.open_page(awa, chat, prepare)
            expect_live(page)
            expect(page.locator(".bubble__picture").last).to_be_visible()
            for route in list(held):
                route.fulfill(body=png_bytes(), content_type="image/png")
            expect(page.locator(".bubble__picture > img").last).to_have_js_property("naturalWidth", 60)
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)") < MAX_LAYOUT_SHIFT

        run_story(story)

    @pytest.mark.parametrize("path", ["/dashboard", "/dashboard/active", "/dashboard/conversations", ""])
    def test_pages_do_not_shift_after_the_first_paint(self, run_story, awa, chat, busy_conversation, path):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, path or chat, lambda page: page.add_init_script(SHIFTS))
            expect_live(page)
            expect(page.locator('.sidebar [data-count="active"]')).not_to_be_empty()
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)") < MAX_LAYOUT_SHIFT

        run_story(story)

    def test_going_back_restores_the_scroll_position_of_the_list(self, run_story, awa, busy_conversation):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, "/dashboard/active?tab=mine")
            expect_live(page)
            page.locator("#main").evaluate("main => main.scrollTo(0, 700)")
            row = page.locator(".row__open").nth(15)
            row.click()
            expect(page.locator("#chat")).to_be_visible()
            page.go_back()
            expect(page.locator("#list")).to_be_visible()
            expect(page.locator("#main")).to_have_js_property("scrollTop", 700)

            # By a link it is another visit: from the top.
            page.get_by_role("link", name="En cours").first.click()
            expect(page.locator("#list")).to_be_visible()
            assert page.evaluate("document.getElementById('main').scrollTop") == 0

        run_story(story)

    def test_the_back_arrow_returns_to_the_previous_list(self, run_story, awa, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(
                awa,
                "/dashboard/conversations?q=fatou",
                lambda page: page.set_viewport_size({"width": 390, "height": 844}),
            )
            page.locator(".row__open").first.click()
            page.get_by_role("link", name="Retour à la liste").click()
            expect(page).to_have_url(re.compile(r"conversations\?q=fatou"))
            page.goto(f"{browsers.url}/dashboard/chat/{held_by_awa.pk}")
            page.get_by_role("link", name="Retour à la liste").click()
            expect(page).to_have_url(re.compile("/dashboard/active"))

        run_story(story)

    def test_the_sidebar_keeps_its_scroll_position(self, run_story, awa, chat, busy_conversation):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            page.locator(".desk__list").evaluate("list => list.scrollTo(0, 500)")
            page.locator(".desk__list .row__open").nth(12).click()
            expect(page).not_to_have_url(re.compile(chat))
            expect(page.locator(".desk__list")).to_have_js_property("scrollTop", 500)

        run_story(story)


NEW_YORK = "America/New_York"
KINDS = ("clock", "ago", "moment", "day", "since", "age")
# The moment and not its text: a day that the scripts insert has another offset than one from the server.
TIMES = "(all) => all.map((time) => [Date.parse(time.dateTime), time.dataset.time, time.textContent])"


class TestTimes:
    def test_are_rendered_in_the_browsers_time_zone_without_scripts(
        self, run_story, awa, chat, fatou_writes, clock
    ):
        clock.passes(days=-3)
        for _ in range(4):
            clock.passes(hours=7)
            fatou_writes("encore")

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, timezone_id=NEW_YORK)
            assert [c["value"] for c in page.context.cookies() if c["name"] == ZONE_COOKIE] == [NEW_YORK]
            expect_live(page)
            page.route(re.compile("/static/js/(?!theme)"), lambda route: route.abort())
            shown = page.locator("#thread time").evaluate_all(TIMES)
            page.reload()
            assert page.locator("#thread time").evaluate_all(TIMES) == shown
            assert len(shown) > 6

        run_story(story, allow_console_errors="ERR_FAILED")

    @pytest.mark.parametrize("language", ["fr", "en", "ar"])
    def test_are_formatted_like_in_the_scripts(self, run_story, awa, with_bot, language):
        awa.language = language
        awa.save()
        moments = [
            *(timedelta(seconds=s) for s in (20, 330, 3_630)),
            *(timedelta(hours=h, seconds=30) for h in (3, 8, 14, 20, 26, 30, 40, 50)),
            *(timedelta(days=d, hours=5, seconds=30) for d in (3, 4, 5, 6, 7, 8, 30, 100, 300, 400, 800)),
        ]

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, "/dashboard/active", timezone_id=NEW_YORK)
            expect_live(page)
            now = timezone.now()
            wanted = [
                ((now - ago).isoformat(), kind)
                for ago in moments
                for kind in KINDS
                if (kind, ago.seconds) != ("age", 20)
            ]
            written = page.evaluate(
                """(wanted) => {
                  const root = document.createElement("div");
                  root.append(...wanted.map(([at, kind]) => {
                    const time = Object.assign(document.createElement("time"), { dateTime: at });
                    time.dataset.time = kind;
                    return time;
                  }));
                  document.body.append(root);
                  return new Promise((done) => requestAnimationFrame(() => done([...root.children].map((time) => time.textContent))));
                }""",
                wanted,
            )
            with timezone.override(parse_time_zone(NEW_YORK)), translation.override(language):
                formatted = [format_time(datetime.fromisoformat(at), kind, now=now) for at, kind in wanted]
            assert dict(zip(map(tuple, wanted), written, strict=True)) == dict(
                zip(wanted, formatted, strict=True)
            )

        run_story(story)


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Base", "Africa", "../../etc/passwd", "/etc/localtime", "a" * 5000, "Europe\0Paris", "é"],
)
def test_an_invalid_time_zone_falls_back_to_the_companys(client, awa, with_bot, zone):
    client.force_login(awa)
    client.cookies[ZONE_COOKIE] = "x"
    client.cookies[ZONE_COOKIE].set(ZONE_COOKIE, zone, zone)
    noon = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    type(with_bot).objects.update(started_at=noon)
    answer = client.get(f"/dashboard/chat/{with_bot.pk}")
    assert answer.status_code == 200
    shown = timezone.localtime(noon).strftime("%H:%M")
    assert f"{shown}</time>" in answer.content.decode()


def test_a_valid_time_zone_is_used(client, awa, with_bot):
    client.force_login(awa)
    client.cookies[ZONE_COOKIE] = "Asia/Tokyo"
    type(with_bot).objects.update(started_at=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    assert "21:00</time>" in client.get(f"/dashboard/chat/{with_bot.pk}").content.decode()


def test_the_server_groups_messages_like_the_scripts(run_story, awa, chat, held_by_awa, fatou_writes, clock):
    for seconds in (0, 60, 119, 121, 86_400, 5):
        clock.passes(seconds=seconds)
        fatou_writes(f"après {seconds} s")
    for seconds in (3, 5):
        held_by_awa.send_as_agent(f"réponse {seconds}", agent=awa, at=clock.passes(seconds=seconds))

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        classes = "(all) => all.map(({ id, className }) => [id, [...className.split(' ')].sort().join(' ')])"
        arranged = page.locator("#thread > .message").evaluate_all(classes)
        page.route(re.compile("/static/js/(?!theme)"), lambda route: route.abort())
        page.reload()
        assert page.locator("#thread > .message").evaluate_all(classes) == arranged
        assert sum("is-continued" in each for _, each in arranged) >= 3

    run_story(story, allow_console_errors="ERR_FAILED")
