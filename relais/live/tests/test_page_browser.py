"""Live updates in a real browser: pages update themselves, say when they cannot, and reconnect."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from tests.browser import Browsers, expect_live
from tests.cast import FATOU, OUR_NUMBER, new_sid

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_clients_message_appears(run_story, awa, held_by_awa, fatou_writes):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        fatou_writes("Je cherche une Classe A")
        expect(page.locator(".message").last).to_contain_text("Je cherche une Classe A")

    run_story(story)


def test_the_delivery_state_changes_in_the_bubble(run_story, awa, held_by_awa, clock):
    def story(browsers: Browsers) -> None:
        delivery = held_by_awa.send_as_agent("Bonjour Fatou", agent=awa, at=clock.now)
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        tick = page.locator(f"#message-{delivery.event_id} .delivery")
        expect(tick).to_have_attribute("data-state", "queued")
        expect_live(page)
        delivery.advance("read", at=clock.now, sid="SM" + "1" * 32)
        expect(tick).to_have_attribute("data-state", "read")
        expect(page.locator(f"#message-{delivery.event_id}")).to_have_count(1)

    run_story(story)


def test_after_disconnections_each_message_is_there_once_and_in_order(
    run_story, awa, held_by_awa, fatou_writes
):
    written = [f"message {n}" for n in range(12)]

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        for n, text in enumerate(written):
            if n % 4 == 1:
                run_story.server.close_all_sockets(1013)
            fatou_writes(text)
        expect(page.locator(".message--client")).to_have_count(1 + len(written))
        assert page.locator(".message--client .bubble__text").all_text_contents() == ["mercedes", *written]
        expect_live(page)

    run_story(story)


def test_without_sockets_the_page_says_so_and_polls(run_story, awa, held_by_awa, fatou_writes):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa,
            f"/dashboard/chat/{held_by_awa.pk}",
            lambda page: page.route_web_socket(re.compile("/live"), lambda socket: socket.close()),
        )
        state = page.locator("#live-state")
        expect(state).to_have_attribute("data-state", "polling")
        expect(state).to_have_text("Hors direct : actualisation toutes les 5 s")
        fatou_writes("M'entendez-vous ?")
        expect(page.locator(".message").last).to_contain_text("M'entendez-vous ?")

    run_story(story)


def test_going_offline_is_shown_and_everything_missed_comes_afterwards(run_story, awa, held_by_awa, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        page.context.set_offline(True)
        expect(page.locator("#live-state")).to_have_attribute("data-state", "lost")
        texts = [InboundMessage(new_sid(), FATOU, OUR_NUMBER, f"pendant ce temps {n}") for n in range(300)]
        ingest(texts, at=clock.now)
        page.context.set_offline(False)
        expect_live(page)
        expect(page.locator(".message--client").last).to_contain_text("pendant ce temps 299")
        shown = page.locator(".message--client .bubble__text").all_text_contents()
        assert shown == ["mercedes", *(text.body for text in texts)]
        expect(page.locator(".day")).to_have_count(1)

    run_story(story, allow_console_errors="ERR_INTERNET_DISCONNECTED")


def test_a_deactivated_user_sees_the_sign_in_page(run_story, awa, held_by_awa, nadia, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        expect_live(page)
        awa.deactivate(by=nadia, at=clock.now)
        expect(page).to_have_url(re.compile("/accounts/login/"))

    run_story(story)


def test_a_conversation_out_of_reach_leaves_the_screen(run_story, koffi, with_bot, sales):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(koffi, f"/dashboard/chat/{with_bot.pk}")
        expect_live(page)
        type(with_bot).objects.filter(pk=with_bot.pk).update(team=sales)
        expect(page.locator(".message")).to_have_count(0)

    run_story(story, allow_console_errors="404")


def test_rows_and_counts_update(run_story, koffi, with_bot, fatou_writes):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(koffi, "/dashboard/active")
        expect_live(page)
        count = page.locator('.sidebar [data-count="active"]')
        expect(count).to_have_text("1")
        new = fatou_writes("bonjour", address="whatsapp:+2250700000002", name="Ibrahim")
        expect(page.locator(f"#row-{new.pk}")).to_be_visible()
        expect(count).to_have_text("2")

    run_story(story)


def test_two_agents_both_see_who_took_over(run_story, awa, koffi, waiting, clock):
    def story(browsers: Browsers) -> None:
        pages = [browsers.open_page(who, f"/dashboard/chat/{waiting.pk}") for who in (awa, koffi)]
        expect_live(*pages)
        waiting.take_over(awa, at=clock.now)
        for page in pages:
            expect(page.locator(".line--agent_takeover")).to_contain_text("Awa Diop")

    run_story(story)
