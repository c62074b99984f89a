"""What nobody told is found out, said again once where no person wrote it, or left to a person."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from relais.company import company_settings
from relais.conversations import outbox
from relais.conversations.events import BOT
from relais.conversations.models import MessageDelivery, SenderRateLimit
from relais.conversations.outbound import Template
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


@pytest.fixture
def clock():
    return MachineClock()


class Later(SharedClock):
    """The sender's clock, set forward by the test."""

    def __init__(self):
        super().__init__()
        self.ahead = timedelta()

    def now(self):
        return timezone.now() + self.ahead

    def passes(self, seconds):
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def later():
    return Later()


@pytest.fixture
def silent(double):
    """Twilio tells nothing by itself."""
    double.open_window(FATOU)
    double.fault("status", "never")
    return double


@pytest.fixture
def menu(silent, with_bot):
    return with_bot.send_as_program("Menu : 1, 2, 3", by=BOT, at=timezone.now())


def state_of(delivery):
    delivery.refresh_from_db()
    return delivery.state


def leaves(delivery, double, fault=None, **rule):
    if fault:
        double.fault("create", fault, times=1, **rule)
    claim_and_send(delivery.pk, by="p")
    return state_of(delivery)


def asks(later, *, after=6):
    """As much as is due, that many seconds later."""
    later.passes(after)
    taken = claim_due_lookups(later.now(), limit=8)
    for delivery in taken:
        resolve_uncertain_send(delivery, later)
    return len(taken)


def test_a_message_that_twilio_took_is_found_in_its_log(menu, silent, later):
    assert leaves(menu, silent, "5xx_accepted") == "uncertain"
    assert asks(later, after=0) == 0, "the status callback gets its chance first"
    assert asks(later) == 1
    assert state_of(menu) in ("sent", "delivered")
    assert menu.sid == silent.accepted()[0].sid
    assert asks(later, after=100) == 0


def test_a_message_that_the_log_has_under_the_other_national_form_is_found(silent, fatou_writes, later):
    """Else a text of the bot would be sent twice."""
    written, listed = "whatsapp:+525512345678", "whatsapp:+5215512345678"
    silent.opens_window(listed)
    menu = fatou_writes("mercedes", address=listed).send_as_program("Menu", by=BOT, at=timezone.now())
    assert leaves(menu, silent, "5xx_accepted") == "uncertain"
    MessageDelivery.objects.filter(pk=menu.pk).update(sent_to=written)
    assert asks(later) == 1
    assert state_of(menu) in ("sent", "delivered")
    assert menu.sid == silent.accepted()[0].sid


def test_what_became_of_it_meanwhile_is_known_too(menu, silent, later):
    silent.fault("create", "error", times=1, code=63016)
    assert leaves(menu, silent, "5xx_accepted") == "uncertain"
    silent.wait_until_idle()
    asks(later)
    assert (state_of(menu), menu.error_code) == ("failed", 63016)


def test_a_text_of_the_bot_that_twilio_never_had_leaves_once_more(menu, silent, later):
    assert leaves(menu, silent, "dropped") == "uncertain"
    assert asks(later) == 1
    assert state_of(menu) == "uncertain", "the log may be behind"
    assert asks(later, after=44) == 0
    assert asks(later, after=2) == 1
    assert (state_of(menu), menu.repeated) == ("queued", True)
    assert leaves(menu, silent) == "sent"
    assert len(silent.accepted()) == 1
    assert menu.conversation.events.filter(body=menu.event.body).count() == 1, "it stands in the history once"


def test_it_leaves_before_what_was_said_after_it(menu, silent, later, with_bot):
    after = with_bot.send_as_program("Et ensuite ?", by=BOT, at=timezone.now())
    leaves(menu, silent, "dropped")
    asks(later)
    asks(later, after=46)
    assert list(MessageDelivery.objects.due(later.now())) == [menu]
    leaves(menu, silent)
    leaves(after, silent)
    assert [each.body for each in silent.accepted()] == [menu.event.body, "Et ensuite ?"]


def test_it_leaves_a_second_time_and_no_third(menu, silent, later):
    leaves(menu, silent, "dropped")
    asks(later)
    asks(later, after=46)
    leaves(menu, silent, "dropped")
    for _ask in range(2):
        assert asks(later, after=46) == 1
    assert asks(later, after=46) == 0
    assert state_of(menu) == "uncertain"
    assert silent.accepted() == []


def test_a_late_word_about_the_first_time_keeps_it_from_leaving_again(menu, silent, later, twilio):
    leaves(menu, silent, "dropped")
    asks(later)
    asks(later, after=46)
    assert state_of(menu) == "queued"
    told = {"MessageSid": "SM" + "9" * 32, "MessageStatus": "delivered", "To": FATOU, "From": OUR_NUMBER}
    assert twilio.call(f"/api/twilio/status?ref={menu.pk}", told).status_code == 204
    assert state_of(menu) == "delivered"
    claim_and_send(menu.pk, by="p")
    assert silent.accepted() == []


def test_after_a_take_over_it_never_leaves_again(menu, silent, later, awa, with_bot):
    leaves(menu, silent, "dropped")
    asks(later)
    with_bot.take_over(awa, at=timezone.now())
    asks(later, after=46)
    claim_and_send(menu.pk, by="p")
    assert (state_of(menu), menu.reason) == ("refused", "taken_over")
    assert silent.accepted(body=menu.event.body) == []


def test_a_person_s_text_is_left_to_a_person(silent, held_by_awa, awa, later):
    told = held_by_awa.deliveries.get()
    claim_and_send(told.pk, by="p")
    said = held_by_awa.send_as_agent("bonjour", agent=awa, at=timezone.now())
    leaves(said, silent, "dropped")
    for after in (6, 46, 46):
        asks(later, after=after)
    assert (state_of(said), said.asked, said.ask_after) == ("uncertain", 2, None)
    assert silent.accepted(body="bonjour") == []


def test_the_text_of_the_take_over_leaves_again_although_it_goes_before_others(silent, held_by_awa, later):
    told = held_by_awa.deliveries.get()
    leaves(told, silent, "dropped")
    asks(later)
    asks(later, after=46)
    assert state_of(told) == "queued"


def test_when_the_next_may_leave_it_is_too_late_to_leave_before_them(menu, silent, later):
    leaves(menu, silent, "dropped")
    asks(later)
    asks(later, after=120)
    assert (state_of(menu), menu.ask_after) == ("uncertain", None)


def test_a_log_that_is_behind_is_asked_twice(menu, silent, later):
    leaves(menu, silent, "5xx_accepted")
    silent.fault("list", "lag", times=1, ms=60_000)
    asks(later)
    assert state_of(menu) == "uncertain"
    asks(later, after=46)
    assert state_of(menu) in ("sent", "delivered")


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(client, "QUICK_PAGE_RETRY_PAUSES_SECONDS", (0.0,))


def test_a_page_of_the_log_that_fails_is_asked_for_again(menu, silent, later, no_pauses):
    leaves(menu, silent, "5xx_accepted")
    silent.fault("list", "5xx", times=1)
    assert asks(later) == 1
    assert state_of(menu) in ("sent", "delivered")


def test_twilio_that_is_away_while_it_is_asked_does_not_count(menu, silent, later, no_pauses):
    leaves(menu, silent, "5xx_accepted")
    for fault in ("5xx", "429", "dropped"):
        silent.fault("list", fault, times=2, retry_after=None)
        assert asks(later) == 1
        assert (state_of(menu), menu.asked) == ("uncertain", 0)
    assert asks(later) == 1
    assert state_of(menu) in ("sent", "delivered")


def test_an_asker_that_dies_leaves_the_question_to_another(menu, silent, later):
    leaves(menu, silent, "5xx_accepted")
    later.passes(6)
    assert len(claim_due_lookups(later.now(), limit=8)) == 1
    assert asks(later) == 0
    assert asks(later, after=30) == 1
    assert state_of(menu) in ("sent", "delivered")


def test_two_equal_texts_are_two_messages(silent, with_bot, later):
    first, second = (with_bot.send_as_program("oui ?", by=BOT, at=timezone.now()) for _ in range(2))
    leaves(first, silent, "5xx_accepted")
    MessageDelivery.objects.filter(pk=first.pk).update(uncertain_until=timezone.now())
    leaves(second, silent, "5xx_accepted")
    assert asks(later) == 2
    assert {state_of(first), state_of(second)} <= {"sent", "delivered"}
    assert {first.sid, second.sid} == {each.sid for each in silent.accepted()}


def test_of_two_equal_texts_of_which_one_left_only_the_other_leaves_again(silent, with_bot, later):
    first, second = (with_bot.send_as_program("oui ?", by=BOT, at=timezone.now()) for _ in range(2))
    assert leaves(first, silent) == "sent"
    leaves(second, silent, "dropped")
    asks(later)
    asks(later, after=46)
    assert state_of(second) == "queued"
    assert first.sid == silent.accepted()[0].sid


def test_another_client_s_message_is_not_taken_for_it(menu, silent, later):
    leaves(menu, silent, "dropped")
    client.send_message(to="whatsapp:+2250700000009", sender=OUR_NUMBER, body=menu.event.body)
    asks(later)
    assert state_of(menu) == "uncertain"


def test_a_client_s_own_words_are_not_taken_for_it(menu, silent, later):
    leaves(menu, silent, "dropped")
    silent.client_writes(FATOU, menu.event.body, wait=False)
    asks(later)
    assert state_of(menu) == "uncertain"


TEMPLATE = Template("HX" + "1" * 32, {"1": "Fatou"})


def test_a_template_is_found_when_it_is_the_only_one(silent, with_bot, later):
    said = with_bot.send_as_program("", by=BOT, at=timezone.now(), template=TEMPLATE)
    leaves(said, silent, "5xx_accepted")
    asks(later)
    assert state_of(said) in ("sent", "delivered")


def test_what_is_just_leaving_is_not_taken_for_an_older_one(silent, with_bot, later):
    """Two minutes are over and the same words leave again: until their SID is written, the log proves nothing."""
    first = with_bot.send_as_program("Menu", by=BOT, at=timezone.now())
    assert leaves(first, silent, "dropped") == "uncertain"
    second = with_bot.send_as_program("Menu", by=BOT, at=timezone.now())
    first.uncertain_until = timezone.now() - timedelta(seconds=1)
    first.save(update_fields=["uncertain_until"])
    assert second.claim(by="p", at=timezone.now())
    outcome = send_delivery(second)
    assert asks(later) == 1
    assert (state_of(first), first.sid) == ("uncertain", None)
    store_outcome(second, outcome, later)
    assert asks(later, after=61) == 1
    assert (state_of(first), first.sid) == ("uncertain", None)
    assert state_of(second) == "sent"


def test_of_two_that_may_be_the_template_neither_is_taken_and_it_is_not_said_again(silent, with_bot, later):
    said = with_bot.send_as_program("", by=BOT, at=timezone.now(), template=TEMPLATE)
    leaves(said, silent, "5xx_accepted")
    client.send_message(to=FATOU, sender=OUR_NUMBER, body="du programme d'à côté")
    for after in (6, 46, 46):
        asks(later, after=after)
    assert (state_of(said), said.sid, said.asked) == ("uncertain", None, 0)
    assert len(silent.accepted()) == 2


# -- processes that died ------------------------------------------------------------------------------------


def test_a_lapsed_claim_is_doubted_and_one_from_before_the_clock_was_set_back_too(menu):
    assert menu.claim(by="p", at=timezone.now())
    assert mark_expired_claims_uncertain(timezone.now()) == 0
    assert mark_expired_claims_uncertain(timezone.now() - timedelta(hours=1)) == 1
    assert state_of(menu) == "uncertain"


def test_a_process_without_a_sign_of_life_is_dead_and_one_with_it_is_not(menu, double):
    assert menu.claim(by="dead:1", at=timezone.now())
    resolver = UncertainSendResolver("me", SharedClock())
    assert resolver._dead_processes() == [], "its connection may just be coming back"
    resolver._dead_since["dead:1"] -= 10
    assert resolver._dead_processes() == ["dead:1"]
    assert mark_claims_uncertain(["dead:1"], timezone.now()) == 1

    MessageDelivery.objects.filter(pk=menu.pk).update(state="queued", claimed_by=None)
    with running_sender() as sender:
        double.wait_for(lambda: state_of(menu) == "sent")
        MessageDelivery.objects.filter(pk=menu.pk).update(state="sending", claimed_by=sender.name)
        assert resolver._dead_processes() == []
        assert resolver._dead_since == {}


def test_a_claim_whose_commit_was_not_answered_goes_back_since_nobody_called(menu, silent, monkeypatch):
    sender, claimed = Sender(), outbox.claim_batch

    def breaks(**how):
        claimed(**how)
        raise OperationalError("server closed the connection unexpectedly")

    SenderRateLimit.objects.create(sender=OUR_NUMBER, tokens=5)
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "claim_batch", breaks)
        sender._poll()
    assert (state_of(menu), menu.claimed_by, silent.accepted()) == ("sending", sender.name, [])
    sender._poll()
    silent.wait_for(lambda: state_of(menu) == "sent")
    assert (menu.attempt, len(silent.accepted())) == (2, 1)
    sender._pool.shutdown()


def test_what_was_called_does_not_go_back_although_nothing_could_be_written(menu, silent, monkeypatch):
    sender = Sender()
    assert menu.claim(by=sender.name, at=timezone.now())
    monkeypatch.setattr(sender_module, "store_outcome", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sender._send(menu)
    sender._requeue_unknown_claims()
    assert state_of(menu) == "sending"


@pytest.mark.parametrize(("word", "rate"), [(80, 80), (400, 400), (0, 1), ("vite", 80)])
def test_a_rate_that_is_none_stops_nobody(word, rate, db):
    company_settings.set_value(company_settings.SEND_RATE, word)
    assert sender_module._send_rate() == rate


def test_the_answer_after_a_doubt_is_believed(menu, silent):
    """The process was slow to tell, and was taken for dead."""
    assert menu.claim(by="slow", at=timezone.now())
    outcome = send_delivery(menu)
    assert mark_claims_uncertain(["slow"], timezone.now()) == 1
    store_outcome(menu, outcome, SharedClock())
    assert (state_of(menu), menu.sid) == ("sent", outcome.sid)


def test_when_twilio_took_it_is_told_by_the_clock_that_answers_are_told_by(menu, silent, later):
    """The database may be another machine, whose clock is ahead: the client's quick answer is none before its time."""
    later.passes(3600)
    assert menu.claim(by="p", at=later.now())
    store_outcome(menu, send_delivery(menu), later)
    assert state_of(menu) == "sent"
    assert menu.sent_at <= timezone.now()


def test_what_certainly_did_not_leave_waits_its_turn_again_even_when_it_was_doubted(menu, silent):
    assert menu.claim(by="slow", at=timezone.now())
    silent.fault("create", "429", times=1, retry_after=0.05)
    outcome = send_delivery(menu)
    mark_claims_uncertain(["slow"], timezone.now())
    store_outcome(menu, outcome, SharedClock())
    assert state_of(menu) == "queued"


# -- what always goes wrong ---------------------------------------------------------------------------------


def test_a_message_that_cannot_even_be_prepared_fails_with_a_sentence(menu, silent, monkeypatch):
    MessageDelivery.objects.filter(pk=menu.pk).update(attempt=0)
    monkeypatch.setattr(client.twilio().messages.__class__, "create", lambda *a, **k: {}["missing"])
    assert leaves(menu, silent) == "failed"
    assert menu.error == client.UNSENDABLE


def test_an_answer_that_nobody_understands_is_a_doubt(menu, silent, monkeypatch):
    answered = client.RelaisHttpClient.request

    def request(self, *args, **kwargs):
        answered(self, *args, **kwargs)
        raise KeyError("sid")

    monkeypatch.setattr(client.RelaisHttpClient, "request", request)
    assert leaves(menu, silent) == "uncertain"


def test_a_sid_that_another_delivery_has_does_not_keep_a_message_from_being_sent(menu, silent, with_bot):
    other = with_bot.send_as_program("Et ensuite ?", by=BOT, at=timezone.now())
    assert menu.claim(by="p", at=timezone.now())
    outcome = send_delivery(menu)
    MessageDelivery.objects.filter(pk=other.pk).update(sid=outcome.sid)
    store_outcome(menu, outcome, SharedClock())
    assert (state_of(menu), menu.sid) == ("sent", None)


def test_a_text_whose_refusal_always_fails_ends_with_a_reason(with_bot, awa, monkeypatch):
    stale = with_bot.send_as_program("Menu", by=BOT, at=timezone.now())
    with_bot.take_over(awa, at=timezone.now())
    monkeypatch.setattr(MessageDelivery, "claim", lambda *a, **k: {}["missing"])
    sender = Sender()
    sender._stopping.set()
    for _try in range(3):
        with pytest.raises(KeyError):
            sender._withhold(stale)
    assert (state_of(stale), stale.error) == ("failed", client.UNSENDABLE)
