"""The machine's clock is set back or forward by an hour under a working desk: nothing is sent twice, and nothing
waits for the hour to pass. The database's own clock cannot be set here: all times stored in it are moved instead."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from relais.conversations.events import BOT
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import InboundMessage
from relais.whatsapp.outbound import uncertain_sends
from tests.cast import FATOU, IBRAHIM, OUR_NUMBER, MachineClock, new_sid

from .conftest import running_sender

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
MOMENTS = {
    "message_deliveries": (
        "not_before",
        "claimed_at",
        "lease_until",
        "uncertain_until",
        "ask_after",
        "created_at",
    ),
    "sender_paces": ("counted_at", "slow_until"),
    "conversations": ("last_inbound_at", "last_activity_at", "started_at"),
}


@pytest.fixture
def clock():
    return MachineClock()


@pytest.fixture(params=[-HOUR, HOUR], ids=["back", "forward"])
def step(request):
    return request.param


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(uncertain_sends, "SECOND_LOOKUP_DELAY", timedelta(seconds=1))


def the_clock_is_set(step):
    """By `step`, the database's too."""
    with connection.cursor() as cursor:
        for table, columns in MOMENTS.items():
            moved = ", ".join(f"{column} = {column} - %(step)s" for column in columns)
            cursor.execute(f"update {table} set {moved}", {"step": step})
    connection.close()


def only_our_clock_is_set(step, monkeypatch):
    """This machine's: the database is on another one."""
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + step)


def a_client_writes(address):
    message = InboundMessage(sid=new_sid(), address=address, sender=OUR_NUMBER, body="Bonjour")
    received = ingest([message], at=timezone.now())[message.sid]
    from relais.conversations.models import Conversation

    return Conversation.objects.get(pk=received.conversation_id)


def texts(double, client):
    return [message.body for message in double.accepted(to=client)]


def states(conversation):
    return [d.state for d in conversation.deliveries.order_by("id")]


def test_a_retry_does_not_wait_for_the_hour(double, with_bot, step):
    double.open_window(FATOU)
    double.fault("create", "429", times=1, retry_after=2)
    with running_sender():
        with_bot.send_as_program("un", by=BOT, at=timezone.now())
        with_bot.send_as_program("deux", by=BOT, at=timezone.now())
        double.wait_for(lambda: double.requests("create") == 1)
        double.wait_for(lambda: states(with_bot) == ["queued", "queued"])
        the_clock_is_set(step)
        double.wait_for(lambda: texts(double, FATOU) == ["un", "deux"], 30)
        double.wait_until_idle()
    connection.close()
    assert texts(double, FATOU) == ["un", "deux"]


def test_an_uncertain_send_is_resolved_and_resent_once(double, with_bot, step):
    double.open_window(FATOU)
    double.fault("status", "never")
    double.fault("create", "dropped", times=1)
    with running_sender():
        with_bot.send_as_program("un", by=BOT, at=timezone.now())
        double.wait_for(lambda: states(with_bot) == ["uncertain"])
        the_clock_is_set(step)
        with_bot.send_as_program("deux", by=BOT, at=timezone.now())
        double.wait_for(lambda: len(texts(double, FATOU)) >= 1, 30)
        double.wait_for(lambda: "queued" not in states(with_bot), 30)
    connection.close()
    sent = texts(double, FATOU)
    assert sent.count("deux") == 1
    # If the clock step ended the hold, « un » would come after « deux »: it is left to an agent.
    assert sent in (["un", "deux"], ["deux"])
    if sent == ["deux"]:
        assert states(with_bot)[0] == "uncertain"


def test_a_message_that_was_sent_is_found_and_not_resent(double, with_bot, step):
    double.open_window(FATOU)
    double.fault("status", "never")
    double.fault("create", "5xx_accepted", times=1)
    with running_sender():
        with_bot.send_as_program("un", by=BOT, at=timezone.now())
        double.wait_for(lambda: states(with_bot) == ["uncertain"])
        the_clock_is_set(step)
        double.wait_for(lambda: states(with_bot)[0] in ("sent", "delivered"), 30)
    connection.close()
    assert texts(double, FATOU) == ["un"]


def test_the_claim_of_a_dead_process_does_not_wait_for_the_hour(double, with_bot, step):
    double.open_window(FATOU)
    delivery = with_bot.send_as_program("un", by=BOT, at=timezone.now())
    assert delivery.claim(by="a process that died", at=timezone.now())
    the_clock_is_set(step)
    with running_sender():
        double.wait_for(lambda: states(with_bot) == ["uncertain"], 30)
    connection.close()
    assert texts(double, FATOU) == []


def test_a_throttled_number_is_not_throttled_for_an_hour(double, with_bot, awa, step):
    double.open_window(FATOU)
    double.fault("create", "429", times=1, retry_after=1)
    with running_sender():
        with_bot.send_as_program("un", by=BOT, at=timezone.now())
        double.wait_for(lambda: double.requests("create") == 1)
        the_clock_is_set(step)
        others = [a_client_writes(f"whatsapp:+2126000001{n:02d}") for n in range(20)]
        for other in others:
            double.open_window(other.address.address)
            other.take_over(awa, at=timezone.now())
        double.wait_for(lambda: len(double.accepted()) == 21, 30)
    connection.close()


def test_agents_and_clients_continue_with_a_clock_that_differs_from_the_database_s(
    double, held_by_awa, awa, step, monkeypatch
):
    double.open_window(FATOU)
    double.open_window(IBRAHIM)
    only_our_clock_is_set(step, monkeypatch)
    with running_sender():
        held_by_awa.send_as_agent("bonjour", agent=awa, at=timezone.now(), ref="r1")
        held_by_awa.send_as_agent("bonjour", agent=awa, at=timezone.now(), ref="r1")
        other = a_client_writes(IBRAHIM)
        other.take_over(awa, at=timezone.now())
        double.wait_for(lambda: len(texts(double, FATOU)) == 2, 30)
        double.wait_for(lambda: len(texts(double, IBRAHIM)) == 1, 30)
        other.close(awa, at=timezone.now())
        double.wait_for(lambda: len(texts(double, IBRAHIM)) == 2, 30)
        double.wait_until_idle()
    connection.close()
    assert texts(double, FATOU)[-1] == "bonjour"
    other.refresh_from_db()
    assert other.duration_seconds >= 0
