"""What someone wrote is his until the server has it: through a lost session, a reload, a slow answer, a colleague's act."""

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from relais.conversations.tests.test_pages_browser import agents_words, field_of
from tests.browser import Browsers, expect_live
from tests.cast import messages_to_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
PASSWORD = "un bon mot de passe"
KEPT = "Object.keys(localStorage).filter(key => /^relais:(draft|unsent):/.test(key)).length"


def signs_in(page, user):
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()


def without_sockets(page):
    """So that nothing tells the page that its session ended before the person sends."""
    page.route_web_socket(re.compile("/live"), lambda socket: None)
    page.route("**/live?*", lambda route: route.abort())


def swallows_the_first(page):
    """The first message is on its way and arrives nowhere."""
    swallowed = []
    page.route("**/send", lambda route: route.continue_() if swallowed else swallowed.append(route))
    return swallowed


class TestASessionThatEnds:
    def test_what_was_sent_then_goes_after_signing_in_in_another_tab(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, without_sockets)
            Session.objects.all().delete()
            field_of(page).fill("êtes-vous là demain ?")
            field_of(page).press("Enter")
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("Votre session est terminée")
            with page.context.expect_page() as opened:
                page.get_by_role("link", name="Se connecter").click()
            signs_in(opened.value, awa)
            expect(opened.value.locator("#chat")).to_be_visible()
            page.get_by_role("button", name="Réessayer").click()
            expect(page.locator(".is-unsent")).to_have_count(0)
            expect(agents_words(page)).to_have_text(["êtes-vous là demain ?"])
            assert messages_to_client(held_by_awa).count("êtes-vous là demain ?") == 1
            assert page.evaluate(KEPT) == 0

        run_story(story, allow_console_errors="401|ERR_FAILED|WebSocket")

    def test_a_new_token_is_used_as_soon_as_the_browser_has_one(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, without_sockets)
            other = page.context.new_page()
            other.goto(f"{browsers.url}/accounts/logout/")
            other.locator("main form[data-clear-drafts] button").click()
            signs_in(other, awa)
            expect(other.locator(".shell")).to_be_visible()
            field_of(page).fill("avec le nouveau jeton")
            field_of(page).press("Enter")
            expect(agents_words(page)).to_have_text(["avec le nouveau jeton"])
            page.get_by_role("button", name="Clôturer").click()
            page.get_by_role("dialog").get_by_role("button", name="Clôturer").click()
            expect(page.get_by_text("Conversation avec Fatou clôturée.")).to_be_visible()

        run_story(story, allow_console_errors="ERR_FAILED|WebSocket")

    def test_the_page_that_is_led_to_the_sign_in_comes_back_with_every_word(
        self, run_story, awa, chat, held_by_awa
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            page.route("**/send", lambda route: route.abort())
            field_of(page).fill("celui-ci n'est pas parti")
            field_of(page).press("Enter")
            expect(page.locator(".is-unsent .delivery__error")).to_be_visible()
            field_of(page).fill("et celui-ci n'est pas fini")
            page.unroute("**/send")
            Session.objects.all().delete()
            expect(page).to_have_url(re.compile("/accounts/login/"))
            signs_in(page, awa)
            expect(field_of(page)).to_have_value("et celui-ci n'est pas fini")
            expect(page.locator(".is-unsent .bubble__text")).to_have_text("celui-ci n'est pas parti")
            page.get_by_role("button", name="Réessayer").click()
            expect(agents_words(page)).to_have_text(["celui-ci n'est pas parti"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert messages_to_client(held_by_awa).count("celui-ci n'est pas parti") == 1

        run_story(story, allow_console_errors="ERR_FAILED|WebSocket|401")

    def test_a_form_that_is_being_filled_in_stays_and_can_be_sent_later(self, run_story, nadia):
        from relais.company import company_settings

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(nadia, "/dashboard/settings")
            expect_live(page)
            page.get_by_label("Marque").fill("Étoile d'Afrique")
            Session.objects.all().delete()
            notices = page.locator(".notice--error", has_text="Votre session est terminée")
            notice = notices.first
            expect(notice).to_be_visible()
            page.get_by_role("button", name="Enregistrer").click()
            expect(notices).to_have_count(2)
            with page.context.expect_page() as opened:
                notice.get_by_role("link", name="Se connecter").click()
            signs_in(opened.value, nadia)
            expect(opened.value.locator(".shell")).to_be_visible()
            expect(page.get_by_label("Marque")).to_have_value("Étoile d'Afrique")
            with page.expect_navigation():
                page.get_by_role("button", name="Enregistrer").click()
            expect(page.get_by_label("Marque")).to_have_value("Étoile d'Afrique")
            assert company_settings.brand() == "Étoile d'Afrique"

        run_story(story, allow_console_errors="401|WebSocket")


class TestAReload:
    def test_while_the_answer_is_on_its_way_says_nothing_twice(self, run_story, awa, chat, held_by_awa):
        """The server has it and its answer takes long; the page is loaded anew meanwhile."""

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, without_sockets)
            held = []
            page.route("**/send", lambda route: held.append((route, route.fetch())))
            field_of(page).fill("une fois")
            with page.expect_request("**/send"):
                field_of(page).press("Enter")
            expect(page.locator(".is-unsent")).to_have_count(1)
            page.unroute("**/send")
            page.reload()
            expect(agents_words(page)).to_have_text(["une fois"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert page.evaluate(KEPT) == 0
            assert messages_to_client(held_by_awa).count("une fois") == 1

        run_story(story, allow_console_errors="ERR_|WebSocket")

    def test_before_the_server_has_it_sends_it_under_the_same_ref(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, without_sockets)
            never_arrives = swallows_the_first(page)
            field_of(page).fill("encore en route")
            with page.expect_request("**/send"):
                field_of(page).press("Enter")
            with page.expect_request("**/send") as again:
                page.reload()
            expect(page.locator(".message--agent:not(.is-unsent)")).to_contain_text(["encore en route"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert again.value.post_data == never_arrives[0].request.post_data
            assert messages_to_client(held_by_awa).count("encore en route") == 1

        run_story(story, allow_console_errors="ERR_|WebSocket")

    def test_after_a_while_asks_whether_it_is_still_to_be_sent(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, without_sockets)
            swallows_the_first(page)
            field_of(page).fill("d'hier")
            with page.expect_request("**/send"):
                field_of(page).press("Enter")
            page.evaluate(
                """() => {
                  const key = Object.keys(localStorage).find((key) => key.startsWith("relais:unsent:"));
                  localStorage.setItem(key, localStorage.getItem(key).replace(/"at":"[^"]+"/, '"at":"2020-01-01T10:00:00.000Z"'));
                }"""
            )
            page.reload()
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("L'envoi a été interrompu")
            assert "d'hier" not in messages_to_client(held_by_awa)
            page.get_by_role("button", name="Réessayer").click()
            expect(agents_words(page)).to_have_text(["d'hier"])

        run_story(story, allow_console_errors="ERR_|WebSocket")

    def test_in_a_browser_that_keeps_garbage_still_shows_the_page(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            page.evaluate(f"localStorage.setItem('relais:unsent:{awa.pk}:{held_by_awa.pk}', '{{\"x')")
            page.reload()
            field_of(page).fill("tout va bien")
            field_of(page).press("Enter")
            expect(agents_words(page)).to_have_text(["tout va bien"])

        run_story(story)

    def test_what_was_refused_is_still_there_with_its_reason(self, run_story, awa, chat, clock):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, without_sockets)
            Conversation.objects.update(last_inbound_at=clock.passes(days=-2))
            field_of(page).fill("trop tard")
            field_of(page).press("Enter")
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("plus de 24 h")
            page.reload()
            expect(page.locator(".is-unsent .bubble__text")).to_have_text("trop tard")
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("plus de 24 h")

        run_story(story, allow_console_errors="422|ERR_|WebSocket")


class TestWhoseItIs:
    def test_leaving_the_page_does_not_stop_what_was_sent(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            field_of(page).fill("je pars")
            field_of(page).press("Enter")
            page.goto(f"{browsers.url}/dashboard/active")
            page.goto(browsers.url + chat)
            expect(agents_words(page)).to_have_text(["je pars"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert messages_to_client(held_by_awa).count("je pars") == 1

        run_story(story)

    def test_another_user_of_the_browser_does_not_see_it(
        self, run_story, awa, koffi, mariam, chat, held_by_awa, clock
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            field_of(page).fill("le mien")
            Session.objects.all().delete()
            expect(page).to_have_url(re.compile("/accounts/login/"))
            held_by_awa.reassign(koffi, by=mariam, at=clock.now)
            signs_in(page, koffi)
            expect(field_of(page)).to_have_value("")

        run_story(story, allow_console_errors="401|WebSocket")

    @pytest.mark.parametrize("by", ["menu", "page"])
    def test_signing_out_takes_the_own_words_along_and_no_others(self, run_story, awa, chat, by):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            field_of(page).fill("le mien")
            page.evaluate("localStorage.setItem('relais:draft:99999:1', 'celui de Koffi')")
            assert page.evaluate(KEPT) == 2
            if by == "menu":
                page.evaluate("document.querySelector('.menu form[data-clear-drafts]').requestSubmit()")
            else:
                page.goto(f"{browsers.url}/accounts/logout/")
                page.locator("main form[data-clear-drafts] button").click()
            expect(page).to_have_url(re.compile("/accounts/login/"))
            assert page.evaluate(KEPT) == 1

        run_story(story)

    def test_a_supervisor_s_close_leaves_the_holder_his_unsent_text(
        self, run_story, awa, mariam, chat, held_by_awa, clock
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            field_of(page).fill("je n'avais pas fini")
            held_by_awa.close(mariam, at=clock.now)
            kept = page.locator(".composer__draft-text")
            expect(kept).to_have_value("je n'avais pas fini")
            expect(page.locator("#chat-header")).to_have_attribute("data-situation", "ended")
            held_by_awa.client.save()
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            page.reload()
            expect(kept).to_have_value("je n'avais pas fini")
            expect(page.locator("[data-saved-draft]").get_by_role("button", name="Copier")).to_have_attribute(
                "data-copy", "je n'avais pas fini"
            )
            page.get_by_role("button", name="Effacer").click()
            expect(kept).to_have_count(0)
            page.reload()
            expect(kept).to_have_count(0)

        run_story(story)


def test_too_long_a_text_says_the_limit_and_stays(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        problem = page.get_by_role("alert").filter(has_text="WhatsApp en prend")
        field_of(page).fill("é" * 1601)
        expect(problem).to_be_hidden()
        field_of(page).press("Enter")
        expect(problem).to_have_text(
            re.compile("Ce message a 1.601 caractères, et WhatsApp en prend 1.600 au plus")
        )
        expect(field_of(page)).to_be_focused()
        expect(field_of(page)).to_have_value("é" * 1601)
        field_of(page).press("Backspace")
        expect(problem).to_be_hidden()
        field_of(page).press("Enter")
        expect(agents_words(page)).to_have_count(1)

    run_story(story)


def test_a_socket_whose_upgrade_hangs_is_given_up_and_the_page_says_so(
    run_story, awa, chat, held_by_awa, fatou_writes
):
    """A proxy that takes the upgrade and answers nothing: the socket neither opens nor closes."""

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa, chat, lambda page: page.add_init_script("window.WebSocket = class { close() {} };")
        )
        expect(page.locator("#live-state")).to_have_attribute("data-state", "polling", timeout=10_000)
        fatou_writes("M'entendez-vous ?")
        expect(page.locator(".message").last).to_contain_text("M'entendez-vous ?", timeout=10_000)

    run_story(story)
