"""Validates a request to send a message, as Twilio does before it accepts one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from relais.emulator import api_errors, content_validation
from relais.emulator.addresses import is_whatsapp
from relais.message_limits import MAX_MESSAGE_CHARACTERS


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    to: str
    from_: str
    body: str
    media_urls: tuple[str, ...]
    content_sid: str
    content_variables: str
    status_callback: str
    messaging_service: str


def parse_send_request(form: Mapping[str, list[str]], senders: Collection[str]) -> SendRequest:
    """Raises ApiError."""

    def first(name: str) -> str:
        return form.get(name, [""])[0]

    request = SendRequest(
        to=first("To"),
        from_=first("From"),
        body=first("Body"),
        media_urls=tuple(url for url in form.get("MediaUrl", []) if url),
        content_sid=first("ContentSid"),
        content_variables=first("ContentVariables"),
        status_callback=first("StatusCallback"),
        messaging_service=first("MessagingServiceSid"),
    )
    _validate(request, senders)
    return request


def _validate(request: SendRequest, senders: Collection[str]) -> None:
    if not request.to:
        raise api_errors.missing_recipient()
    if not is_whatsapp(request.to):
        raise api_errors.invalid_recipient(request.to)
    if not request.from_ and not request.messaging_service:
        raise api_errors.missing_sender()
    if request.from_ and request.from_ not in senders:
        raise api_errors.unknown_sender()
    if not request.body and not request.media_urls and not request.content_sid:
        raise api_errors.no_content()
    if request.content_variables and not request.content_sid:
        raise api_errors.content_sid_required()
    content_validation.parse_variables(request.content_variables)
    if len(request.body) > MAX_MESSAGE_CHARACTERS:
        raise api_errors.body_too_long()
    if not all(_is_web_url(url) for url in request.media_urls):
        raise api_errors.invalid_media_url()


def _is_web_url(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc)
