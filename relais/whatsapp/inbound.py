"""A client's message as Twilio tells it, brought to the form that `receive` takes."""

from __future__ import annotations

from django.conf import settings

from relais.clients.addresses import BadAddress, canonical
from relais.conversations.receive import InboundMedia, InboundMessage
from relais.whatsapp.assumptions import LIST_REPLY_FIELDS
from relais.whatsapp.params import Invalid, Params

MOST_MEDIA = 10


def message_of(params: Params, *, bot_here: bool) -> InboundMessage:
    """Raises Invalid when From, To or MessageSid are missing or no address."""
    params.required("From", "MessageSid")
    media = _media(params)
    stored = {"MessageSid", "From", "To", "Body", "ProfileName"}
    stored |= {f"{name}{n}" for n in range(len(media)) for name in ("MediaUrl", "MediaContentType")}
    metadata = {"parameters": params.other_than(*stored)} | ({"cleaned": True} if params.cleaned else {})
    return InboundMessage(
        sid=params.sid(),
        address=_address(params, "From"),
        sender=_address(params, "To") if params.text("To").strip() else settings.ENVIRONMENT.whatsapp_number,
        body=params.text("Body") or _tapped(params) or _place(params),
        profile_name=params.text("ProfileName").strip(),
        media=media,
        bot_here=bot_here,
        metadata=metadata,
    )


def _tapped(params: Params) -> str:
    """The words on the button or list row that was tapped."""
    return next((params.text(name) for name in LIST_REPLY_FIELDS if params.text(name)), "")


def _place(params: Params) -> str:
    """A shared position in one line, whatever the reader's language."""
    if not (params.text("Latitude") and params.text("Longitude")):
        return ""
    named = [params.text(name) for name in ("Label", "Address") if params.text(name)]
    return "📍 " + " · ".join([*named, f"{params.text('Latitude')}, {params.text('Longitude')}"])


def _address(params: Params, name: str) -> str:
    try:
        return canonical(params.text(name))
    except BadAddress as error:
        raise Invalid(**{name: str(error)}) from error


def _media(params: Params) -> tuple[InboundMedia, ...]:
    """As many as really have a URL: NumMedia is only what was announced."""
    found = [
        InboundMedia(url, params.text(f"MediaContentType{n}"))
        for n in range(MOST_MEDIA)
        if (url := params.text(f"MediaUrl{n}").strip())
    ]
    return tuple(found)
