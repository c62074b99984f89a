"""« Suivant »: who is given, why nobody is, and that neither capacity nor a race gives a client twice."""

import pytest
from django.test import Client

from relais.accounts.models import User
from relais.action_errors import NotAllowed
from relais.bench.assignments import race_assignments
from relais.conversations.events import BOT
from relais.conversations.models import Conversation
from relais.routing.next_client import NoNext, assign_next
from tests.cast import event_types_of, messages_to_client

pytestmark = pytest.mark.django_db
JSON = {"HTTP_ACCEPT": "application/json"}
PATH = "/dashboard/next"


@pytest.fixture
def wait(fatou_writes, clock):
    """A function that makes a client wait."""

    def make(number, **fields):
        conversation = fatou_writes("Bonjour", address=f"whatsapp:+2250700000{number:03}", name=f"C{number}")
        Conversation.objects.filter(pk=conversation.pk).update(**fields)
        conversation.ask_for_agent(by=BOT, at=clock.passes(seconds=5))
        return conversation

    return make


@pytest.fixture
def browser(client, awa):
    client.force_login(awa)
    return client


def test_the_longest_waiting_client_is_given_as_by_a_take_over(awa, wait, clock):
    first, second = wait(1), wait(2)
    assignment = assign_next(awa, at=clock.passes(seconds=1))
    assert (assignment.conversation, assignment.reason) == (first, None)
    first.refresh_from_db()
    assert (first.agent, first.epoch, first.is_unread) == (awa, 1, False)
    takeover = first.events.get(event_type="agent_takeover")
    assert (takeover.author_id, takeover.metadata) == (awa.pk, {"assigned": "next"})
    assert len(messages_to_client(first)) == 1
    assert assign_next(awa, at=clock.now).conversation == second


def test_nobody_waits(awa, with_bot, clock):
    assert assign_next(awa, at=clock.now).reason is NoNext.NONE_WAITING
    assert "agent_takeover" not in event_types_of(with_bot)


def test_a_client_out_of_reach_is_not_given(awa, mariam, wait, sales, clock):
    conversation = wait(1, team=sales)
    assert assign_next(awa, at=clock.now).reason is NoNext.NONE_WAITING
    assert assign_next(mariam, at=clock.now).conversation == conversation


def test_capacity_is_a_limit_that_a_take_over_by_hand_may_exceed(awa, wait, clock):
    User.objects.filter(pk=awa.pk).update(capacity=2)
    waiting = [wait(number) for number in range(4)]
    for _ in range(2):
        assert assign_next(awa, at=clock.now).conversation
    assert assign_next(awa, at=clock.now).reason is NoNext.AT_CAPACITY
    waiting[2].refresh_from_db()
    waiting[2].take_over(awa, at=clock.now)
    assert assign_next(awa, at=clock.now).reason is NoNext.AT_CAPACITY
    for conversation in waiting[:2]:
        conversation.refresh_from_db()
        conversation.close(awa, at=clock.now)
    assert assign_next(awa, at=clock.now).conversation == waiting[3]


def test_nobody_is_given_to_who_was_deactivated(awa, wait, clock):
    wait(1)
    awa.deactivate(by=None, at=clock.now)
    with pytest.raises(NotAllowed):
        assign_next(awa, at=clock.now)


def test_a_conversation_that_no_longer_waits_is_not_assigned(awa, koffi, wait, clock):
    conversation = wait(1)
    conversation.take_over(koffi, at=clock.now)
    assert conversation.assign(awa, at=clock.now, how="next") is False
    conversation.refresh_from_db()
    assert (conversation.agent, conversation.epoch) == (koffi, 1)


def test_as_json(browser, wait):
    User.objects.update(capacity=1)
    assert browser.post(PATH, **JSON).json()["reason"] == "none_waiting"
    conversation = wait(1)
    wait(2)
    assert browser.post(PATH, **JSON).json() == {"success": True, "conversation": conversation.pk}
    answer = browser.post(PATH, **JSON).json()
    assert (answer["success"], answer["conversation"], answer["reason"]) == (True, None, "at_capacity")


def test_without_scripts_a_form_opens_the_client_or_says_why_not(browser, wait):
    User.objects.update(capacity=1)
    conversation = wait(1)
    page = browser.post(PATH, follow=True)
    assert page.redirect_chain == [(f"/dashboard/chat/{conversation.pk}", 302)]
    assert "a pris le client suivant" in page.content.decode()
    page = browser.post(PATH, follow=True)
    assert page.redirect_chain == [("/dashboard/pending", 302)]
    assert "Votre capacité est atteinte (1)." in page.content.decode()


def test_the_anonymous_and_other_methods_are_refused(browser):
    assert Client().post(PATH, **JSON).status_code == 401
    assert browser.get(PATH, **JSON).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_each_of_many_races_has_one_winner_and_no_capacity_is_exceeded(awa, koffi, mariam, nadia):
    """Races for 15 seconds; `relais bench assignments` runs ten thousand."""
    assert race_assignments(10_000, [awa, koffi, mariam, nadia], seconds=15) == []
