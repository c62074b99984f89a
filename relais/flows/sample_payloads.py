"""Sample webhook payloads: the client, number and SIDs of a flow that is played or tried without a real client."""

from __future__ import annotations

CLIENT, DESK = "whatsapp:+212600000001", "whatsapp:+14155238886"
ACCOUNT, FLOW, EXECUTION = ("AC" + "0" * 32, "FW" + "0" * 32, "FN" + "0" * 32)


def message(number: int, body: str, *, contact: str = CLIENT, profile_name: str = "") -> dict[str, str]:
    """The webhook parameters of the client's message; `number` makes its SID unique."""
    sid = f"SM{number:032x}"
    return {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": ACCOUNT,
        "From": contact,
        "To": DESK,
        "WaId": "".join(letter for letter in contact if letter.isdigit()),
        "ProfileName": profile_name,
        "Body": body,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
    }
