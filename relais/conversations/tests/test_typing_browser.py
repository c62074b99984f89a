"""While the holder types in the composer, a job shows it to the client; the page makes no request for it."""

import pytest
from playwright.sync_api import expect
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.company.company_settings import TYPING_INDICATOR, set_value
from tests.browser import Browsers, expect_live
from tests.web_server import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock_starts_now")]


def typing_jobs():
    return ProcrastinateJob.objects.filter(task_name="relais.whatsapp.tasks.show_typing")


def test_typing_becomes_one_job(run_story, awa, chat, held_by_awa):
    set_value(TYPING_INDICATOR, True)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        expect_live(page)
        requests = []
        page.on("request", lambda request: requests.append(request.url))
        field = page.get_by_label("Votre message à Fatou")
        field.press_sequentially("Bonjour Fatou, je regarde", delay=20)
        wait_until(lambda: typing_jobs().count() == 1)
        field.press_sequentially(" votre dossier", delay=20)
        expect(field).to_have_value("Bonjour Fatou, je regarde votre dossier")
        assert [job.args["user_id"] for job in typing_jobs()] == [awa.pk]
        assert [job.args["conversation_id"] for job in typing_jobs()] == [held_by_awa.pk]
        assert not [url for url in requests if "draft" not in url]

    run_story(story)


def test_a_note_is_nobodys_typing(run_story, awa, koffi, chat, held_by_awa):
    set_value(TYPING_INDICATOR, True)

    def story(browsers: Browsers) -> None:
        page = browsers.open_page(awa, chat)
        other = browsers.open_page(koffi, chat)
        expect_live(page)
        expect_live(other)
        page.keyboard.press("Alt+n")
        page.locator("[data-note-text]").press_sequentially("À vérifier", delay=20)
        expect(other.get_by_text("Awa écrit une note")).to_be_visible()
        assert typing_jobs().count() == 0

    run_story(story)
