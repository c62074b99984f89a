"""The chat page and the lists in a real browser: drafts, sending, live updates, narrow screens."""

import re

import pytest
from playwright.sync_api import expect

from relais.conversations.events import BOT
from relais.conversations.inbound_messages import Consent, InboundMedia
from relais.conversations.media_limits import MEDIA_GIVEN_UP
from relais.conversations.models import Conversation, Media
from relais.whatsapp.inbound.status_callbacks import fail_delivery
from tests.browser import Browsers, expect_live
from tests.cast import messages_to_client

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]

NARROW = {"width": 390, "height": 844}


def message_field(page):
    return page.get_by_role("textbox", name="Votre message à Fatou")


def agent_texts(page):
    return page.locator(".message--agent .bubble__text")


def test_enter_sends_and_shift_enter_breaks_the_line(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        field = message_field(page)
        expect(field).to_be_focused()
        field.press_sequentially("un")
        field.press("Shift+Enter")
        field.press_sequentially("deux")
        field.press("Enter")
        expect(agent_texts(page)).to_have_text(["un\ndeux"])
        expect(field).to_have_value("")
        expect(page.locator(".is-unsent")).to_have_count(0)
        assert messages_to_client(held_by_awa)[-1] == "un\ndeux"

    run_story(story)


def test_enter_that_ends_a_composition_sends_nothing(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        message_field(page).fill("にほん")
        message_field(page).dispatch_event("keydown", {"key": "Enter", "isComposing": True})
        expect(message_field(page)).to_have_value("にほん")
        expect(page.locator(".message--agent")).to_have_count(0)

    run_story(story)


def test_the_draft_of_each_conversation_is_kept(run_story, awa, chat, fatou_writes, clock):
    other = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim")
    other.take_over(awa, at=clock.now)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        message_field(page).fill("pas encore fini")
        page.goto(f"{browsers.url}/dashboard/chat/{other.pk}")
        expect(page.get_by_role("textbox", name="Votre message à Ibrahim")).to_have_value("")
        page.goto(browsers.url + chat)
        expect(message_field(page)).to_have_value("pas encore fini")

        # Who signs out leaves nothing of it to the next one at this desk.
        left = "Object.keys(localStorage).filter(key => key.startsWith('relais:draft:')).length"
        assert page.evaluate(left) == 1
        page.evaluate("document.querySelector('form[data-clear-drafts]').requestSubmit()")
        expect(page).to_have_url(re.compile("/accounts/login/$"))
        assert page.evaluate(left) == 0

    run_story(story)


def test_the_counter_counts_code_points_and_a_long_text_is_not_sent(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        counter = page.locator("[data-counter]")
        message_field(page).fill("😀" * 1399)
        expect(counter).to_be_hidden()
        message_field(page).fill("😀" * 1601)
        expect(counter).to_have_text(re.compile("^1.601 / 1.600$"))
        message_field(page).press("Enter")
        expect(message_field(page)).to_have_value("😀" * 1601)
        expect(page.locator(".message--agent")).to_have_count(0)

    run_story(story)


def test_retrying_after_a_lost_response_sends_no_second_message(run_story, awa, chat, held_by_awa):
    """The server has it and the browser does not know: the frame, or the retry under the same ref, says so."""

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa, chat, lambda page: page.route("**/live**", lambda route: route.abort())
        )
        page.route_web_socket(re.compile("/live"), lambda socket: None)
        page.goto(browsers.url + chat)
        lost = [True]

        def lose_first_response(route):
            if lost and lost.pop():
                route.fetch()
                route.abort()
            else:
                route.continue_()

        page.route("**/send", lose_first_response)
        message_field(page).fill("une seule fois")
        message_field(page).press("Enter")
        expect(page.locator(".is-unsent .delivery__error")).to_contain_text("Pas de réponse")
        page.get_by_role("button", name="Réessayer").click()
        expect(page.locator(".is-unsent")).to_have_count(0)
        expect(agent_texts(page)).to_have_text(["une seule fois"])
        assert messages_to_client(held_by_awa).count("une seule fois") == 1

    run_story(story, allow_console_errors="ERR_FAILED|WebSocket")


def test_a_refused_message_can_be_moved_back_to_the_field(run_story, awa, chat, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        Conversation.objects.update(last_inbound_at=clock.passes(days=-2))
        message_field(page).fill("trop tard")
        message_field(page).press("Enter")
        expect(page.locator(".is-unsent .delivery__error")).to_contain_text("plus de 24 h")
        message_field(page).fill("et ceci")
        page.get_by_role("button", name="Modifier").click()
        expect(message_field(page)).to_have_value("trop tard\net ceci")

    run_story(story, allow_console_errors="422")


def test_the_draft_survives_a_reassignment(run_story, awa, koffi, mariam, chat, held_by_awa, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message_field(page).fill("je suis en train")
        held_by_awa.reassign(koffi, by=mariam, at=clock.now)
        expect(page.locator("#composer")).to_contain_text("Koffi Mensah tient cette conversation")
        expect(page.locator(".composer__draft-text")).to_have_value("je suis en train")
        held_by_awa.reassign(awa, by=mariam, at=clock.now)
        expect(message_field(page)).to_have_value("je suis en train")

    run_story(story)


def test_the_draft_survives_other_events(run_story, awa, chat, held_by_awa, fatou_writes, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        message_field(page).fill("je suis en train")
        fatou_writes("encore moi")
        held_by_awa.record_answer("collect_vin", user_input="WDD2050071R123456", at=clock.now)
        expect(page.locator("#client")).to_contain_text("WDD2050071R123456")
        expect(message_field(page)).to_have_value("je suis en train")
        expect(message_field(page)).to_be_focused()

    run_story(story)


def test_the_page_stays_at_the_newest_message_unless_scrolled_up(run_story, awa, chat, fatou_writes):
    def story(browsers: Browsers) -> None:
        for n in range(40):
            fatou_writes(f"ligne {n}")
        page = browsers.open_page(awa, chat)
        expect_live(page)
        pill = page.get_by_role("button", name="Nouveau message")
        fatou_writes("la suite")
        expect(page.locator(".message").last).to_be_in_viewport()
        expect(pill).to_be_hidden()
        page.locator("[data-thread]").evaluate("thread => thread.scrollTo(0, -900)")
        fatou_writes("pendant la lecture")
        pill.click()
        expect(page.locator(".message").last).to_contain_text("pendant la lecture")
        expect(page.locator(".message").last).to_be_in_viewport()
        expect(pill).to_be_hidden()

    run_story(story)


def test_scrolling_up_loads_earlier_messages(run_story, awa, chat, fatou_writes):
    def story(browsers: Browsers) -> None:
        for n in range(150):
            fatou_writes(f"ligne {n}")
        page = browsers.open_page(awa, chat)
        expect(page.locator(".message")).to_have_count(60)
        page.locator(".earlier").scroll_into_view_if_needed()
        expect(page.locator(".message")).to_have_count(120)
        page.locator(".earlier").scroll_into_view_if_needed()
        expect(page.locator(".message--client")).to_have_count(151)
        words = page.locator(".message--client .bubble__text").all_text_contents()
        assert words == ["mercedes", *(f"ligne {n}" for n in range(150))]
        expect(page.locator(".day")).to_have_count(1)

    run_story(story)


def test_a_failed_message_is_resent_from_its_bubble(run_story, awa, chat, held_by_awa, clock):
    def story(browsers: Browsers) -> None:
        delivery = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
        delivery.mark_failed(at=clock.now, code=63024, error="Ce numéro ne peut pas recevoir ce message.")
        page = browsers.open_page(awa, chat)
        page.get_by_role("button", name="Renvoyer").click()
        expect(agent_texts(page)).to_have_text(["Bonjour", "Bonjour"])
        expect(page.get_by_role("button", name="Renvoyer")).to_have_count(0)
        assert messages_to_client(held_by_awa).count("Bonjour") == 2

    run_story(story)


def test_a_failed_download_is_retried(run_story, awa, fatou_writes):
    url = "https://api.twilio.com/2010-04-01/Accounts/AC/Messages/MM/Media/ME"
    conversation = fatou_writes("voilà", media=(InboundMedia(url, "image/png"),))
    Media.objects.update(state="failed", error=MEDIA_GIVEN_UP)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{conversation.pk}")
        page.get_by_role("button", name="Réessayer").click()
        expect(page.get_by_text("Photo en cours de réception")).to_be_visible()
        expect(page.locator(".message--client")).to_have_count(1)
        assert Media.objects.get().state == "waiting"

    run_story(story)


def test_a_colleague_cannot_resend(run_story, awa, koffi, chat, held_by_awa, clock):
    def story(browsers: Browsers) -> None:
        held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now).mark_failed(
            at=clock.now, code=None, error=""
        )
        page = browsers.open_page(koffi, chat)
        expect(page.locator('.delivery[data-state="failed"]')).to_be_visible()
        expect(page.get_by_role("button", name="Renvoyer")).to_have_count(0)

    run_story(story)


def test_rows_are_added_moved_and_removed_by_the_rule_of_the_list(run_story, awa, koffi, fatou_writes, clock):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard/pending")
        expect_live(page)
        expect(page.get_by_text("Personne n'attend.")).to_be_visible()
        first = fatou_writes("Bonjour", name="Première")
        second = fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Deuxième")
        second.ask_for_agent(by=BOT, at=clock.passes(seconds=1))
        first.ask_for_agent(by=BOT, at=clock.passes(seconds=1))
        expect(page.locator(".row__open")).to_have_text(["Deuxième", "Première"])
        expect(page.get_by_text("Personne n'attend.")).to_be_hidden()
        second.take_over(koffi, at=clock.now)
        expect(page.locator(".row__open")).to_have_text(["Première"])

    run_story(story)


def test_filters_apply_while_typing_and_stay_in_the_url(run_story, awa, with_bot, fatou_writes):
    def story(browsers: Browsers) -> None:
        fatou_writes("Bonjour", address="whatsapp:+2250700000099", name="Ibrahim")
        page = browsers.open_page(awa, "/dashboard/conversations")
        expect(page.locator(".row")).to_have_count(2)
        page.get_by_label("Nom ou téléphone").press_sequentially("ibra")
        expect(page.locator(".row__open")).to_have_text(["Ibrahim"])
        expect(page).to_have_url(re.compile("q=ibra"))
        page.reload()
        expect(page.get_by_label("Nom ou téléphone")).to_have_value("ibra")
        expect(page.locator(".row__open")).to_have_text(["Ibrahim"])

    run_story(story)


def test_closing_asks_for_confirmation(run_story, awa, chat, held_by_awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        page.get_by_role("button", name="Clôturer").click()
        page.get_by_role("dialog").get_by_role("button", name="Annuler").click()
        assert Conversation.objects.get(pk=held_by_awa.pk).is_open
        page.get_by_role("button", name="Clôturer").click()
        page.get_by_role("dialog").get_by_role("button", name="Clôturer").click()
        expect(page.get_by_text("Conversation avec Fatou clôturée.")).to_be_visible()
        assert not Conversation.objects.get(pk=held_by_awa.pk).is_open

    run_story(story)


def test_a_phone_shows_one_panel_at_a_time(run_story, awa, chat):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat, lambda page: page.set_viewport_size(NARROW))
        expect(message_field(page)).to_be_in_viewport()
        expect(page.locator(".desk__list")).to_be_hidden()
        expect(page.locator("#client")).to_be_hidden()
        page.get_by_role("link", name="Fiche du client").click()
        expect(page.locator("#client")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#client")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
        page.get_by_role("link", name="Retour à la liste").click()
        expect(page).to_have_url(re.compile("/dashboard/active"))
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]

    run_story(story)


def box_of(locator):
    box = locator.bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


@pytest.mark.parametrize(
    "text", ["Oui", "Un texte assez long pour que sa bulle soit aussi large que possible " * 3]
)
def test_the_reason_of_a_failure_is_aligned_with_the_text(run_story, awa, chat, held_by_awa, clock, text):
    delivery = held_by_awa.send_as_agent(text, agent=awa, at=clock.now)
    delivery.mark_failed(at=clock.now, code=63003, error="Ce numéro n'est pas sur WhatsApp.")

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        message = page.locator(f"#message-{delivery.event_id}")
        assert box_of(message.locator(".delivery__error"))[0] == box_of(message.locator(".bubble__text"))[0]

    run_story(story)


def test_all_pages_have_the_same_width(run_story, nadia):
    paths = ["", "/pending", "/active", "/conversations", "/users", "/users/invite", f"/users/{nadia.pk}"]
    paths += ["/settings", "/state", "/flows", "/flows/import"]

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            nadia, "/dashboard", lambda page: page.set_viewport_size({"width": 1920, "height": 900})
        )
        widths = {}
        for path in paths:
            page.goto(f"{browsers.url}/dashboard{path}")
            left, _top, right, _bottom = box_of(page.locator(".page"))
            widths[path] = (left, right)
        assert len(set(widths.values())) == 1, widths

    run_story(story)


def test_the_composer_closes_when_the_client_refuses_our_messages_and_opens_when_he_writes(
    run_story, awa, chat, held_by_awa, fatou_writes, clock
):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        delivery = held_by_awa.deliveries.get()
        fail_delivery(delivery, code=63014, at=clock.passes(seconds=1))
        expect(page.locator("#composer")).to_contain_text("a bloqué notre numéro")
        expect(message_field(page)).to_have_count(0)
        expect(page.locator("#client")).to_contain_text("le client a bloqué notre numéro")
        fatou_writes("Me revoilà")
        expect(message_field(page)).to_be_visible()
        fatou_writes("STOP", consent=Consent.OPT_OUT)
        expect(page.locator("#composer")).to_contain_text("ne plus recevoir de messages")

    run_story(story)
