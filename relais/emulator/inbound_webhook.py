"""The webhook parameters of a client's WhatsApp message, as Twilio posts them to the desk."""

import json
from collections.abc import Mapping

from relais.emulator.media import message_type
from relais.emulator.messages import Message


def webhook_parameters(message: Message, profile_name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """`extra` adds or replaces parameters, such as a button's payload, a location or the choice from a list."""
    wa_id = message.client.removeprefix("whatsapp:").lstrip("+")
    media = message.media[0] if message.media else None
    params = {
        "SmsMessageSid": message.sid,
        "NumMedia": str(len(message.media)),
        "ProfileName": profile_name,
        "MessageType": message_type(media),
        "SmsSid": message.sid,
        "WaId": wa_id,
        "SmsStatus": "received",
        "Body": message.body,
        "To": message.sender,
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": message.sid,
        "AccountSid": message.account,
        "ChannelMetadata": json.dumps(
            {"type": "whatsapp", "data": {"context": {"ProfileName": profile_name, "WaId": wa_id}}}
        ),
        "From": message.client,
        "ApiVersion": "2010-04-01",
    }
    if media:
        params["MediaContentType0"] = media.content_type
        params["MediaUrl0"] = media.url
    return {**params, **extra}


def location(extra: Mapping[str, str]) -> dict[str, str] | None:
    """What the phone shows of a position."""
    if not (extra.get("Latitude") and extra.get("Longitude")):
        return None
    return {
        "label": extra.get("Label", ""),
        "address": extra.get("Address", ""),
        "coordinates": f"{extra['Latitude']}, {extra['Longitude']}",
    }
