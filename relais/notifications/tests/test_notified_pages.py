"""Two agents at their pages: who hears what, which page tells, and what a click on a notification opens."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.db_connection import releasing_connection
from relais.notifications.models import NotificationPreferences
from relais.notifications.tests.conftest import (
    eventually,
    run_jobs,
    shown_notifications,
    wait_for_service_worker,
)
from tests.browser import Browsers, expect_live
from tests.web_server import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]

COUNT = """
window.heard = 0;
window.told = [];
HTMLMediaElement.prototype.play = async () => {};
document.addEventListener("relais:sounded", () => (window.heard += 1));
document.addEventListener("relais:notification", ({ detail }) => window.told.push(detail.event));
"""


def with_counters(page):
    page.add_init_script(COUNT)


def test_the_holder_hears_of_his_client_and_his_colleague_does_not(
    run_story, awa, koffi, held_by_awa, fatou_writes
):
    def with_stopped_clock(page):
        """What comes within two seconds is a burst, however slow the machine is."""
        with_counters(page)
        page.clock.set_fixed_time(timezone.now())

    def story(browsers: Browsers) -> None:
        awas = browsers.open_page(awa, "/dashboard", with_stopped_clock)
        koffis = browsers.open_page(koffi, "/dashboard", with_counters)
        expect_live(awas, koffis)
        fatou_writes("êtes-vous là ?")
        run_jobs()
        eventually(awas, "async () => heard === 1")
        fatou_writes("allô ?")
        run_jobs()
        eventually(awas, "async () => told.length === 2")
        assert awas.evaluate("heard") == 1  # a burst sounds once
        held_by_awa.transfer_to_agent(koffi, by=awa, at=held_by_awa.last_activity_at)
        run_jobs()
        eventually(koffis, "async () => heard === 1")
        assert koffis.evaluate("told") == ["transfer"]

    run_story(story)


def test_nobody_hears_of_what_he_has_in_front_of_him(run_story, awa, held_by_awa, fatou_writes):
    def story(browsers: Browsers) -> None:
        chat = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}", with_counters)
        elsewhere = browsers.open_page(awa, "/dashboard", with_counters)
        expect_live(chat, elsewhere)
        ibrahim = fatou_writes("bonjour", address="whatsapp:+2250700000002", name="Ibrahim")
        ibrahim.take_over(awa, at=ibrahim.last_activity_at)
        fatou_writes("êtes-vous là ?")
        fatou_writes("moi aussi", address="whatsapp:+2250700000002", name="Ibrahim")
        run_jobs()
        for page in (chat, elsewhere):
            eventually(page, "async () => told.length > 0")
            told_of = page.evaluate("told")
            assert told_of == ["client_message"]  # Ibrahim's alone

    run_story(story)


def test_a_hidden_page_is_not_in_front_of_anybody(run_story, awa, held_by_awa, fatou_writes):
    def story(browsers: Browsers) -> None:
        chat = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}", with_counters)
        expect_live(chat)
        chat.evaluate("""() => {
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""")
        endpoint = browsers_endpoint(run_story)
        wait_for_reader(endpoint, held_by_awa.pk, expected=set())
        fatou_writes("êtes-vous là ?")
        run_jobs()
        eventually(chat, "async () => heard === 1")

    run_story(story)


def browsers_endpoint(run_story):
    return run_story.server.application.state.live


def wait_for_reader(endpoint, conversation, *, expected):
    wait_until(lambda: endpoint.conversations.readers(conversation) == expected)


def test_of_two_pages_of_a_browser_one_sounds(run_story, awa, held_by_awa, fatou_writes):
    def story(browsers: Browsers) -> None:
        first = browsers.open_page(awa, "/dashboard", with_counters)
        second = first.context.new_page()
        with_counters(second)
        second.goto(browsers.url + "/dashboard/active")
        expect_live(first, second)
        fatou_writes("êtes-vous là ?")
        run_jobs()
        for page in (first, second):
            eventually(page, "async () => told.length === 1")
        eventually(first, "async () => JSON.parse(localStorage.getItem('relais:told') ?? '[]').length === 1")
        assert first.evaluate("heard") + second.evaluate("heard") == 1

    run_story(story)


def test_a_desktop_notification_opens_its_conversation(run_story, awa, held_by_awa, fatou_writes):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa,
            "/dashboard",
            lambda page: (with_counters(page), page.add_init_script("document.hasFocus = () => false")),
            service_workers="allow",
            permissions=["notifications"],
        )
        expect_live(page)
        wait_for_service_worker(page)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
        other = page.context.new_page()  # takes the focus
        other.bring_to_front()
        fatou_writes("mon secret")
        run_jobs()
        eventually(page, "async () => told.length === 1")
        [shown] = shown_notifications(page)
        assert shown["title"] == "Fatou"
        assert "secret" not in shown["body"]
        secret = held_by_awa.events.get(body="mon secret")
        assert shown["url"] == f"/dashboard/chat/{held_by_awa.pk}#message-{secret.pk}"

    run_story(story)


def test_a_push_is_shown_although_no_page_of_the_desk_is_open(
    run_story, awa, held_by_awa, fatou_writes, push_service, browser_double
):
    """The browser's own `subscribe` needs its maker's push service: here it returns a subscription to the double."""
    fields = browser_double.subscription(push_service.url + "/push/awa")
    subscribe = f"""
      PushManager.prototype.subscribe = async function ({{ userVisibleOnly, applicationServerKey }}) {{
        if (!userVisibleOnly || applicationServerKey.length !== 87) throw new Error("not as browsers want it");
        window.localStorage.setItem("subscribed", "yes");
        return {{ toJSON: () => ({json.dumps(fields)}) }};
      }};
      PushManager.prototype.getSubscription = async () => localStorage.getItem("subscribed")
        ? {{ endpoint: {json.dumps(fields["endpoint"])}, toJSON: () => ({json.dumps(fields)}), unsubscribe: async () => localStorage.removeItem("subscribed") }}
        : null;
    """

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(
            awa,
            "/dashboard/settings/notifications",
            lambda page: page.add_init_script(subscribe),
            service_workers="allow",
            permissions=["notifications"],
        )
        wait_for_service_worker(page)
        page.get_by_role("button", name="Activer").click()
        expect(page.get_by_role("heading", name="Mes appareils")).to_be_visible()
        expect(page.get_by_text("même sans page ouverte")).to_be_visible()
        fatou_writes("mon secret")
        with ThreadPoolExecutor(1) as executor:  # the story's own thread has an event loop
            executor.submit(releasing_connection()(run_jobs)).result()
        [pushed] = push_service.received
        message = browser_double.decrypt(pushed.body).decode()

        registrations = []
        devtools = page.context.new_cdp_session(page)
        devtools.on(
            "ServiceWorker.workerRegistrationUpdated", lambda e: registrations.extend(e["registrations"])
        )
        devtools.send("ServiceWorker.enable")
        wait_until(lambda: page.evaluate("true") and registrations)
        devtools.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": browsers.url, "registrationId": registrations[0]["registrationId"], "data": message},
        )
        [shown] = shown_notifications(page)
        assert (shown["title"], shown["tag"]) == ("Fatou", f"conversation-{held_by_awa.pk}")

        page.get_by_role("button", name="Arrêter").click()
        expect(page.get_by_role("button", name="Activer")).to_be_visible()
        expect(page.get_by_role("heading", name="Mes appareils")).to_have_count(0)

    run_story(story)


def test_the_settings_say_what_this_browser_allows(run_story, awa):
    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, "/dashboard", with_counters, service_workers="allow")
        page.get_by_role("button", name="Compte de").click()
        page.get_by_role("link", name="Notifications").click()
        expect(page.get_by_role("heading", name="Notifications", level=1)).to_be_visible()
        expect(page.locator("[data-permission-state]")).not_to_be_empty()
        page.get_by_label("Un client attend un agent : Son").check()
        page.get_by_role("button", name="Enregistrer").click()
        expect(page.get_by_text("Enregistré.")).to_be_visible()
        expect(page.get_by_label("Un client attend un agent : Son")).to_be_checked()
        assert "sound" in NotificationPreferences.objects.get(user=awa).channels["waiting"]

    run_story(story)
