"""The reason of a closing: the list in the settings, free text, required or not, and in the history."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from relais.company import company_settings
from relais.conversations import fragments
from relais.conversations.models import Conversation
from tests.cast import Clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    clock = Clock()
    clock.now = timezone.now()
    return clock


@pytest.fixture
def post_close(client):
    def post(user, conversation, **fields):
        client.force_login(user)
        path = f"/dashboard/chat/{conversation.pk}/close"
        return client.post(path, fields, headers={"accept": "application/json"})

    return post


@pytest.fixture
def reason_required():
    company_settings.set_value(company_settings.CLOSE_REASON_REQUIRED, True)


def test_the_reason_is_in_the_history(post_close, held_by_awa, awa):
    assert post_close(awa, held_by_awa, reason="  Devis envoyé ").status_code == 200
    event = held_by_awa.events.get(event_type="conversation_closed")
    assert event.metadata["reason"] == "Devis envoyé"
    assert "<q" in fragments.event_line(event) and "Devis envoyé" in fragments.event_line(event)


def test_none_is_needed_unless_the_setting_says_so(post_close, held_by_awa, awa):
    assert post_close(awa, held_by_awa).status_code == 200
    assert "reason" not in held_by_awa.events.get(event_type="conversation_closed").metadata


@pytest.mark.parametrize("reason", ["", "   "])
def test_a_required_reason_that_is_missing(post_close, held_by_awa, awa, reason_required, reason):
    response = post_close(awa, held_by_awa, reason=reason)
    assert (response.status_code, response.json()["code"]) == (422, "reason_required")
    assert Conversation.objects.get(pk=held_by_awa.pk).is_open
    assert post_close(awa, held_by_awa, reason="Résolu").status_code == 200


def test_who_may_not_close_is_told_that_first(post_close, held_by_awa, koffi, awa, reason_required, clock):
    assert post_close(koffi, held_by_awa).status_code == 403
    held_by_awa.close(awa, at=clock.now, reason="Résolu")
    assert post_close(awa, held_by_awa).status_code == 409


def test_what_is_typed_counts_before_what_is_chosen(post_close, held_by_awa, awa):
    assert post_close(awa, held_by_awa, reason=["Résolu", "autre chose"]).status_code == 200
    assert held_by_awa.events.get(event_type="conversation_closed").metadata["reason"] == "autre chose"


def test_what_is_chosen_counts_when_nothing_is_typed(post_close, held_by_awa, awa):
    assert post_close(awa, held_by_awa, reason=["Résolu", ""]).status_code == 200
    assert held_by_awa.events.get(event_type="conversation_closed").metadata["reason"] == "Résolu"


def test_the_dialog_offers_the_list_of_the_settings(client, nadia, held_by_awa, awa):
    form = {each.key: company_settings.get_value(each) for each in company_settings.EDITABLE_SETTINGS}
    client.force_login(nadia)
    client.post("/dashboard/settings", form | {"close_reasons": "Résolu\n Devis envoyé \n\nRésolu"})
    assert company_settings.get_value(company_settings.CLOSE_REASONS) == ["Résolu", "Devis envoyé"]
    client.force_login(awa)
    assert 'name="reason"' in client.get(f"/dashboard/chat/{held_by_awa.pk}").text
    fields = client.get("/dashboard/close-reasons").text
    assert 'value="Devis envoyé"' in fields and "Autre motif" in fields


def test_without_javascript_a_missing_reason_is_said_on_the_page(client, held_by_awa, awa, reason_required):
    client.force_login(awa)
    page = client.post(f"/dashboard/chat/{held_by_awa.pk}/close", follow=True).text
    assert "Indiquez le motif de la clôture." in page


@pytest.mark.django_db(transaction=True)
def test_the_list_is_loaded_when_the_dialog_opens(run_story, awa, held_by_awa):
    company_settings.set_value(company_settings.CLOSE_REASONS, ["Résolu", "Devis envoyé"])

    def story(browsers) -> None:
        page = browsers.open_page(awa, f"/dashboard/chat/{held_by_awa.pk}")
        page.locator("#chat-header").get_by_role("button", name="Clôturer").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio", name="Devis envoyé").check()
        dialog.get_by_role("button", name="Clôturer").click()
        expect(page).to_have_url(re.compile("/dashboard/active$"))
        closing = held_by_awa.events.get(event_type="conversation_closed")
        assert closing.metadata["reason"] == "Devis envoyé"

    run_story(story)
