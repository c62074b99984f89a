"""A client's message on its way to the desk: the whole WhatsApp parameter set, posted to the sender's webhook."""

import json
from collections.abc import Mapping

from relais.emulator.media import kind_of
from relais.emulator.messages import Message


def parameters(message: Message, profile_name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """What Twilio posts. `extra` adds or replaces: a button's payload, a location, a list's choice."""
    wa_id = message.client.removeprefix("whatsapp:").lstrip("+")
    media = message.media[0] if message.media else None
    params = {
        "SmsMessageSid": message.sid,
        "NumMedia": str(len(message.media)),
        "ProfileName": profile_name,
        "MessageType": kind_of(media),
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
