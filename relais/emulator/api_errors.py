"""Twilio's API errors: HTTP status, error code and message, in Twilio's JSON format."""

from typing import Any

from relais.message_limits import MAX_MESSAGE_CHARACTERS


class ApiError(Exception):
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


def authentication_required() -> ApiError:
    realm = {"WWW-Authenticate": 'Basic realm="Twilio API"'}
    return ApiError(401, 20003, "Authenticate", realm)


def not_found(path: str) -> ApiError:
    return ApiError(404, 20404, f"The requested resource {path} was not found")


def too_many_requests(retry_after: float | str | None) -> ApiError:
    """`retry_after`: seconds, or an HTTP date."""
    seconds = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
    headers = {} if seconds is None else {"Retry-After": seconds}
    return ApiError(429, 20429, "Too Many Requests", headers)


def server_error(status: int) -> ApiError:
    return ApiError(status, 20500, "An internal server error has occurred")


def missing_recipient() -> ApiError:
    return ApiError(400, 21604, "A 'To' phone number is required.")


def invalid_recipient(address: str) -> ApiError:
    return ApiError(400, 21211, f"Invalid 'To' Phone Number: {address}")


def missing_sender() -> ApiError:
    return ApiError(400, 21603, "A 'From' phone number is required.")


def unknown_sender() -> ApiError:
    return ApiError(400, 63007, "Twilio could not find a Channel with the specified From address")


def no_content() -> ApiError:
    return ApiError(400, 21619, "A text message body or media urls must be specified.")


def body_too_long() -> ApiError:
    return ApiError(
        400, 21617, f"The concatenated message body exceeds the {MAX_MESSAGE_CHARACTERS} character limit"
    )


def invalid_media_url() -> ApiError:
    return ApiError(400, 21620, "Invalid media URL(s)")


def invalid_content_sid() -> ApiError:
    return ApiError(400, 21655, "The ContentSid is Invalid")


def invalid_content_variables() -> ApiError:
    return ApiError(400, 21656, "The ContentVariables Parameter is invalid")


def content_sid_required() -> ApiError:
    return ApiError(400, 21654, "ContentSid Required")


def invalid_parameter(sentence: str) -> ApiError:
    return ApiError(400, 20001, sentence)


ERROR_SENTENCES = {
    63003: "Channel could not find To address",
    63013: "This message send failed because it violates Channel provider's policy",
    63014: "Message delivery failed because it was blocked by a user action",
    63016: "Failed to send freeform message because you are outside the allowed window. "
    "If you are using WhatsApp, please use a Message Template.",
    63018: "Rate limit exceeded for channel",
    63019: "Media failed to download",
    63024: "Invalid message recipient",
    63028: "Number of parameters provided does not match the expected number of parameters",
}
"""Texts of codes reported later, by status callback. Other codes are reported without a text."""
