"""One fixture for each shape that Twilio really sends, through the signed hook to the row it becomes."""

import json
from pathlib import Path

import pytest

from relais.conversations.models import ConversationEvent

pytestmark = pytest.mark.django_db(transaction=True)
PAYLOADS = {
    path.stem: json.loads(path.read_text()) for path in Path(__file__).with_name("payloads").glob("*.json")
}
MESSAGES = sorted(name for name, payload in PAYLOADS.items() if payload["hook"] == "message")
STATUSES = sorted(name for name, payload in PAYLOADS.items() if payload["hook"] == "status")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_this_shape_is_stored(twilio, name):
    params, expected = PAYLOADS[name]["params"], PAYLOADS[name]["expect"]
    assert twilio.call("/api/twilio/message", params).status_code == 200
    event = ConversationEvent.objects.get()
    assert event.body == expected["body"]
    assert event.message_sid == params["MessageSid"]
    assert [m.declared_type for m in event.media.all()] == expected.get("media", [])
    assert event.author_name == expected.get("author", "Fatou 🌸")
    address = event.conversation.address
    assert address.address == expected.get("address", "whatsapp:+212600000001")
    assert address.phone_number == (None if "address" in expected else "+212600000001")
    stored = event.metadata["parameters"]
    assert {name: params[name] for name in expected.get("kept", [])}.items() <= stored.items()


@pytest.mark.parametrize("name", STATUSES)
def test_a_status_of_this_shape_moves_the_delivery(twilio, held_by_awa, clock, name):
    params, expected = PAYLOADS[name]["params"], PAYLOADS[name]["expect"]
    delivery = held_by_awa.deliveries.get()
    delivery.claim(by="p", at=clock.now)
    assert twilio.call(f"/api/twilio/status?ref={delivery.pk}", params).status_code == 204
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error_code) == (expected["state"], expected.get("code"))
    assert delivery.sid == params["MessageSid"]
