"""Status callbacks: late, repeated, reordered and unknown ones, alone and in batches."""

import random

import pytest

from relais.clients.models import ClientAddress, OptOut
from relais.conversations.event_text import event_sentence
from relais.conversations.events import SYSTEM
from relais.conversations.models import Conversation, MessageDelivery
from relais.whatsapp.inbound import batch_connection
from relais.whatsapp.inbound.status_callbacks import StatusUpdate, apply_status_updates, fail_delivery
from tests.cast import FATOU, OUR_NUMBER, new_sid

from .conftest import holding_lock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def delivery_in_flight(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    return delivery


def send_status(twilio, status, *, ref="", sid="SM" + "a" * 32, **more):
    params = {"MessageSid": sid, "MessageStatus": status, "To": FATOU, "From": OUR_NUMBER} | more
    response = twilio.call("/api/twilio/status" + (f"?ref={ref}" if ref else ""), params)
    assert (response.status_code, response.content) == (204, b"")


@pytest.mark.parametrize("statuses", [["sent", "delivered", "read"], ["read", "sent", "delivered"], ["read"]])
def test_statuses_in_any_order_end_in_the_right_state(twilio, delivery_in_flight, statuses):
    for status in statuses:
        send_status(twilio, status, ref=delivery_in_flight.pk)
    delivery_in_flight.refresh_from_db()
    assert (delivery_in_flight.state, delivery_in_flight.sid) == ("read", "SM" + "a" * 32)


def test_a_status_with_our_ref_resolves_an_uncertain_send(twilio, delivery_in_flight, clock):
    delivery_in_flight.mark_uncertain(at=clock.now, error="?")
    send_status(twilio, "sent", ref=delivery_in_flight.pk)
    delivery_in_flight.refresh_from_db()
    assert delivery_in_flight.state == "sent"


def test_a_closed_window_gets_an_error_sentence(twilio, delivery_in_flight, clock):
    delivery_in_flight.mark_sent("SM" + "a" * 32, at=clock.now)
    send_status(twilio, "undelivered", ErrorCode="63016")
    delivery_in_flight.refresh_from_db()
    assert (delivery_in_flight.state, delivery_in_flight.error_code) == ("failed", 63016)
    assert "24 h" in delivery_in_flight.error


def test_a_client_who_blocked_us_is_opted_out(twilio, delivery_in_flight, clock):
    delivery_in_flight.mark_sent("SM" + "a" * 32, at=clock.now)
    send_status(twilio, "failed", ErrorCode="63014")
    assert Conversation.objects.get().address.opted_out_at


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"ErrorCode": "21610"}, "21610"),
        ({"ErrorCode": "63014"}, "63014"),
        ({"ErrorCode": "63013", "ChannelStatusMessage": "Message blocked by user"}, "channel_status"),
        ({"ChannelStatusMessage": "The user has opted out of messages"}, "channel_status"),
    ],
)
def test_an_opt_out_has_its_source_and_a_line_in_the_history(
    twilio, delivery_in_flight, clock, fields, source
):
    delivery_in_flight.mark_sent("SM" + "a" * 32, at=clock.now)
    send_status(twilio, "failed", **fields)
    send_status(twilio, "failed", **fields)
    assert [opt_out.source for opt_out in OptOut.objects.all()] == [source]
    line = delivery_in_flight.conversation.events.get(event_type="error")
    assert line.metadata == {"opted_out": source}
    assert "refuse nos messages" in event_sentence(line)


@pytest.mark.parametrize("message", ["Channel provider internal error", "Not delivered: user unknown", ""])
def test_another_failure_of_the_channel_is_no_opt_out(twilio, delivery_in_flight, clock, message):
    delivery_in_flight.mark_sent("SM" + "a" * 32, at=clock.now)
    send_status(twilio, "failed", ErrorCode="63012", ChannelStatusMessage=message)
    assert not OptOut.objects.exists()


def test_the_next_message_of_a_client_who_had_blocked_us_undoes_it(
    twilio, delivery_in_flight, fatou_sends, clock
):
    delivery_in_flight.mark_sent("SM" + "a" * 32, at=clock.now)
    send_status(twilio, "failed", ErrorCode="63014")
    fatou_sends("STOP")
    assert OptOut.objects.exists()
    fatou_sends("Me revoilà")
    assert not OptOut.objects.exists()


def test_a_repeated_failure_does_not_opt_out_a_client_who_has_written_since(
    twilio, delivery_in_flight, fatou_sends, clock
):
    delivery_in_flight.mark_sent("SM" + "a" * 32, at=clock.now)
    send_status(twilio, "failed", ErrorCode="63014")
    fatou_sends("Me revoilà")
    send_status(twilio, "failed", ErrorCode="63014")
    assert not Conversation.objects.get().address.opted_out_at


@pytest.mark.parametrize("ref", ["", "0", "999999", "x", "9" * 40, "-1"])
def test_a_status_of_an_unknown_message_changes_nothing(twilio, delivery_in_flight, ref):
    send_status(twilio, "delivered", ref=ref, sid="SM" + "b" * 32)
    delivery_in_flight.refresh_from_db()
    assert delivery_in_flight.state == "sending"


def test_a_ref_of_another_client_s_message_is_ignored(twilio, delivery_in_flight):
    send_status(twilio, "delivered", ref=delivery_in_flight.pk, To="whatsapp:+2250700000000")
    delivery_in_flight.refresh_from_db()
    assert delivery_in_flight.state == "sending"


@pytest.mark.parametrize(
    ("address", "reported"),
    [
        ("whatsapp:+5215512345678", "whatsapp:+525512345678"),
        ("whatsapp:+541112345678", "whatsapp:+5491112345678"),
        ("whatsapp:+551187654321", "whatsapp:+5511987654321"),
        ("whatsapp:+22507123456", "whatsapp:+2250707123456"),
    ],
)
def test_a_status_to_the_other_form_of_the_client_s_number_counts(
    twilio, fatou_writes, awa, clock, address, reported
):
    conversation = fatou_writes(address=address)
    conversation.take_over(awa, at=clock.now)
    delivery = conversation.deliveries.get()
    assert delivery.claim(by="p", at=clock.now)
    send_status(twilio, "delivered", ref=delivery.pk, To=reported)
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_a_status_to_another_address_of_the_client_counts(twilio, delivery_in_flight, clock):
    other = "whatsapp:MA.13491208655302741918"
    send_status(twilio, "sent", ref=delivery_in_flight.pk, To=other)
    delivery_in_flight.refresh_from_db()
    assert delivery_in_flight.state == "sending", "the address is not known yet"
    ClientAddress.objects.create(
        client=delivery_in_flight.conversation.address.client, address=other, created_at=clock.now
    )
    send_status(twilio, "sent", ref=delivery_in_flight.pk, To=other)
    delivery_in_flight.refresh_from_db()
    assert delivery_in_flight.state == "sent"


def test_a_callback_url_that_twilio_rejects_gets_an_error_sentence(held_by_awa, clock):
    delivery = held_by_awa.deliveries.get()
    fail_delivery(delivery, code=21609, at=clock.now)
    assert "PUBLIC_BASE_URL" in delivery.error


def test_each_state_change_of_a_delivery_raises_rev(twilio, delivery_in_flight):
    for status in ("sent", "delivered", "delivered"):
        send_status(twilio, status, ref=delivery_in_flight.pk)
    before, delivery_rev = delivery_in_flight.rev, MessageDelivery.objects.get(pk=delivery_in_flight.pk).rev
    assert delivery_rev == before + 2 == Conversation.objects.get().rev


# -- in batches --------------------------------------------------------------------------------------


@pytest.fixture
def deliveries_in_flight(fatou_writes, clock):
    """The given number of claimed deliveries, each to another client, before Twilio's response to the call."""

    def claim_deliveries(count):
        for n in range(count):
            conversation = fatou_writes(address=f"whatsapp:+2126100000{n:02d}")
            delivery = conversation.send_automatic(f"{n}", by=SYSTEM, at=clock.now)
            assert delivery.claim(by="p", at=clock.now)
        return list(MessageDelivery.objects.order_by("id"))

    return claim_deliveries


def status_update(delivery, status, *, sid=None, by_ref=True, code=None):
    """A status callback of this delivery, parsed."""
    to = delivery.conversation.address.address
    return StatusUpdate(sid or f"SM{delivery.pk:032d}", status, code, to, str(delivery.pk) if by_ref else "")


def test_repeated_and_shuffled_concurrent_statuses_end_in_the_right_state(
    deliveries_in_flight, call_concurrently, clock
):
    deliveries = deliveries_in_flight(6)
    callbacks = [(d, status) for d in deliveries for status in ("sent", "delivered", "read")] * 2
    random.Random(4).shuffle(callbacks)

    def callback(delivery, status):
        to = delivery.conversation.address.address
        return {"MessageSid": f"SM{delivery.pk:032d}", "MessageStatus": status, "To": to, "From": OUR_NUMBER}

    by_ref = [f"/api/twilio/status?ref={delivery.pk}" for delivery, _ in callbacks]
    responses = call_concurrently([callback(*one) for one in callbacks], path=by_ref)
    assert {response.status_code for response in responses} == {204}
    for delivery in MessageDelivery.objects.all():
        assert (delivery.state, delivery.sid) == ("read", f"SM{delivery.pk:032d}")
    for conversation in Conversation.objects.all():
        revs = [*conversation.events.values_list("rev", flat=True), conversation.deliveries.get().rev]
        assert conversation.rev == max(revs), "raised with each move and by nothing else"


def test_within_one_batch_a_sid_stored_by_ref_is_found_afterwards(deliveries_in_flight, clock):
    [delivery] = deliveries_in_flight(1)
    apply_status_updates(
        [status_update(delivery, "sent"), status_update(delivery, "delivered", by_ref=False)], at=clock.now
    )
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_within_one_batch_the_first_error_is_kept(deliveries_in_flight, clock):
    [delivery] = deliveries_in_flight(1)
    apply_status_updates(
        [status_update(delivery, "undelivered", code=63024), status_update(delivery, "failed", code=63049)],
        at=clock.now,
    )
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == ("failed", 63024)


def test_unknown_and_mismatched_updates_do_not_fail_their_batch(deliveries_in_flight, clock):
    one, other, blocked = deliveries_in_flight(3)
    unknown = StatusUpdate("SM" + "f" * 32, "delivered", None, FATOU, "")
    wrong_sid = status_update(other, "delivered", sid="SM" + "e" * 32)
    apply_status_updates(
        [
            status_update(one, "read"),
            unknown,
            status_update(other, "sent"),
            wrong_sid,
            status_update(blocked, "failed", code=63014),
            status_update(one, "sent"),
        ],
        at=clock.now,
    )
    states = list(MessageDelivery.objects.order_by("id").values_list("state", flat=True))
    assert states == ["read", "sent", "failed"]
    assert blocked.conversation.address.__class__.objects.get(conversations=blocked.conversation).opted_out_at


def test_a_status_is_acknowledged_only_after_the_commit(
    hook_routes, deliveries_in_flight, twilio, other_session, monkeypatch
):
    monkeypatch.setattr(batch_connection, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(hook_routes.statuses, "batch_timeout_seconds", 2)
    monkeypatch.setattr(hook_routes.statuses, "max_wait_seconds", 2)
    [delivery] = deliveries_in_flight(1)
    callback = {"MessageSid": new_sid(), "MessageStatus": "sent", "To": delivery.conversation.address.address}
    path = f"/api/twilio/status?ref={delivery.pk}"
    with holding_lock(other_session, "lock table message_deliveries in access exclusive mode"):
        assert twilio.call(path, callback).status_code == 503
    assert twilio.call(path, callback).status_code == 204
    delivery.refresh_from_db()
    assert delivery.state == "sent"
