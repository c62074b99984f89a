"""Uncertain sends are looked up in Twilio's log, resent once if no agent wrote them, or left to an agent."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from relais.company import company_settings
from relais.conversations import outbox
from relais.conversations.events import BOT
from relais.conversations.models import MessageDelivery, SenderRateLimit
from relais.conversations.outbound import Template
from relais.emulator.dealer_templates import text_content
from relais.whatsapp import client
from relais.whatsapp.database_clock import SharedClock
from relais.whatsapp.outbound import sender as sender_module
from relais.whatsapp.outbound.send_attempt import send_delivery, store_outcome
from relais.whatsapp.outbound.sender import Sender
from relais.whatsapp.outbound.uncertain_sends import (
    UncertainSendResolver,
    claim_due_lookups,
    mark_claims_uncertain,
    mark_expired_claims_uncertain,
    resolve_uncertain_send,
)
from tests.cast import FATOU, OUR_NUMBER, MachineClock

from .conftest import claim_and_send, running_sender

pytestmark = pytest.mark.django_db(transaction=True)
TEMPLATE = Template("HX" + "1" * 32, {"1": "Fatou"})


@pytest.fixture
def clock():
    return MachineClock()


class AdvancedClock(SharedClock):
    """The sender's clock, set forward by the test."""

    def __init__(self):
        super().__init__()
        self.ahead = timedelta()

    def now(self):
        return timezone.now() + self.ahead

    def advance(self, seconds):
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def clock_ahead():
    return AdvancedClock()


@pytest.fixture
def quiet_twilio(double):
    """Twilio sends no status callbacks."""
    double.open_window(FATOU)
    double.fault("status", "never")
    double.add_content(text_content("greeting", "Bonjour {{1}}"), sid=TEMPLATE.content_sid)
    return double


@pytest.fixture
def menu(quiet_twilio, with_bot):
    return with_bot.send_as_program("Menu : 1, 2, 3", by=BOT, at=timezone.now())


def state_of(delivery):
    delivery.refresh_from_db()
    return delivery.state


def send_with_fault(delivery, double, fault=None, **rule):
    if fault:
        double.fault("create", fault, times=1, **rule)
    claim_and_send(delivery.pk, by="p")
    return state_of(delivery)


def look_up_due(clock_ahead, *, after=6):
    """Resolve what is due so many seconds later."""
    clock_ahead.advance(after)
    taken = claim_due_lookups(clock_ahead.now(), limit=8)
    for delivery in taken:
        resolve_uncertain_send(delivery, clock_ahead)
    return len(taken)


def test_a_message_that_twilio_accepted_is_found_in_its_log(menu, quiet_twilio, clock_ahead):
    assert send_with_fault(menu, quiet_twilio, "5xx_accepted") == "uncertain"
    assert look_up_due(clock_ahead, after=0) == 0, "the status callback goes first"
    assert look_up_due(clock_ahead) == 1
    assert state_of(menu) in ("sent", "delivered")
    assert menu.sid == quiet_twilio.accepted()[0].sid
    assert look_up_due(clock_ahead, after=100) == 0


def test_a_message_that_the_log_has_under_the_other_national_form_is_found(
    quiet_twilio, fatou_writes, clock_ahead
):
    """Otherwise a text of the bot would be sent twice."""
    written, listed = "whatsapp:+525512345678", "whatsapp:+5215512345678"
    quiet_twilio.open_window(listed)
    menu = fatou_writes("mercedes", address=listed).send_as_program("Menu", by=BOT, at=timezone.now())
    assert send_with_fault(menu, quiet_twilio, "5xx_accepted") == "uncertain"
    MessageDelivery.objects.filter(pk=menu.pk).update(sent_to=written)
    assert look_up_due(clock_ahead) == 1
    assert state_of(menu) in ("sent", "delivered")
    assert menu.sid == quiet_twilio.accepted()[0].sid


def test_its_later_status_is_stored_too(menu, quiet_twilio, clock_ahead):
    quiet_twilio.fault("create", "error", times=1, code=63016)
    assert send_with_fault(menu, quiet_twilio, "5xx_accepted") == "uncertain"
    quiet_twilio.wait_until_idle()
    look_up_due(clock_ahead)
    assert (state_of(menu), menu.error_code) == ("failed", 63016)


def test_a_bot_text_that_twilio_never_had_is_resent_once(menu, quiet_twilio, clock_ahead):
    assert send_with_fault(menu, quiet_twilio, "dropped") == "uncertain"
    assert look_up_due(clock_ahead) == 1
    assert state_of(menu) == "uncertain", "the log may lag"
    assert look_up_due(clock_ahead, after=44) == 0
    assert look_up_due(clock_ahead, after=2) == 1
    assert (state_of(menu), menu.repeated) == ("queued", True)
    assert send_with_fault(menu, quiet_twilio) == "sent"
    assert len(quiet_twilio.accepted()) == 1
    assert menu.conversation.events.filter(body=menu.event.body).count() == 1, "it is in the history once"


def test_it_is_resent_before_later_texts(menu, quiet_twilio, clock_ahead, with_bot):
    after = with_bot.send_as_program("Et ensuite ?", by=BOT, at=timezone.now())
    send_with_fault(menu, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    look_up_due(clock_ahead, after=46)
    assert list(MessageDelivery.objects.due(clock_ahead.now())) == [menu]
    send_with_fault(menu, quiet_twilio)
    send_with_fault(after, quiet_twilio)
    assert [each.body for each in quiet_twilio.accepted()] == [menu.event.body, "Et ensuite ?"]


def test_it_is_not_resent_a_second_time(menu, quiet_twilio, clock_ahead):
    send_with_fault(menu, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    look_up_due(clock_ahead, after=46)
    send_with_fault(menu, quiet_twilio, "dropped")
    for _ask in range(2):
        assert look_up_due(clock_ahead, after=46) == 1
    assert look_up_due(clock_ahead, after=46) == 0
    assert state_of(menu) == "uncertain"
    assert quiet_twilio.accepted() == []


def test_a_late_status_of_the_first_send_prevents_the_resend(menu, quiet_twilio, clock_ahead, twilio):
    send_with_fault(menu, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    look_up_due(clock_ahead, after=46)
    assert state_of(menu) == "queued"
    params = {"MessageSid": "SM" + "9" * 32, "MessageStatus": "delivered", "To": FATOU, "From": OUR_NUMBER}
    assert twilio.call(f"/api/twilio/status?ref={menu.pk}", params).status_code == 204
    assert state_of(menu) == "delivered"
    claim_and_send(menu.pk, by="p")
    assert quiet_twilio.accepted() == []


def test_after_a_take_over_it_is_not_resent(menu, quiet_twilio, clock_ahead, awa, with_bot):
    send_with_fault(menu, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    with_bot.take_over(awa, at=timezone.now())
    look_up_due(clock_ahead, after=46)
    claim_and_send(menu.pk, by="p")
    assert (state_of(menu), menu.reason) == ("refused", "taken_over")
    assert quiet_twilio.accepted(body=menu.event.body) == []


def test_an_agent_s_text_is_not_resent_automatically(quiet_twilio, held_by_awa, awa, clock_ahead):
    takeover_text = held_by_awa.deliveries.get()
    claim_and_send(takeover_text.pk, by="p")
    delivery = held_by_awa.send_as_agent("bonjour", agent=awa, at=timezone.now())
    send_with_fault(delivery, quiet_twilio, "dropped")
    for after in (6, 46, 46):
        look_up_due(clock_ahead, after=after)
    assert (state_of(delivery), delivery.asked, delivery.ask_after) == ("uncertain", 2, None)
    assert quiet_twilio.accepted(body="bonjour") == []


def test_the_text_of_a_take_over_is_resent(quiet_twilio, held_by_awa, clock_ahead):
    takeover_text = held_by_awa.deliveries.get()
    send_with_fault(takeover_text, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    look_up_due(clock_ahead, after=46)
    assert state_of(takeover_text) == "queued"


def test_once_the_next_may_be_sent_it_is_not_resent(menu, quiet_twilio, clock_ahead):
    send_with_fault(menu, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    look_up_due(clock_ahead, after=120)
    assert (state_of(menu), menu.ask_after) == ("uncertain", None)


def test_a_log_that_lags_is_looked_up_twice(menu, quiet_twilio, clock_ahead):
    send_with_fault(menu, quiet_twilio, "5xx_accepted")
    quiet_twilio.fault("list", "lag", times=1, ms=60_000)
    look_up_due(clock_ahead)
    assert state_of(menu) == "uncertain"
    look_up_due(clock_ahead, after=46)
    assert state_of(menu) in ("sent", "delivered")


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(client, "QUICK_PAGE_RETRY_PAUSES_SECONDS", (0.0,))


def test_a_page_of_the_log_that_fails_is_retried(menu, quiet_twilio, clock_ahead, no_pauses):
    send_with_fault(menu, quiet_twilio, "5xx_accepted")
    quiet_twilio.fault("list", "5xx", times=1)
    assert look_up_due(clock_ahead) == 1
    assert state_of(menu) in ("sent", "delivered")


def test_a_failed_lookup_does_not_count(menu, quiet_twilio, clock_ahead, no_pauses):
    send_with_fault(menu, quiet_twilio, "5xx_accepted")
    for fault in ("5xx", "429", "dropped"):
        quiet_twilio.fault("list", fault, times=2, retry_after=None)
        assert look_up_due(clock_ahead) == 1
        assert (state_of(menu), menu.asked) == ("uncertain", 0)
    assert look_up_due(clock_ahead) == 1
    assert state_of(menu) in ("sent", "delivered")


def test_the_lookup_of_a_dead_process_is_repeated_by_another(menu, quiet_twilio, clock_ahead):
    send_with_fault(menu, quiet_twilio, "5xx_accepted")
    clock_ahead.advance(6)
    assert len(claim_due_lookups(clock_ahead.now(), limit=8)) == 1
    assert look_up_due(clock_ahead) == 0
    assert look_up_due(clock_ahead, after=30) == 1
    assert state_of(menu) in ("sent", "delivered")


def test_two_equal_texts_are_two_messages(quiet_twilio, with_bot, clock_ahead):
    first, second = (with_bot.send_as_program("oui ?", by=BOT, at=timezone.now()) for _ in range(2))
    send_with_fault(first, quiet_twilio, "5xx_accepted")
    MessageDelivery.objects.filter(pk=first.pk).update(uncertain_until=timezone.now())
    send_with_fault(second, quiet_twilio, "5xx_accepted")
    assert look_up_due(clock_ahead) == 2
    assert {state_of(first), state_of(second)} <= {"sent", "delivered"}
    assert {first.sid, second.sid} == {each.sid for each in quiet_twilio.accepted()}


def test_of_two_equal_texts_only_the_one_that_was_not_sent_is_resent(quiet_twilio, with_bot, clock_ahead):
    first, second = (with_bot.send_as_program("oui ?", by=BOT, at=timezone.now()) for _ in range(2))
    assert send_with_fault(first, quiet_twilio) == "sent"
    send_with_fault(second, quiet_twilio, "dropped")
    look_up_due(clock_ahead)
    look_up_due(clock_ahead, after=46)
    assert state_of(second) == "queued"
    assert first.sid == quiet_twilio.accepted()[0].sid


def test_a_message_to_another_client_does_not_match(menu, quiet_twilio, clock_ahead):
    send_with_fault(menu, quiet_twilio, "dropped")
    client.send_message(to="whatsapp:+2250700000009", sender=OUR_NUMBER, body=menu.event.body)
    look_up_due(clock_ahead)
    assert state_of(menu) == "uncertain"


def test_a_message_of_the_client_does_not_match(menu, quiet_twilio, clock_ahead):
    send_with_fault(menu, quiet_twilio, "dropped")
    quiet_twilio.client_writes(FATOU, menu.event.body, wait=False)
    look_up_due(clock_ahead)
    assert state_of(menu) == "uncertain"


def test_a_template_matches_when_it_is_the_only_candidate(quiet_twilio, with_bot, clock_ahead):
    delivery = with_bot.send_as_program("", by=BOT, at=timezone.now(), template=TEMPLATE)
    send_with_fault(delivery, quiet_twilio, "5xx_accepted")
    look_up_due(clock_ahead)
    assert state_of(delivery) in ("sent", "delivered")


def test_a_send_in_progress_does_not_match_an_older_one(quiet_twilio, with_bot, clock_ahead):
    """The hold is over and the same text is sent again: until its SID is stored, the log proves nothing."""
    first = with_bot.send_as_program("Menu", by=BOT, at=timezone.now())
    assert send_with_fault(first, quiet_twilio, "dropped") == "uncertain"
    second = with_bot.send_as_program("Menu", by=BOT, at=timezone.now())
    first.uncertain_until = timezone.now() - timedelta(seconds=1)
    first.save(update_fields=["uncertain_until"])
    assert second.claim(by="p", at=timezone.now())
    outcome = send_delivery(second)
    assert look_up_due(clock_ahead) == 1
    assert (state_of(first), first.sid) == ("uncertain", None)
    store_outcome(second, outcome, clock_ahead)
    assert look_up_due(clock_ahead, after=61) == 1
    assert (state_of(first), first.sid) == ("uncertain", None)
    assert state_of(second) == "sent"


def test_with_two_candidates_for_a_template_neither_matches_and_it_is_not_resent(
    quiet_twilio, with_bot, clock_ahead
):
    delivery = with_bot.send_as_program("", by=BOT, at=timezone.now(), template=TEMPLATE)
    send_with_fault(delivery, quiet_twilio, "5xx_accepted")
    client.send_message(to=FATOU, sender=OUR_NUMBER, body="du programme d'à côté")
    for after in (6, 46, 46):
        look_up_due(clock_ahead, after=after)
    assert (state_of(delivery), delivery.sid, delivery.asked) == ("uncertain", None, 0)
    assert len(quiet_twilio.accepted()) == 2


# -- processes that died ------------------------------------------------------------------------------------


def test_expired_claims_and_claims_from_before_a_clock_jump_become_uncertain(menu):
    assert menu.claim(by="p", at=timezone.now())
    assert mark_expired_claims_uncertain(timezone.now()) == 0
    assert mark_expired_claims_uncertain(timezone.now() - timedelta(hours=1)) == 1
    assert state_of(menu) == "uncertain"


def test_a_process_without_its_liveness_lock_is_dead_and_one_with_it_is_not(menu, double):
    assert menu.claim(by="dead:1", at=timezone.now())
    resolver = UncertainSendResolver("me", SharedClock())
    assert resolver._dead_processes() == [], "its connection may be about to come back"
    resolver._dead_since["dead:1"] -= 10
    assert resolver._dead_processes() == ["dead:1"]
    assert mark_claims_uncertain(["dead:1"], timezone.now()) == 1

    MessageDelivery.objects.filter(pk=menu.pk).update(state="queued", claimed_by=None)
    with running_sender() as sender:
        double.wait_for(lambda: state_of(menu) == "sent")
        MessageDelivery.objects.filter(pk=menu.pk).update(state="sending", claimed_by=sender.name)
        assert resolver._dead_processes() == []
        assert resolver._dead_since == {}


def test_a_claim_whose_commit_got_no_response_is_requeued(menu, quiet_twilio, monkeypatch):
    sender, claim_batch = Sender(), outbox.claim_batch

    def claim_and_break(**kwargs):
        claim_batch(**kwargs)
        raise OperationalError("server closed the connection unexpectedly")

    SenderRateLimit.objects.create(sender=OUR_NUMBER, tokens=5)
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "claim_batch", claim_and_break)
        sender._poll()
    assert (state_of(menu), menu.claimed_by, quiet_twilio.accepted()) == ("sending", sender.name, [])
    sender._poll()
    quiet_twilio.wait_for(lambda: state_of(menu) == "sent")
    assert (menu.attempt, len(quiet_twilio.accepted())) == (2, 1)
    sender._pool.shutdown()


def test_a_send_whose_outcome_could_not_be_stored_is_not_requeued(menu, quiet_twilio, monkeypatch):
    sender = Sender()
    assert menu.claim(by=sender.name, at=timezone.now())
    monkeypatch.setattr(sender_module, "store_outcome", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sender._send(menu)
    sender._requeue_unknown_claims()
    assert state_of(menu) == "sending"


@pytest.mark.parametrize(("setting", "rate"), [(80, 80), (400, 400), (0, 1), ("vite", 80)])
def test_an_invalid_send_rate_falls_back_to_the_default(setting, rate, db):
    company_settings.set_value(company_settings.SEND_RATE, setting)
    assert sender_module._send_rate() == rate


def test_an_outcome_that_arrives_after_the_claim_became_uncertain_is_stored(menu, quiet_twilio):
    """The process was slow, and was taken for dead."""
    assert menu.claim(by="slow", at=timezone.now())
    outcome = send_delivery(menu)
    assert mark_claims_uncertain(["slow"], timezone.now()) == 1
    store_outcome(menu, outcome, SharedClock())
    assert (state_of(menu), menu.sid) == ("sent", outcome.sid)


def test_the_send_time_is_by_the_same_clock_as_the_client_s_answers(menu, quiet_twilio, clock_ahead):
    """The database may be another machine, whose clock is ahead: the client's quick answer is none before its time."""
    clock_ahead.advance(3600)
    assert menu.claim(by="p", at=clock_ahead.now())
    store_outcome(menu, send_delivery(menu), clock_ahead)
    assert state_of(menu) == "sent"
    assert menu.sent_at <= timezone.now()


def test_a_message_that_was_certainly_not_sent_is_requeued_even_from_uncertain(menu, quiet_twilio):
    assert menu.claim(by="slow", at=timezone.now())
    quiet_twilio.fault("create", "429", times=1, retry_after=0.05)
    outcome = send_delivery(menu)
    mark_claims_uncertain(["slow"], timezone.now())
    store_outcome(menu, outcome, SharedClock())
    assert state_of(menu) == "queued"


# -- what always goes wrong ---------------------------------------------------------------------------------


def test_a_message_that_cannot_be_prepared_fails_with_a_sentence(menu, quiet_twilio, monkeypatch):
    MessageDelivery.objects.filter(pk=menu.pk).update(attempt=0)
    monkeypatch.setattr(client.twilio().messages.__class__, "create", lambda *a, **k: {}["missing"])
    assert send_with_fault(menu, quiet_twilio) == "failed"
    assert menu.error == client.UNSENDABLE


def test_an_unexpected_response_makes_the_send_uncertain(menu, quiet_twilio, monkeypatch):
    answered = client.RelaisHttpClient.request

    def request(self, *args, **kwargs):
        answered(self, *args, **kwargs)
        raise KeyError("sid")

    monkeypatch.setattr(client.RelaisHttpClient, "request", request)
    assert send_with_fault(menu, quiet_twilio) == "uncertain"


def test_a_duplicate_sid_does_not_keep_a_delivery_from_being_marked_sent(menu, quiet_twilio, with_bot):
    other = with_bot.send_as_program("Et ensuite ?", by=BOT, at=timezone.now())
    assert menu.claim(by="p", at=timezone.now())
    outcome = send_delivery(menu)
    MessageDelivery.objects.filter(pk=other.pk).update(sid=outcome.sid)
    store_outcome(menu, outcome, SharedClock())
    assert (state_of(menu), menu.sid) == ("sent", None)


def test_a_withheld_text_that_cannot_be_stored_fails_after_some_attempts(with_bot, awa, monkeypatch):
    delivery = with_bot.send_as_program("Menu", by=BOT, at=timezone.now())
    with_bot.take_over(awa, at=timezone.now())
    monkeypatch.setattr(MessageDelivery, "claim", lambda *a, **k: {}["missing"])
    sender = Sender()
    sender._stopping.set()
    for _try in range(3):
        with pytest.raises(KeyError):
            sender._withhold(delivery)
    assert (state_of(delivery), delivery.error) == ("failed", client.UNSENDABLE)
