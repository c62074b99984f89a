"""Drafts and unsent messages survive an expired session, a reload, a slow response and a colleague's action."""

import re

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from relais.conversations.models import Conversation
from relais.conversations.tests.test_pages_browser import agent_texts, message_field
from tests.browser import Browsers, expect_live
from tests.cast import messages_to_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]
PASSWORD = "un bon mot de passe"
STORED_DRAFTS = "Object.keys(localStorage).filter(key => /^relais:(draft|unsent):/.test(key)).length"


def sign_in(page, user):
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()


def block_live_updates(page):
    """Block the live connection, so that the page does not learn that its session ended before the user sends."""
    page.route_web_socket(re.compile("/live"), lambda socket: None)
    page.route("**/live?*", lambda route: route.abort())


def drop_first_request(page):
    """The request of the first message is held back and never reaches the server."""
    dropped = []
    page.route("**/send", lambda route: route.continue_() if dropped else dropped.append(route))
    return dropped


class TestExpiredSession:
    def test_a_message_is_sent_after_signing_in_in_another_tab(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, block_live_updates)
            Session.objects.all().delete()
            message_field(page).fill("êtes-vous là demain ?")
            message_field(page).press("Enter")
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("Votre session est terminée")
            with page.context.expect_page() as opened:
                page.get_by_role("link", name="Se connecter").click()
            sign_in(opened.value, awa)
            expect(opened.value.locator("#chat")).to_be_visible()
            page.get_by_role("button", name="Réessayer").click()
            expect(page.locator(".is-unsent")).to_have_count(0)
            expect(agent_texts(page)).to_have_text(["êtes-vous là demain ?"])
            assert messages_to_client(held_by_awa).count("êtes-vous là demain ?") == 1
            assert page.evaluate(STORED_DRAFTS) == 0

        run_story(story, allow_console_errors="401|ERR_FAILED|WebSocket")

    def test_a_new_csrf_token_is_used_at_once(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, block_live_updates)
            other = page.context.new_page()
            other.goto(f"{browsers.url}/accounts/logout/")
            other.locator("main form[data-clear-drafts] button").click()
            sign_in(other, awa)
            expect(other.locator(".shell")).to_be_visible()
            message_field(page).fill("avec le nouveau jeton")
            message_field(page).press("Enter")
            expect(agent_texts(page)).to_have_text(["avec le nouveau jeton"])
            page.get_by_role("button", name="Clôturer").click()
            page.get_by_role("dialog").get_by_role("button", name="Clôturer").click()
            expect(page.get_by_text("Conversation avec Fatou clôturée.")).to_be_visible()

        run_story(story, allow_console_errors="ERR_FAILED|WebSocket")

    def test_signing_in_again_restores_every_draft(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            page.route("**/send", lambda route: route.abort())
            message_field(page).fill("celui-ci n'est pas parti")
            message_field(page).press("Enter")
            expect(page.locator(".is-unsent .delivery__error")).to_be_visible()
            message_field(page).fill("et celui-ci n'est pas fini")
            Session.objects.all().delete()
            expect(page).to_have_url(re.compile("/accounts/login/"))
            sign_in(page, awa)
            expect(message_field(page)).to_have_value("et celui-ci n'est pas fini")
            expect(page.locator(".is-unsent .bubble__text")).to_have_text("celui-ci n'est pas parti")
            page.unroute("**/send")
            page.evaluate("window.dispatchEvent(new Event('online'))")
            expect(agent_texts(page)).to_have_text(["celui-ci n'est pas parti"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert messages_to_client(held_by_awa).count("celui-ci n'est pas parti") == 1

        run_story(story, allow_console_errors="ERR_FAILED|WebSocket|401")

    def test_a_form_keeps_its_values_and_can_be_sent_later(self, run_story, nadia):
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
            sign_in(opened.value, nadia)
            expect(opened.value.locator(".shell")).to_be_visible()
            expect(page.get_by_label("Marque")).to_have_value("Étoile d'Afrique")
            with page.expect_navigation():
                page.get_by_role("button", name="Enregistrer").click()
            expect(page.get_by_label("Marque")).to_have_value("Étoile d'Afrique")
            assert company_settings.brand() == "Étoile d'Afrique"

        run_story(story, allow_console_errors="401|WebSocket")


class TestReload:
    def test_during_a_request_sends_nothing_twice(self, run_story, awa, chat, held_by_awa):
        """The server has it and its answer takes long; the page is loaded anew meanwhile."""

        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, block_live_updates)
            held = []
            page.route("**/send", lambda route: held.append((route, route.fetch())))
            message_field(page).fill("une fois")
            with page.expect_request("**/send"):
                message_field(page).press("Enter")
            expect(page.locator(".is-unsent")).to_have_count(1)
            page.unroute("**/send")
            page.reload()
            expect(agent_texts(page)).to_have_text(["une fois"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert page.evaluate(STORED_DRAFTS) == 0
            assert messages_to_client(held_by_awa).count("une fois") == 1

        run_story(story, allow_console_errors="ERR_|WebSocket")

    def test_before_the_request_arrives_resends_with_the_same_ref(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, block_live_updates)
            dropped = drop_first_request(page)
            message_field(page).fill("encore en route")
            with page.expect_request("**/send"):
                message_field(page).press("Enter")
            with page.expect_request("**/send") as resend:
                page.reload()
            expect(page.locator(".message--agent:not(.is-unsent)")).to_contain_text(["encore en route"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert resend.value.post_data == dropped[0].request.post_data
            assert messages_to_client(held_by_awa).count("encore en route") == 1

        run_story(story, allow_console_errors="ERR_|WebSocket")

    def test_after_a_while_asks_before_resending(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, block_live_updates)
            drop_first_request(page)
            message_field(page).fill("d'hier")
            with page.expect_request("**/send"):
                message_field(page).press("Enter")
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
            expect(agent_texts(page)).to_have_text(["d'hier"])

        run_story(story, allow_console_errors="ERR_|WebSocket")

    def test_with_corrupt_local_storage_shows_the_page(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            page.evaluate(f"localStorage.setItem('relais:unsent:{awa.pk}:{held_by_awa.pk}', '{{\"x')")
            page.reload()
            message_field(page).fill("tout va bien")
            message_field(page).press("Enter")
            expect(agent_texts(page)).to_have_text(["tout va bien"])

        run_story(story)

    def test_keeps_a_refused_message_with_its_reason(self, run_story, awa, chat, clock):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat, block_live_updates)
            Conversation.objects.update(last_inbound_at=clock.passes(days=-2))
            message_field(page).fill("trop tard")
            message_field(page).press("Enter")
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("plus de 24 h")
            page.reload()
            expect(page.locator(".is-unsent .bubble__text")).to_have_text("trop tard")
            expect(page.locator(".is-unsent .delivery__error")).to_contain_text("plus de 24 h")

        run_story(story, allow_console_errors="422|ERR_|WebSocket")


class TestOwnership:
    def test_leaving_the_page_does_not_cancel_a_request(self, run_story, awa, chat, held_by_awa):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            message_field(page).fill("je pars")
            message_field(page).press("Enter")
            page.goto(f"{browsers.url}/dashboard/active")
            page.goto(browsers.url + chat)
            expect(agent_texts(page)).to_have_text(["je pars"])
            expect(page.locator(".is-unsent")).to_have_count(0)
            assert messages_to_client(held_by_awa).count("je pars") == 1

        run_story(story)

    def test_another_user_of_the_browser_does_not_see_it(
        self, run_story, awa, koffi, mariam, chat, held_by_awa, clock
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            message_field(page).fill("le mien")
            Session.objects.all().delete()
            expect(page).to_have_url(re.compile("/accounts/login/"))
            held_by_awa.reassign(koffi, by=mariam, at=clock.now)
            sign_in(page, koffi)
            expect(message_field(page)).to_have_value("")

        run_story(story, allow_console_errors="401|WebSocket")

    @pytest.mark.parametrize("by", ["menu", "page"])
    def test_signing_out_deletes_only_the_users_own_drafts(self, run_story, awa, chat, by):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            message_field(page).fill("le mien")
            page.evaluate("localStorage.setItem('relais:draft:99999:1', 'celui de Koffi')")
            assert page.evaluate(STORED_DRAFTS) == 2
            if by == "menu":
                page.evaluate("document.querySelector('.menu form[data-clear-drafts]').requestSubmit()")
            else:
                page.goto(f"{browsers.url}/accounts/logout/")
                page.locator("main form[data-clear-drafts] button").click()
            expect(page).to_have_url(re.compile("/accounts/login/"))
            assert page.evaluate(STORED_DRAFTS) == 1

        run_story(story)

    def test_closing_by_a_supervisor_keeps_the_holders_draft(
        self, run_story, awa, mariam, chat, held_by_awa, clock
    ):
        def story(browsers: Browsers) -> None:
            page = browsers.open_page(awa, chat)
            expect_live(page)
            message_field(page).fill("je n'avais pas fini")
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


def test_a_text_over_the_limit_shows_the_limit_and_stays(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        problem = page.get_by_role("alert").filter(has_text="WhatsApp en prend")
        message_field(page).fill("é" * 1601)
        expect(problem).to_be_hidden()
        message_field(page).press("Enter")
        expect(problem).to_have_text(
            re.compile("Ce message a 1.601 caractères, et WhatsApp en prend 1.600 au plus")
        )
        expect(message_field(page)).to_be_focused()
        expect(message_field(page)).to_have_value("é" * 1601)
        message_field(page).press("Backspace")
        expect(problem).to_be_hidden()
        message_field(page).press("Enter")
        expect(agent_texts(page)).to_have_count(1)

    run_story(story)


def test_a_socket_whose_upgrade_hangs_times_out_visibly(run_story, awa, chat, held_by_awa, fatou_writes):
    """A proxy that takes the upgrade and answers nothing: the socket neither opens nor closes."""

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa, chat, lambda page: page.add_init_script("window.WebSocket = class { close() {} };")
        )
        expect(page.locator("#live-state")).to_have_attribute("data-state", "polling")
        fatou_writes("M'entendez-vous ?")
        expect(page.locator(".message").last).to_contain_text("M'entendez-vous ?")

    run_story(story)
