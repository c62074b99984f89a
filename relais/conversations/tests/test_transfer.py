"""Transfers to a colleague or to a team, with a note for whoever continues."""

import pytest
from django.test import Client

from relais.accounts.models import Team
from relais.action_errors import NotAllowed
from relais.conversations.errors import StateConflict
from relais.conversations.models import Conversation
from tests.cast import MachineClock, event_types_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    return MachineClock()


def post(user, conversation, accept="application/json", **fields):
    client = Client(headers={"accept": accept})
    client.force_login(user)
    return client.post(f"/dashboard/chat/{conversation.pk}/transfer", fields)


def last_event(conversation):
    return conversation.events.order_by("-seq").first()


def test_the_holder_transfers_to_a_colleague(held_by_awa, awa, koffi):
    epoch = held_by_awa.epoch
    response = post(awa, held_by_awa, agent=koffi.pk, note="Il attend un devis")
    assert (response.status_code, response.json()["success"], response.json()["agent"]) == (
        200,
        True,
        "Koffi Mensah",
    )
    conversation = Conversation.objects.get()
    assert (conversation.agent, conversation.epoch) == (koffi, epoch + 1)
    assert conversation.is_unread
    event = last_event(conversation)
    assert (event.event_type, event.metadata["to"], event.metadata["reason"]) == (
        "agent_transfer",
        koffi.pk,
        "Il attend un devis",
    )


def test_the_history_shows_to_whom_and_the_note(held_by_awa, awa, koffi):
    post(awa, held_by_awa, agent=koffi.pk, note="Il attend un devis")
    client = Client()
    client.force_login(koffi)
    page = client.get(f"/dashboard/chat/{held_by_awa.pk}").content.decode()
    assert "Awa Diop a confié la conversation à Koffi Mensah" in page
    assert "Il attend un devis" in page


def test_a_team_gets_it_into_its_queue(held_by_awa, awa, yao):
    epoch = held_by_awa.epoch
    assert post(awa, held_by_awa, team=yao.team_id).json() == {
        "success": True,
        "conversation_id": held_by_awa.pk,
        "status": "transferred",
        "agent": None,
        "duration_seconds": None,
    }
    conversation = Conversation.objects.get()
    assert (conversation.situation.value, conversation.team, conversation.epoch) == (
        "waiting",
        yao.team,
        epoch + 1,
    )
    assert yao.reachable_conversations().waiting().get() == conversation
    assert not awa.reachable_conversations().exists()


def test_the_client_is_not_told(held_by_awa, awa, koffi):
    before = held_by_awa.deliveries.count()
    post(awa, held_by_awa, agent=koffi.pk)
    assert held_by_awa.deliveries.count() == before


def test_a_supervisor_transfers_what_waits(waiting, mariam, koffi, sales):
    assert post(mariam, waiting, team=sales.pk).status_code == 200
    assert Conversation.objects.get().team == sales
    assert post(mariam, waiting, agent=mariam.pk).status_code == 200
    assert Conversation.objects.get().agent == mariam


def test_whoever_does_not_hold_it_may_not(held_by_awa, koffi, sales):
    for fields in ({"agent": koffi.pk}, {"team": sales.pk}):
        response = post(koffi, held_by_awa, **fields)
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert Conversation.objects.get().team is None


def test_nobody_transfers_what_the_bot_holds(with_bot, mariam, koffi, sales):
    for fields in ({"agent": koffi.pk}, {"team": sales.pk}):
        assert post(mariam, with_bot, **fields).status_code == 409


def test_an_ended_conversation_is_a_conflict(ended, awa, koffi, sales):
    for fields in ({"agent": koffi.pk}, {"team": sales.pk}):
        response = post(awa, ended, **fields)
        assert (response.status_code, response.json()["code"]) == (409, "ended")


def test_it_goes_to_nobody_who_cannot_see_it(held_by_awa, awa, yao, sales):
    Conversation.objects.update(team=sales)
    awa.team = sales
    awa.save()
    assert post(awa, held_by_awa, agent=yao.pk).status_code == 403


def test_it_goes_to_nobody_who_left(held_by_awa, awa, koffi, clock):
    koffi.deactivate(by=None, at=clock.now)
    assert post(awa, held_by_awa, agent=koffi.pk).status_code == 422
    with pytest.raises(NotAllowed):
        held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now)


@pytest.mark.parametrize(
    "fields", [{}, {"agent": "x"}, {"agent": "999999"}, {"team": "x"}, {"team": "999999"}]
)
def test_a_recipient_is_needed(held_by_awa, awa, fields):
    response = post(awa, held_by_awa, **fields)
    assert response.status_code == 422
    assert response.json()["code"] == ("team" if "team" in fields else "agent")


def test_out_of_reach_it_does_not_exist(held_by_awa, yao, sales):
    Conversation.objects.update(team=sales)
    assert post(yao, held_by_awa, agent=yao.pk).status_code == 404


def test_transferring_twice_changes_nothing_more(held_by_awa, mariam, koffi, sales, clock):
    for _repetition in range(2):
        held_by_awa.transfer_to_agent(koffi, by=mariam, at=clock.now)
    for _repetition in range(2):
        held_by_awa.transfer_to_team(sales, by=mariam, at=clock.now)
    assert event_types_of(held_by_awa).count("agent_transfer") == 2


def test_of_two_transfers_the_second_comes_too_late(held_by_awa, awa, koffi, mariam, clock):
    held_by_awa.transfer_to_agent(koffi, by=awa, at=clock.now)
    with pytest.raises(NotAllowed):
        held_by_awa.transfer_to_team(Team.objects.create(name="Atelier"), by=awa, at=clock.now)
    held_by_awa.close(mariam, at=clock.now)
    with pytest.raises(StateConflict):
        held_by_awa.transfer_to_agent(koffi, by=mariam, at=clock.now)


def test_without_scripts_the_reader_returns_to_the_list(held_by_awa, awa, koffi):
    response = post(awa, held_by_awa, accept="text/html", agent=koffi.pk)
    assert (response.status_code, response["Location"].rstrip("/")) == (302, "/dashboard/active")


def test_the_form_is_a_page_of_its_own(held_by_awa, awa, koffi, sales):
    client = Client()
    client.force_login(awa)
    page = client.get(f"/dashboard/chat/{held_by_awa.pk}/transfer").content.decode()
    assert "Koffi Mensah" in page
    assert "Ventes" in page
    response = client.post(f"/dashboard/chat/{held_by_awa.pk}/transfer", {"to": f"agent:{koffi.pk}"})
    assert response.status_code == 302
    assert Conversation.objects.get().agent == koffi
