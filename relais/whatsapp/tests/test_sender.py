"""Each message is sent once and in order, and an unknown outcome is never shown as sent."""

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
    """The machine's clock, which the sender and the double use."""
    return MachineClock()


@pytest.fixture
def conversation(double, held_by_awa):
    double.open_window(FATOU)
    return held_by_awa


def state_of(delivery):
    delivery.refresh_from_db()
    return delivery.state


def test_texts_are_sent_in_order_and_delivered(conversation, awa, double, sender):
    texts = [f"message {n}" for n in range(10)]
    sent = [conversation.send_as_agent(t, agent=awa, at=timezone.now()) for t in texts]
    double.wait_for(lambda: all(state_of(d) in ("delivered", "read") for d in sent))
    assert [m.body for m in double.accepted(to=FATOU)][1:] == texts
    assert {m.ref for m in double.accepted()} == {
        str(pk) for pk in MessageDelivery.objects.values_list("pk", flat=True)
    }


def test_the_phone_shows_them_and_read_receipts_arrive(conversation, double, sender):
    delivery = conversation.deliveries.get()
    double.wait_for(lambda: state_of(delivery) == "delivered")
    assert double.texts_on_phone(FATOU) == [delivery.event.body]
    double.client_reads(FATOU)
    double.wait_for(lambda: state_of(delivery) == "read")


def test_a_429_is_retried_and_accepted_once(conversation, double):
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
        double.wait_for(lambda: state_of(delivery) == "delivered")
    assert len(double.accepted()) == 1


def test_no_answer_is_resolved_by_the_status_hook(conversation, double):
    double.fault("create", "no_answer", times=1)
    with running_sender():
        delivery = conversation.deliveries.get()
        double.wait_for(lambda: state_of(delivery) == "delivered")
        assert len(double.accepted()) == 1


@pytest.mark.parametrize("fault", ["dropped", "5xx", "5xx_accepted"])
def test_an_agent_s_text_with_unknown_outcome_is_uncertain_and_never_resent_automatically(
    conversation, awa, double, fault
):
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
    ("error", "expected"),
    [
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), client.OutcomeUnknown),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), client.RetryLater),
    ],
)
def test_a_broken_tls_connection_may_have_carried_the_message(error, expected):
    why = MaxRetryError(None, "/", urllib3.exceptions.SSLError(error))
    with pytest.raises(expected), client.classify_errors():
        raise requests.exceptions.SSLError(why)


def test_a_rejected_message_shows_a_sentence_and_can_be_resent(conversation, awa, double):
    double.fault("create", "reject", times=1, code=63007, status="400")
    with running_sender():
        delivery = conversation.deliveries.get()
        double.wait_for(lambda: state_of(delivery) == "failed")
        assert (delivery.error_code, "relié" in delivery.error) == (63007, True)
        resent = conversation.resend(delivery.event, agent=awa, at=timezone.now())
        double.wait_for(lambda: state_of(resent) == "delivered")
        assert state_of(delivery) == "failed"


def test_a_later_failure_gets_its_error_code(conversation, double):
    double.fault("create", "error", times=1, code=63016)
    with running_sender():
        delivery = conversation.deliveries.get()
        double.wait_for(lambda: state_of(delivery) == "failed")
        assert delivery.error_code == 63016


def test_shuffled_and_repeated_statuses_end_in_the_right_state(conversation, awa, double, sender):
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


def test_a_sender_with_slow_calls_is_alive_and_one_with_hanging_calls_is_not(monkeypatch):
    sender = Sender(threads=2)
    sender._in_progress |= {1, 2}
    sender._poll()
    assert sender.last_poll_at > 0
    sender.last_poll_at = 0.0
    monkeypatch.setattr(sender_module, "CALL_STUCK_SECONDS", 0.0)
    sender._poll()
    assert sender.last_poll_at == 0.0


def test_a_call_that_ends_during_a_poll_does_not_stop_the_sender(db):
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


def test_of_fifty_concurrent_take_overs_one_wins_and_all_learn_who(fatou_writes):
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


def test_a_take_over_races_with_a_bot_message_being_claimed(fatou_writes, awa):
    """500 times: either it was claimed before the take-over, or it is never sent."""
    claimed_first = withheld = 0
    for n in range(500):
        conversation = fatou_writes(address=f"whatsapp:+2126{n:08d}")
        delivery = conversation.send_as_program("Menu : 1, 2, 3", by=BOT, at=timezone.now())

        def race(rival, conversation=conversation, delivery=delivery):
            if rival:
                conversation.take_over(awa, at=timezone.now())
                return None
            return delivery.claim(by="p", at=timezone.now())

        claimed, _none = run_concurrently(race, 2)
        delivery = MessageDelivery.objects.get(pk=delivery.pk)
        taken = conversation.events.get(event_type="agent_takeover")
        if claimed:
            claimed_first += 1
            # Its claim was committed first: the revision it got is below the take-over's.
            assert delivery.state == "sending"
            assert delivery.rev < taken.rev
        else:
            withheld += 1
            assert not MessageDelivery.objects.get(pk=delivery.pk).claim(by="p", at=timezone.now())
            assert state_of(delivery) == "refused"
    connection.close()
    assert claimed_first + withheld == 500
    print(f"claimed before the take-over: {claimed_first}, withheld: {withheld}")


def test_a_demo_without_its_double_calls_nobody(settings, monkeypatch):
    monkeypatch.setattr(client.RelaisHttpClient, "request", lambda *a, **k: pytest.fail("called"))
    settings.DEMO, settings.ENVIRONMENT = True, replace(settings.ENVIRONMENT, twilio_api_base_url="")
    client.twilio.cache_clear()
    with pytest.raises(client.TwilioRefused):
        client.send_test("+212600000001", "bonjour")
