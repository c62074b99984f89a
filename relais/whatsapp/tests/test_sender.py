"""What leaves, leaves once, in order, and is never said to have left when nobody knows."""

import ssl
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
import urllib3
from django.db import connection
from django.utils import timezone
from urllib3.exceptions import MaxRetryError

from relais.conversations.events import BOT
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.tests.test_inbound import run_concurrently
from relais.whatsapp import client
from relais.whatsapp.outbound import sender as sender_module
from relais.whatsapp.outbound.sender import Sender
from relais.whatsapp.outbound.uncertain_sends import mark_expired_claims_uncertain
from tests.cast import FATOU, MachineClock

from .conftest import claim_and_send, running_sender

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock():
    """These stories meet the machine's clock: the sender and the double look at it."""
    return MachineClock()


@pytest.fixture
def conversation(double, held_by_awa):
    double.open_window(FATOU)
    return held_by_awa


def state_of(delivery):
    delivery.refresh_from_db()
    return delivery.state


def test_texts_leave_in_order_and_come_back_as_ticks(conversation, awa, double, sender):
    texts = [f"message {n}" for n in range(10)]
    sent = [conversation.send_as_agent(t, agent=awa, at=timezone.now()) for t in texts]
    double.wait_for(lambda: all(state_of(d) in ("delivered", "read") for d in sent))
    assert [m.body for m in double.accepted(to=FATOU)][1:] == texts
    assert {m.ref for m in double.accepted()} == {
        str(pk) for pk in MessageDelivery.objects.values_list("pk", flat=True)
    }


def test_the_phone_shows_them_and_reading_is_told(conversation, double, sender):
    delivery = conversation.deliveries.get()
    double.wait_for(lambda: state_of(delivery) == "delivered")
    assert double.texts_on_phone(FATOU) == [delivery.event.body]
    double.client_reads(FATOU)
    double.wait_for(lambda: state_of(delivery) == "read")


def test_too_many_requests_are_tried_again_and_accepted_once(conversation, double):
    double.fault("create", "429", times=3, retry_after=0.05)
    delivery = conversation.deliveries.get()
    with running_sender():
        double.wait_for(lambda: state_of(delivery) == "delivered")
    assert len(double.accepted()) == 1
    assert delivery.attempt == 4


def test_while_twilio_is_away_nothing_is_lost(conversation, double):
    delivery = conversation.deliveries.get()
    with running_sender():
        with double.unreachable():
            double.wait_for(lambda: MessageDelivery.objects.get(pk=delivery.pk).attempt >= 1)
        double.wait_for(lambda: state_of(delivery) == "delivered", timeout=20)
    assert len(double.accepted()) == 1


def test_no_answer_is_resolved_by_the_status_hook(conversation, double):
    double.fault("create", "no_answer", times=1)
    with running_sender():
        delivery = conversation.deliveries.get()
        double.wait_for(lambda: state_of(delivery) == "delivered")
        assert len(double.accepted()) == 1


@pytest.mark.parametrize("fault", ["dropped", "5xx", "5xx_accepted"])
def test_an_unknown_outcome_is_uncertain_and_never_sent_again_by_itself(conversation, awa, double, fault):
    double.fault("create", fault, times=1)
    double.fault("status", "never")
    delivery = conversation.deliveries.get()
    after = conversation.send_as_agent("et ensuite ?", agent=awa, at=timezone.now())
    with running_sender():
        double.wait_for(lambda: state_of(delivery) == "uncertain")
        assert state_of(after) == "queued"
        MessageDelivery.objects.filter(pk=delivery.pk).update(uncertain_until=timezone.now())
        double.wait_for(lambda: state_of(after) == "sent")
    assert state_of(delivery) == "uncertain"
    assert len(double.accepted(body=delivery.event.body)) == (1 if fault == "5xx_accepted" else 0)


@pytest.mark.parametrize(
    ("broken", "means"),
    [
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), client.OutcomeUnknown),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), client.RetryLater),
    ],
)
def test_tls_that_breaks_may_have_carried_the_message(broken, means):
    why = MaxRetryError(None, "/", urllib3.exceptions.SSLError(broken))
    with pytest.raises(means), client.classify_errors():
        raise requests.exceptions.SSLError(why)


def test_a_refusal_is_told_in_words_and_can_be_resent(conversation, awa, double):
    double.fault("create", "reject", times=1, code=63007, status="400")
    with running_sender():
        delivery = conversation.deliveries.get()
        double.wait_for(lambda: state_of(delivery) == "failed")
        assert (delivery.error_code, "relié" in delivery.error) == (63007, True)
        again = conversation.resend(delivery.event, agent=awa, at=timezone.now())
        double.wait_for(lambda: state_of(again) == "delivered")
        assert state_of(delivery) == "failed"


def test_a_later_failure_is_told_too(conversation, double):
    double.fault("create", "error", times=1, code=63016)
    with running_sender():
        delivery = conversation.deliveries.get()
        double.wait_for(lambda: state_of(delivery) == "failed")
        assert delivery.error_code == 63016


def test_statuses_shuffled_and_twice_end_right(conversation, awa, double, sender):
    double.fault("status", "shuffled")
    double.fault("status", "twice")
    sent = [conversation.send_as_agent(f"{n}", agent=awa, at=timezone.now()) for n in range(5)]
    double.wait_for(lambda: all(state_of(d) == "delivered" for d in sent))
    double.client_reads(FATOU)
    double.wait_until_idle()
    double.wait_for(lambda: all(state_of(d) == "read" for d in sent))


def test_a_claim_whose_process_died_becomes_uncertain_after_its_lease(conversation):
    delivery = conversation.deliveries.get()
    assert delivery.claim(by="dead:1", at=timezone.now())
    assert mark_expired_claims_uncertain(timezone.now()) == 0
    assert mark_expired_claims_uncertain(timezone.now() + timedelta(seconds=31)) == 1
    assert state_of(delivery) == "uncertain"


def test_two_senders_send_each_message_once(conversation, awa, double):
    sent = [conversation.send_as_agent(f"{n}", agent=awa, at=timezone.now()) for n in range(10)]
    with running_sender(), running_sender():
        double.wait_for(lambda: all(state_of(d) == "delivered" for d in sent))
    assert len(double.accepted()) == 11


def test_a_sender_whose_calls_are_slow_is_at_work_and_one_whose_calls_hang_is_not(monkeypatch):
    sender = Sender(threads=2)
    sender._in_progress |= {1, 2}
    sender._poll()
    assert sender.last_poll_at > 0
    sender.last_poll_at = 0.0
    monkeypatch.setattr(sender_module, "CALL_STUCK_SECONDS", 0.0)
    sender._poll()
    assert sender.last_poll_at == 0.0


def test_a_call_that_ends_while_the_outbox_is_looked_at_stops_nobody(db):
    class AtWork(set):
        def __iter__(self):
            for pk in super().__iter__():
                self.discard(pk)
                yield pk

    sender = Sender()
    sender._in_progress = AtWork({1, 2, 3})
    sender._poll()


def test_without_twilio_a_message_fails_with_a_sentence(conversation, settings):
    from dataclasses import replace

    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, twilio_auth_token="")
    client.twilio.cache_clear()
    delivery = conversation.deliveries.get()
    claim_and_send(delivery.pk, by="p")
    assert state_of(delivery) == "failed"
    assert delivery.error == "Twilio n'est pas connecté. Prévenez un administrateur."


def test_the_base_address_may_have_a_path(double):
    http = client.RelaisHttpClient(double.url + "/below")
    assert http.request("GET", "https://api.twilio.com/2010-04-01/x").status_code == 404


# -- races -------------------------------------------------------------------------------------------


def test_of_fifty_who_take_over_at_once_one_wins_and_all_learn_who(fatou_writes):
    from relais.accounts.models import User
    from relais.conversations.errors import StateConflict

    agents = [
        User.objects.create(email=f"a{n}@example.com", full_name=f"Agent {n}", role="agent", password="!")
        for n in range(50)
    ]
    conversation = fatou_writes()

    def take(n):
        try:
            Conversation.objects.get(pk=conversation.pk).take_over(agents[n], at=timezone.now())
            return "won"
        except StateConflict as refusal:
            return refusal.agent

    results = run_concurrently(take, 50)
    conversation.refresh_from_db()
    assert results.count("won") == 1
    assert all(r == conversation.agent for r in results if r != "won"), results
    assert conversation.epoch == 1
    assert conversation.events.filter(event_type="agent_takeover").count() == 1


def test_a_take_over_against_a_bot_message_about_to_leave(fatou_writes, awa):
    """500 times: either it left before, and stands above, or it never leaves."""
    left = withheld = 0
    for n in range(500):
        conversation = fatou_writes(address=f"whatsapp:+2126{n:08d}")
        said = conversation.send_as_program("Menu : 1, 2, 3", by=BOT, at=timezone.now())

        def race(rival, conversation=conversation, said=said):
            if rival:
                conversation.take_over(awa, at=timezone.now())
                return None
            return said.claim(by="p", at=timezone.now())

        claimed, _none = run_concurrently(race, 2)
        said = MessageDelivery.objects.get(pk=said.pk)
        taken = conversation.events.get(event_type="agent_takeover")
        if claimed:
            left += 1
            # Its claim was committed first: the revision it got is below the take-over's.
            assert said.state == "sending"
            assert said.rev < taken.rev
        else:
            withheld += 1
            assert not MessageDelivery.objects.get(pk=said.pk).claim(by="p", at=timezone.now())
            assert state_of(said) == "refused"
    connection.close()
    assert left + withheld == 500
    print(f"left before the take-over: {left}, withheld: {withheld}")


def test_a_demo_whose_double_does_not_run_calls_nobody(settings, monkeypatch):
    monkeypatch.setattr(client.RelaisHttpClient, "request", lambda *a, **k: pytest.fail("called"))
    settings.DEMO, settings.ENVIRONMENT = True, replace(settings.ENVIRONMENT, twilio_api_base_url="")
    client.twilio.cache_clear()
    with pytest.raises(client.TwilioRefused):
        client.send_test("+212600000001", "bonjour")
