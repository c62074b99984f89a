"""What Twilio answers when it refuses: a status, a code and a sentence, in Twilio's shape."""

from typing import Any


class Refusal(Exception):
    def __init__(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def not_authenticated() -> Refusal:
    realm = {"WWW-Authenticate": 'Basic realm="Twilio API"'}
    return Refusal(401, 20003, "Authenticate", realm)


def not_found(path: str) -> Refusal:
    return Refusal(404, 20404, f"The requested resource {path} was not found")


def too_many(retry_after: float | str | None) -> Refusal:
    """A number of seconds, or an HTTP date as it is."""
    seconds = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
    headers = {} if seconds is None else {"Retry-After": seconds}
    return Refusal(429, 20429, "Too Many Requests", headers)


def broken(status: int) -> Refusal:
    return Refusal(status, 20500, "An internal server error has occurred")


def no_recipient() -> Refusal:
    return Refusal(400, 21604, "A 'To' phone number is required.")


def bad_recipient(address: str) -> Refusal:
    return Refusal(400, 21211, f"Invalid 'To' Phone Number: {address}")


def no_sender() -> Refusal:
    return Refusal(400, 21603, "A 'From' phone number is required.")


def unknown_sender() -> Refusal:
    return Refusal(400, 63007, "Twilio could not find a Channel with the specified From address")


def nothing_to_say() -> Refusal:
    return Refusal(400, 21619, "A text message body or media urls must be specified.")


def too_long() -> Refusal:
    return Refusal(400, 21617, "The concatenated message body exceeds the 1600 character limit")


def bad_media_url() -> Refusal:
    return Refusal(400, 21620, "Invalid media URL(s)")


def bad_parameter(sentence: str) -> Refusal:
    return Refusal(400, 20001, sentence)


ERROR_SENTENCES = {
    63003: "Channel could not find To address",
    63013: "This message send failed because it violates Channel provider's policy",
    63014: "Message delivery failed because it was blocked by a user action",
    63016: "Failed to send freeform message because you are outside the allowed window. "
    "If you are using WhatsApp, please use a Message Template.",
    63018: "Rate limit exceeded for channel",
    63019: "Media failed to download",
    63024: "Invalid message recipient",
}
"""Texts of the codes that come later, in a status callback. An open set: others are told without a text."""
