"""A message the desk asks Twilio to send, checked as Twilio checks it before it accepts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from relais.emulator import api_errors
from relais.emulator.addresses import is_whatsapp

LONGEST_BODY = 1600


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    to: str
    from_: str
    body: str
    media_urls: tuple[str, ...]
    content_sid: str
    content_variables: str
    status_callback: str
    messaging_service: str


def parse(form: Mapping[str, list[str]], senders: Collection[str]) -> Outgoing:
    """The message, or Twilio's refusal."""

    def first(name: str) -> str:
        return form.get(name, [""])[0]

    outgoing = Outgoing(
        to=first("To"),
        from_=first("From"),
        body=first("Body"),
        media_urls=tuple(url for url in form.get("MediaUrl", []) if url),
        content_sid=first("ContentSid"),
        content_variables=first("ContentVariables"),
        status_callback=first("StatusCallback"),
        messaging_service=first("MessagingServiceSid"),
    )
    _check(outgoing, senders)
    return outgoing


def _check(outgoing: Outgoing, senders: Collection[str]) -> None:
    if not outgoing.to:
        raise api_errors.no_recipient()
    if not is_whatsapp(outgoing.to):
        raise api_errors.bad_recipient(outgoing.to)
    if not outgoing.from_ and not outgoing.messaging_service:
        raise api_errors.no_sender()
    if outgoing.from_ and outgoing.from_ not in senders:
        raise api_errors.unknown_sender()
    if not outgoing.body and not outgoing.media_urls and not outgoing.content_sid:
        raise api_errors.nothing_to_say()
    if len(outgoing.body) > LONGEST_BODY:
        raise api_errors.too_long()
    if not all(_is_web_address(url) for url in outgoing.media_urls):
        raise api_errors.bad_media_url()


def _is_web_address(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc)
