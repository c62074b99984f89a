"""Parsing of an inbound WhatsApp message: Twilio's webhook parameters become a frozen `InboundMessage`."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings

from relais.clients.addresses import CHANNEL, InvalidAddress, canonical_address, phone_number
from relais.conversations.inbound_messages import InboundMedia, InboundMessage, Tap
from relais.conversations.media_limits import MAX_MEDIA_PER_MESSAGE
from relais.conversations.message_display import LOCATION_PREFIX
from relais.text import has_visible_characters
from relais.whatsapp.assumptions import (
    EXTERNAL_USER_ID_FIELD,
    LIST_REPLY_FIELDS,
    LIST_REPLY_ID_FIELDS,
    PHONE_NUMBER_FIELD,
)
from relais.whatsapp.inbound.opt_out import consent_of
from relais.whatsapp.inbound.params import InvalidParams, Params
from relais.whatsapp.inbound.readable_fields import readable_content

USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9._-]{1,125}")
"""Meta's business-scoped user id: a country code and an opaque name. Anything else identifies nobody."""


def parse_message(params: Params, *, bot_here: bool) -> InboundMessage:
    """Raises InvalidParams when From, To or MessageSid are missing or not an address."""
    params.require("From", "MessageSid")
    media = _media(params)
    stored = {"MessageSid", "From", "To", "Body", "ProfileName"}
    stored |= {f"{name}{n}" for n in range(len(media)) for name in ("MediaUrl", "MediaContentType")}
    profile_name = params.text("ProfileName").strip()
    if not has_visible_characters(profile_name):
        stored.discard("ProfileName")
        profile_name = ""
    body = params.text("Body") or _button_text(params) or _location_text(params)
    content = readable_content(params, has_text=has_visible_characters(body), has_media=bool(media))
    metadata: dict[str, Any] = {"parameters": params.except_for(*stored)}
    metadata |= ({"cleaned": True} if params.cleaned else {}) | ({"content": content} if content else {})
    address = _address(params, "From")
    return InboundMessage(
        sid=params.sid(),
        address=address,
        other_address=_other_address(params, address),
        consent=consent_of(params),
        sender=_address(params, "To") if params.text("To").strip() else settings.ENVIRONMENT.whatsapp_number,
        body=body,
        profile_name=profile_name,
        media=media,
        bot_here=bot_here,
        tap=_tap(params),
        metadata=metadata,
    )


def _tap(params: Params) -> Tap | None:
    question = params.text("OriginalRepliedMessageSid").strip()
    payload = next((params.text(name) for name in LIST_REPLY_ID_FIELDS if params.text(name)), "")
    return Tap(question, payload) if question and payload else None


def _button_text(params: Params) -> str:
    """The label of the button or list row that the client tapped."""
    return next((params.text(name) for name in LIST_REPLY_FIELDS if params.text(name)), "")


def _location_text(params: Params) -> str:
    """A shared location in one line without words, since the reader's language is unknown."""
    if not (params.text("Latitude") and params.text("Longitude")):
        return ""
    labels = [params.text(name) for name in ("Label", "Address") if params.text(name)]
    return LOCATION_PREFIX + " · ".join([*labels, f"{params.text('Latitude')}, {params.text('Longitude')}"])


def _other_address(params: Params, address: str) -> str:
    """The client's second address: the phone number of a message sent under a user id, or the user id of a message sent
    from a number."""
    is_hidden = phone_number(address) is None
    value = params.text(PHONE_NUMBER_FIELD if is_hidden else EXTERNAL_USER_ID_FIELD).strip()
    bare = value[len(CHANNEL) :] if value.lower().startswith(CHANNEL) else value
    if not is_hidden:
        return CHANNEL + bare if USER_ID.fullmatch(bare) else ""
    user_id = address.removeprefix(CHANNEL)
    if not USER_ID.fullmatch(user_id) or not bare or bare in user_id:
        return ""
    try:
        return canonical_address(bare)
    except InvalidAddress:
        return ""


def _address(params: Params, name: str) -> str:
    try:
        return canonical_address(params.text(name))
    except InvalidAddress as error:
        raise InvalidParams(**{name: str(error)}) from error


def _media(params: Params) -> tuple[InboundMedia, ...]:
    """Count the URLs that are present: NumMedia is only an announcement."""
    media = [
        InboundMedia(url, params.text(f"MediaContentType{n}"))
        for n in range(MAX_MEDIA_PER_MESSAGE)
        if (url := params.text(f"MediaUrl{n}").strip())
    ]
    return tuple(media)
