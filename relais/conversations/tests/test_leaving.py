"""The window and opt-outs are checked again when a message leaves, not only when it is written."""

from datetime import timedelta

import pytest
from django.db import connection

from relais.clients.models import OptOut, OptOutSource
from relais.conversations.errors import CannotSend
from relais.conversations.events import BOT
from relais.conversations.fragments import delivery_context, event_line_context
from relais.conversations.inbound import ingest
from relais.conversations.inbound_messages import Consent
from relais.conversations.models import Conversation, MessageDelivery
from relais.conversations.outbound import Template
from relais.conversations.tests.test_inbound import message, run_concurrently
from relais.conversations.tests.test_outbox import claim_batch, set_bucket
from tests.cast import OUR_NUMBER

pytestmark = pytest.mark.django_db
TEMPLATE = Template("HX" + "1" * 32, {})


@pytest.fixture
def queued(held_by_awa, awa, clock):
    """A text of Awa, ready to leave: the take-over's own has left before."""
    held_by_awa.deliveries.update(state="sent")
    return held_by_awa.send_as_agent("Votre voiture est prête.", agent=awa, at=clock.now)


def claims(delivery, at):
    fresh = MessageDelivery.objects.select_related("conversation", "event").get(pk=delivery.pk)
    has_claimed = fresh.claim(by="p", at=at)
    fresh.refresh_from_db()
    return has_claimed, fresh.state, fresh.reason


def test_a_text_leaves_while_the_window_is_open(queued, clock):
    assert claims(queued, clock.passes(hours=23)) == (True, "sending", "")


def test_a_text_whose_window_closed_in_the_outbox_is_withheld_with_the_reason(queued, clock):
    assert claims(queued, clock.passes(hours=24)) == (False, "refused", "window_closed")
    line = queued.conversation.events.get(event_type="error")
    assert line.metadata == {"withheld": queued.event_id, "reason": "window_closed"}
    assert "fenêtre" in event_line_context(line)["sentence"]
    fresh = MessageDelivery.objects.get(pk=queued.pk)
    assert "24 heures" in delivery_context(fresh)["problem"].replace("24 h ", "24 heures ")
    assert delivery_context(fresh)["is_resendable"]


def test_the_author_is_notified_of_a_withheld_text(queued, clock):
    claims(queued, clock.passes(hours=24))
    with connection.cursor() as cursor:
        cursor.execute(
            "select args->>'kind' from procrastinate_jobs where args->>'event_id' = %s",
            [str(queued.event_id)],
        )
        assert cursor.fetchall() == [("failure",)]


def test_a_template_leaves_when_the_window_is_closed(with_bot, clock):
    template = with_bot.send_as_program("", by=BOT, at=clock.now, template=TEMPLATE)
    assert claims(template, clock.passes(hours=48)) == (True, "sending", "")


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_nothing_leaves_to_a_client_who_opted_out_meanwhile(with_bot, clock, template):
    delivery = with_bot.send_as_program("Menu", by=BOT, at=clock.now, template=template)
    with_bot.client.opt_out(
        OUR_NUMBER, at=clock.passes(seconds=1), address=with_bot.address, source=OptOutSource.MESSAGE
    )
    assert claims(delivery, clock.passes(seconds=1)) == (False, "refused", "opted_out")


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_a_template_is_refused_like_a_text_after_an_opt_out(with_bot, clock, template):
    with_bot.client.opt_out(OUR_NUMBER, at=clock.now, address=with_bot.address)
    fresh = Conversation.objects.get(pk=with_bot.pk)
    with pytest.raises(CannotSend) as refusal:
        fresh.send_as_program("Menu", by=BOT, at=clock.now, template=template)
    assert refusal.value.code == "opted_out"


def test_a_message_in_another_conversation_of_the_client_keeps_the_window_open(
    held_by_awa, awa, fatou_writes, clock
):
    """The window is the client's: the conversation that ended may be younger than the one that waits."""
    text = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
    held_by_awa.deliveries.exclude(pk=text.pk).update(state="sent")
    held_by_awa.close(awa, at=clock.passes(hours=20))
    fatou_writes("Encore moi")
    assert claims(text, clock.passes(hours=5)) == (True, "sending", "")


@pytest.mark.usefixtures("clock_starts_now")
def test_the_outbox_hands_out_only_what_may_leave(queued, clock):
    set_bucket(OUR_NUMBER)
    Conversation.objects.update(last_inbound_at=clock.now - timedelta(hours=25))
    batch = claim_batch()
    assert ([], [queued.pk]) == (batch.claimed, [each.pk for each in batch.withheld])
    Conversation.objects.update(last_inbound_at=clock.now)
    assert [each.pk for each in claim_batch().claimed] == [queued.pk]


@pytest.mark.django_db(transaction=True)
def test_of_several_senders_exactly_one_withholds(queued, clock):
    at = clock.passes(hours=25)
    results = run_concurrently(lambda n: claims(queued, at), 4)
    assert {result[:2] for result in results} == {(False, "refused")}
    assert queued.conversation.events.filter(event_type="error").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_message_of_the_client_at_the_same_instant_decides_once(held_by_awa, awa, clock):
    """Either it was stored before the text leaves, which then leaves, or after, and the text is withheld; never both."""
    held_by_awa.deliveries.update(state="sent")
    for _round in range(8):
        text = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.now)
        at = clock.passes(hours=25)
        run_concurrently(
            lambda n, text=text, at=at: claims(text, at) if n else ingest([message(f"{at}")], at=at), 2
        )
        text.refresh_from_db()
        is_withheld = held_by_awa.events.filter(metadata__withheld=text.event_id).exists()
        assert (text.state, is_withheld) in {("sending", False), ("refused", True)}
        MessageDelivery.objects.filter(pk=text.pk).update(state="sent")


@pytest.mark.django_db(transaction=True)
def test_an_opt_out_at_the_same_instant_decides_once(held_by_awa, awa, clock):
    held_by_awa.deliveries.update(state="sent")
    for _round in range(8):
        text = held_by_awa.send_as_agent("Bonjour", agent=awa, at=clock.passes(seconds=1))
        at = clock.passes(seconds=1)
        stop = message("STOP", consent=Consent.OPT_OUT)
        run_concurrently(
            lambda n, text=text, at=at, stop=stop: claims(text, at) if n else ingest([stop], at=at), 2
        )
        text.refresh_from_db()
        assert (text.state, text.reason) in {("sending", ""), ("refused", "opted_out")}
        MessageDelivery.objects.filter(pk=text.pk).update(state="sent")
        ingest([message("Me revoilà")], at=clock.passes(seconds=1))
    assert not OptOut.objects.exists()
