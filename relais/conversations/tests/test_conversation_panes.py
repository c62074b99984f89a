"""Another conversation is opened without a page load: its panes are replaced, the list beside them stays."""

import gzip
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from tests.browser import Browsers, expect_live
from tests.cast import messages_to_client
from tests.web_server import wait_until

MAX_FRAGMENT_BYTES = 15_000
IBRAHIM = {"address": "whatsapp:+2250700000002", "name": "Ibrahim"}


@pytest.fixture
def ibrahims(awa, fatou_writes, clock):
    conversation = fatou_writes("Bonjour, c'est Ibrahim", **IBRAHIM)
    conversation.take_over(awa, at=clock.now)
    return conversation


def field_for(page, name):
    return page.get_by_role("textbox", name=f"Votre message à {name}")


def row_link(page, conversation):
    return page.locator(f".desk__list #row-{conversation.pk} .row__open")


def mark_document(page):
    """So that `expect_same_document` can tell whether the page was loaded anew."""
    page.evaluate("window.isSameDocument = true")


def expect_same_document(page):
    assert page.evaluate("window.isSameDocument === true")


class TestFragment:
    pytestmark = pytest.mark.django_db

    def get(self, user, conversation, part="/panes"):
        client = Client()
        client.force_login(user)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(f"/dashboard/chat/{conversation.pk}{part}")
        return response, len(queries)

    def test_has_the_conversation_and_its_client_and_no_list(self, awa, held_by_awa):
        response, _ = self.get(awa, held_by_awa)
        html = response.text
        for part in ('id="chat"', 'id="chat-header"', 'id="thread"', 'id="composer"', 'id="client"'):
            assert html.count(part) == 1
        assert "desk__list" not in html
        assert "<html" not in html

    def test_is_small_and_needs_no_more_queries_than_the_page(self, awa, held_by_awa, fatou_writes, clock):
        for n in range(60):
            fatou_writes(f"Bonjour, ma question numéro {n} porte sur la révision de ma Classe A.")
            held_by_awa.send_as_agent(f"Voici la réponse numéro {n}.", agent=awa, at=clock.passes(minutes=1))
        response, queries = self.get(awa, held_by_awa)
        assert 1_000 < len(gzip.compress(response.content)) <= MAX_FRAGMENT_BYTES
        _, page_queries = self.get(awa, held_by_awa, "")
        assert queries <= page_queries

    def test_does_not_mark_as_read(self, awa, held_by_awa, fatou_writes):
        fatou_writes("encore")
        response, _ = self.get(awa, held_by_awa)
        assert "data-unread" in response.text.split("</section>", 1)[0]
        assert Conversation.objects.get().is_unread

    def test_is_404_out_of_reach(self, held_by_awa, yao, sales):
        Conversation.objects.update(team=sales)
        assert self.get(yao, held_by_awa)[0].status_code == 404

    def test_asks_the_anonymous_to_sign_in(self, held_by_awa):
        response = Client().get(f"/dashboard/chat/{held_by_awa.pk}/panes")
        assert response.status_code == 302
        assert "/accounts/login/" in response["Location"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock_starts_now")
class TestOpening:
    def test_a_row_replaces_the_panes_and_back_and_reload_show_what_the_address_says(
        self, run_story, awa, chat, ibrahims
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            mark_document(page)
            row_link(page, ibrahims).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")
            expect(page).to_have_url(re.compile(f"/dashboard/chat/{ibrahims.pk}$"))
            expect(page).to_have_title(re.compile("^Ibrahim · "))
            expect(page.locator(".message--client")).to_have_text(re.compile("c'est Ibrahim"))
            expect(page.locator("#client h2")).to_have_text("Ibrahim")
            expect(page.locator("[aria-current=page] bdi")).to_have_text("Ibrahim")
            expect(field_for(page, "Ibrahim")).to_be_focused()
            page.go_back()
            expect(page.get_by_role("heading", level=1)).to_have_text("Fatou")
            expect(page).to_have_url(re.compile(f"{chat}$"))
            page.go_forward()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")
            expect_same_document(page)
            page.reload()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")

        run_story(story)

    def test_a_link_in_the_client_panel_does_the_same(self, run_story, awa, ended, fatou_writes):
        new = fatou_writes("rebonjour")

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{new.pk}")
            mark_document(page)
            page.locator(".client__others a").first.click()
            expect(page.locator("#composer")).to_contain_text("Conversation terminée")
            page.get_by_role("link", name="Ouvrir la conversation en cours").click()
            expect(page).to_have_url(re.compile(f"/dashboard/chat/{new.pk}$"))
            expect(page.locator("#composer")).to_contain_text("Le bot répond")
            expect_same_document(page)

        run_story(story)

    def test_modules_hear_which_conversation_is_left_and_opened(
        self, run_story, awa, chat, held_by_awa, ibrahims
    ):
        listen = """
        window.heard = [];
        for (const name of ["left", "opened"])
          document.addEventListener(`relais:conversation-${name}`, ({ detail }) => heard.push([name, detail.conversation]));
        """

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, lambda page: page.add_init_script(listen))
            row_link(page, ibrahims).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")
            first, second = str(held_by_awa.pk), str(ibrahims.pk)
            assert page.evaluate("heard") == [["opened", first], ["left", first], ["opened", second]]

        run_story(story)

    def test_a_colleague_sees_messages_of_the_open_conversation_only(
        self, run_story, awa, chat, ibrahims, fatou_writes
    ):
        def story(browsers: Browsers) -> None:
            sockets, closed = [], []

            def watch(page):
                page.on("websocket", lambda socket: "conversation=" in socket.url and sockets.append(socket))

            page = browsers.open_page(awa, chat, watch)
            expect_live(page)
            sockets[0].on("close", lambda socket: closed.append(socket))
            row_link(page, ibrahims).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")
            fatou_writes("je suis Fatou")
            fatou_writes("je suis Ibrahim", **IBRAHIM)
            expect(page.locator(".message--client").last).to_contain_text("je suis Ibrahim")
            expect(page.locator(".message", has_text="je suis Fatou")).to_have_count(0)
            assert (len(sockets), len(closed)) == (2, 1)
            assert f"conversation={ibrahims.pk}&since=" in sockets[1].url
            page.go_back()
            expect(page.locator(".message--client").last).to_contain_text("je suis Fatou")
            wait_until(lambda: not Conversation.objects.get(pk=ibrahims.pk).is_unread)

        run_story(story)

    def test_a_prefetched_conversation_catches_up(self, run_story, awa, chat, ibrahims, fatou_writes, clock):
        """What happens between the prefetch and the opening arrives by the socket, the header's state, too."""

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            page.route_web_socket(re.compile("/live.position"), lambda socket: None)
            page.evaluate(
                "document.addEventListener('relais:row', (event) => event.stopImmediatePropagation(), true)"
            )
            with page.expect_response(re.compile(f"/{ibrahims.pk}/panes")):
                row_link(page, ibrahims).hover()
            fatou_writes("entre-temps", **IBRAHIM)
            ibrahims.refresh_from_db()
            ibrahims.close(awa, at=clock.now)
            row_link(page, ibrahims).click()
            expect(page.locator(".message", has_text="entre-temps")).to_have_count(1)
            expect(page.locator("#chat-header")).to_have_attribute("data-situation", "ended")
            expect(page.locator("#composer")).to_contain_text("Conversation terminée")

        run_story(story)

    def test_hovering_marks_nothing_as_read_and_opening_does(
        self, run_story, awa, chat, ibrahims, fatou_writes
    ):
        fatou_writes("lisez-moi", **IBRAHIM)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            with page.expect_response(re.compile(f"/{ibrahims.pk}/panes")):
                row_link(page, ibrahims).hover()
            assert Conversation.objects.get(pk=ibrahims.pk).is_unread
            with page.expect_response(re.compile(f"/{ibrahims.pk}/read")):
                row_link(page, ibrahims).click()
            assert not Conversation.objects.get(pk=ibrahims.pk).is_unread

        run_story(story)

    def test_out_of_reach_loads_the_page_that_says_so(self, run_story, koffi, fatou_writes, sales):
        first, second = fatou_writes("Bonjour"), fatou_writes("Bonjour", **IBRAHIM)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(koffi, f"/dashboard/chat/{first.pk}")
            page.route("**/live**", lambda route: route.abort())
            page.evaluate(f"document.querySelector('.chat__back').href = '/dashboard/chat/{second.pk}'")
            Conversation.objects.filter(pk=second.pk).update(team=sales)
            page.evaluate("document.querySelector('.chat__back').click()")
            expect(page.get_by_text("à votre portée")).to_be_visible()
            expect(page).to_have_url(re.compile(f"/dashboard/chat/{second.pk}$"))

        run_story(story, allow_console_errors="404|ERR_FAILED|WebSocket")

    def test_without_a_network_the_page_stays_and_says_so(self, run_story, awa, chat, ibrahims):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            page.route("**/panes", lambda route: route.abort())
            row_link(page, ibrahims).click()
            expect(page.locator(".notice--error")).to_be_visible()
            expect(page.get_by_role("heading", level=1)).to_have_text("Fatou")
            expect(page).to_have_url(re.compile(f"{chat}$"))

        run_story(story, allow_console_errors="ERR_FAILED")

    def test_the_last_conversation_asked_for_is_shown(
        self, run_story, awa, chat, ibrahims, fatou_writes, clock
    ):
        third = fatou_writes("Bonjour", address="whatsapp:+2250700000003", name="Salif")
        third.take_over(awa, at=clock.now)

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            held = []
            page.route(f"**/{ibrahims.pk}/panes", lambda route: held.append(route))
            row_link(page, ibrahims).click()
            row_link(page, third).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Salif")
            with page.expect_response(f"**/{ibrahims.pk}/panes"):
                held[0].continue_()
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            expect(page.get_by_role("heading", level=1)).to_have_text("Salif")
            expect(page).to_have_url(re.compile(f"/dashboard/chat/{third.pk}$"))

        run_story(story)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock_starts_now")
class TestTextsStay:
    def test_each_conversation_keeps_its_draft(self, run_story, awa, chat, held_by_awa, ibrahims):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            field_for(page, "Fatou").fill("pour Fatou")
            row_link(page, ibrahims).click()
            expect(field_for(page, "Ibrahim")).to_have_value("")
            field_for(page, "Ibrahim").fill("pour Ibrahim")
            row_link(page, held_by_awa).click()
            expect(field_for(page, "Fatou")).to_have_value("pour Fatou")
            page.go_back()
            expect(field_for(page, "Ibrahim")).to_have_value("pour Ibrahim")

        run_story(story)

    def test_a_message_under_way_goes_to_the_conversation_it_was_written_in(
        self, run_story, awa, chat, held_by_awa, ibrahims
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            held = []
            page.route("**/send", lambda route: held.append(route))
            field_for(page, "Fatou").fill("pour Fatou seule")
            with page.expect_request("**/send"):
                field_for(page, "Fatou").press("Enter")
            row_link(page, ibrahims).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")
            with page.expect_response("**/send"):
                held[0].continue_()
            expect(page.locator(".message--agent")).to_have_count(0)
            row_link(page, held_by_awa).click()
            expect(page.locator(".message--agent .bubble__text")).to_have_text(["pour Fatou seule"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert messages_to_client(held_by_awa).count("pour Fatou seule") == 1
            assert "pour Fatou seule" not in messages_to_client(ibrahims)

        run_story(story)

    def test_a_message_that_fails_meanwhile_waits_in_its_conversation(
        self, run_story, awa, chat, held_by_awa, ibrahims
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            held = []
            page.route("**/send", lambda route: route.abort() if held else held.append(route))
            field_for(page, "Fatou").fill("pas encore parti")
            with page.expect_request("**/send"):
                field_for(page, "Fatou").press("Enter")
            row_link(page, ibrahims).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Ibrahim")
            held[0].abort()
            row_link(page, held_by_awa).click()
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("Pas de réponse")
            page.unroute("**/send")
            page.evaluate("window.dispatchEvent(new Event('online'))")
            expect(page.locator(".message--agent:not(.is-unsent)")).to_contain_text(["pas encore parti"])
            expect(page.locator(".is-unsent")).to_have_count(0)

        run_story(story, allow_console_errors="ERR_FAILED")


@pytest.fixture
def crowd(fatou_writes, awa, clock):
    """A hundred clients whom Awa has answered, in the order of « Les miennes »."""
    conversations = []
    for n in range(100):
        conversation = fatou_writes(
            f"Bonjour numéro {n}", address=f"whatsapp:+2250700001{n:03}", name=f"Client {n:03}"
        )
        conversation.take_over(awa, at=clock.now)
        conversations.append(conversation)
    Conversation.objects.update(unanswered_since=None)
    for conversation in conversations:
        Conversation.objects.filter(pk=conversation.pk).update(last_activity_at=clock.passes(seconds=1))
    return conversations[::-1]


def choose_order(page, name):
    page.locator(".list__order > summary").click()
    page.get_by_role("button", name=name).click()


def names_in_list(page):
    return page.locator(".desk__list .row__open")


SCROLL_UNTIL = """async ([edge, name]) => {
  const list = document.querySelector(".desk__list");
  const nameAtEdge = () => [...list.querySelectorAll(".row__open")].at(edge).textContent;
  for (let attempt = 0; attempt < 600 && nameAtEdge() !== name; attempt += 1) {
    list.scrollTo(0, edge ? list.scrollHeight : 1);
    await new Promise((done) => setTimeout(done, 50));
  }
}"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock_starts_now")
class TestList:
    def test_tabs_change_the_list_and_leave_the_conversation(
        self, run_story, awa, chat, ibrahims, fatou_writes
    ):
        fatou_writes("Bonjour", address="whatsapp:+2250700000003", name="Salif")

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            mark_document(page)
            expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
            page.locator(".desk__list").get_by_role("link", name="Avec le bot").click()
            expect(names_in_list(page)).to_have_text(["Salif"])
            expect(page.locator("[data-tab=bot]")).to_have_attribute("aria-current", "true")
            expect(page.get_by_role("heading", level=1)).to_have_text("Fatou")
            expect(page).to_have_url(re.compile(f"{chat}$"))
            names_in_list(page).click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Salif")
            expect(names_in_list(page)).to_have_text(["Salif"])
            expect_same_document(page)
            page.reload()
            expect(names_in_list(page)).to_have_text(["Salif"])

        run_story(story)

    def test_counts_and_order_are_live(
        self, run_story, awa, chat, ibrahims, held_by_awa, fatou_writes, clock
    ):
        for conversation in (held_by_awa, ibrahims):
            conversation.send_as_agent("Bonjour", agent=awa, at=clock.passes(seconds=1))

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
            fatou_writes("une question")
            expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
            expect(page.locator(f"#row-{held_by_awa.pk} .chip--attention")).to_contain_text("à répondre")
            fatou_writes("une autre", **IBRAHIM)
            expect(page.locator(f"#row-{ibrahims.pk} .chip--attention")).to_be_visible()
            expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
            held_by_awa.send_as_agent("Oui", agent=awa, at=clock.passes(seconds=1))
            expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
            expect(page.locator("[data-tab=all] .tabs__count")).to_have_text("2")
            fatou_writes("Bonjour", address="whatsapp:+2250700000003", name="Salif")
            expect(page.locator("[data-tab=all] .tabs__count")).to_have_text("3")
            expect(page.locator("[data-tab=bot] .tabs__count")).to_have_text("1")

        run_story(story)

    def test_the_order_is_a_setting(self, run_story, awa, chat, ibrahims, held_by_awa, clock):
        ibrahims.send_as_agent("Bonjour", agent=awa, at=clock.passes(seconds=1))

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])
            choose_order(page, "Les plus récentes d'abord")
            expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
            page.reload()
            expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
            choose_order(page, "À répondre d'abord")
            expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])

        run_story(story)

    def test_scrolling_loads_further_pages_both_ways(self, run_story, awa, crowd):
        names = [conversation.client_name for conversation in crowd]

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{crowd[0].pk}")
            page.evaluate("document.body.dataset.maxRows = 60")
            expect(names_in_list(page)).to_have_count(30)
            page.evaluate(SCROLL_UNTIL, [-1, names[-1]])
            expect(names_in_list(page).last).to_have_text(names[-1])
            assert names_in_list(page).all_text_contents() == names[-len(names_in_list(page).all()) :]
            assert len(names_in_list(page).all()) <= 60
            page.evaluate(SCROLL_UNTIL, [0, names[0]])
            expect(names_in_list(page).first).to_have_text(names[0])
            shown = names_in_list(page).all_text_contents()
            assert shown == names[: len(shown)]

        run_story(story)

    def test_what_changes_above_moves_nothing_that_is_read(self, run_story, awa, crowd, fatou_writes):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{crowd[0].pk}")
            expect_live(page)
            page.locator(".desk__list").evaluate("list => list.scrollTo(0, 700)")
            top = "id => Math.round(document.getElementById(id).getBoundingClientRect().top)"
            read = f"row-{crowd[15].pk}"
            before = page.evaluate(top, read)
            fatou_writes("une question", address="whatsapp:+2250700001070", name="Client 070")
            expect(names_in_list(page).first).to_have_text("Client 070")
            assert abs(page.evaluate(top, read) - before) <= 1
            page.evaluate("document.dispatchEvent(new CustomEvent('relais:refresh'))")
            with page.expect_response(re.compile("/aside")):
                pass
            expect(names_in_list(page).first).to_have_text("Client 070")
            assert abs(page.evaluate(top, read) - before) <= 1

        run_story(story)

    def test_no_row_moves_under_the_mouse(
        self, run_story, awa, chat, held_by_awa, ibrahims, fatou_writes, clock
    ):
        for conversation in (held_by_awa, ibrahims):
            conversation.send_as_agent("Bonjour", agent=awa, at=clock.passes(seconds=1))

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
            names_in_list(page).first.hover()
            page.evaluate("""() => {
              const row = document.querySelector('.desk__list .row');
              window.moving = setInterval(() => row.parentElement.firstElementChild.dispatchEvent(
                new PointerEvent('pointermove', { bubbles: true, pointerType: 'mouse' })), 200);
            }""")
            fatou_writes("une question")
            expect(page.locator(f"#row-{held_by_awa.pk} .row__preview")).to_contain_text("une question")
            expect(names_in_list(page)).to_have_text(["Ibrahim", "Fatou"])
            page.evaluate("clearInterval(window.moving)")
            expect(names_in_list(page)).to_have_text(["Fatou", "Ibrahim"])

        run_story(story)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("clock_starts_now")
class TestKeyboard:
    def test_alt_and_arrows_walk_the_list_while_writing(self, run_story, awa, crowd):
        names = [conversation.client_name for conversation in crowd]

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{crowd[0].pk}")
            mark_document(page)
            heading = page.get_by_role("heading", level=1)
            field_for(page, names[0]).fill("un début")
            for n in (1, 2, 3):
                page.keyboard.press("Alt+ArrowDown")
                expect(heading).to_have_text(names[n])
                expect(field_for(page, names[n])).to_be_focused()
            page.keyboard.press("Alt+ArrowUp")
            expect(heading).to_have_text(names[2])
            page.keyboard.press("Alt+ArrowUp")
            page.keyboard.press("Alt+ArrowUp")  # faster than the panes come
            expect(heading).to_have_text(names[0])
            expect(field_for(page, names[0])).to_have_value("un début")
            expect_same_document(page)

        run_story(story)

    def test_j_and_k_walk_beyond_the_page_of_the_list(self, run_story, awa, crowd):
        names = [conversation.client_name for conversation in crowd]

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{crowd[28].pk}")
            heading = page.get_by_role("heading", level=1)
            page.locator("[data-thread]").focus()
            for n in range(29, 34):
                page.keyboard.press("j")
                expect(heading).to_have_text(names[n])
                expect(page.locator(f"#row-{crowd[n].pk} .row__open")).to_be_focused()
            page.keyboard.press("k")
            expect(heading).to_have_text(names[32])
            page.keyboard.press("Enter")
            expect(field_for(page, names[32])).to_be_focused()
            page.keyboard.type("jk")
            expect(field_for(page, names[32])).to_have_value("jk")

        run_story(story)

    def test_after_a_conversation_left_the_list_its_successor_is_next(self, run_story, awa, crowd, clock):
        names = [conversation.client_name for conversation in crowd]

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, f"/dashboard/chat/{crowd[3].pk}")
            expect_live(page)
            crowd[3].refresh_from_db()
            crowd[3].close(awa, at=clock.now)
            expect(page.locator(f"#row-{crowd[3].pk}")).to_have_count(0)
            page.keyboard.press("Alt+ArrowDown")
            expect(page.get_by_role("heading", level=1)).to_have_text(names[4])

        run_story(story)
