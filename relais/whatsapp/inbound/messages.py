"""A client's message as Twilio tells it, brought to the form that `receive` takes."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django.conf import settings

from relais.clients.addresses import CHANNEL, InvalidAddress, canonical_address, phone_number
from relais.conversations.inbound_messages import Consent, InboundMedia, InboundMessage
from relais.text import has_visible_characters
from relais.whatsapp.assumptions import (
    EXTERNAL_USER_ID_FIELD,
    LIST_REPLY_FIELDS,
    OPT_OUT_FIELD,
    OPT_OUT_KEYWORDS,
    PHONE_NUMBER_FIELD,
)
from relais.whatsapp.inbound.params import Invalid, Params
from relais.whatsapp.inbound.readable_fields import content_of

MOST_MEDIA = 10
LONGEST_KEYWORD = 20
USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9._-]{1,125}")
"""Meta's id of a person for one business: a country and a name without meaning. Anything else names nobody."""
CONSENTS = {"STOP": Consent.OPT_OUT, "START": Consent.OPT_IN, "HELP": Consent.UNCHANGED}


def message_of(params: Params, *, bot_here: bool) -> InboundMessage:
    """Raises Invalid when From, To or MessageSid are missing or no address."""
    params.required("From", "MessageSid")
    media = _media(params)
    stored = {"MessageSid", "From", "To", "Body", "ProfileName"}
    stored |= {f"{name}{n}" for n in range(len(media)) for name in ("MediaUrl", "MediaContentType")}
    name = params.text("ProfileName").strip()
    if not has_visible_characters(name):
        stored.discard("ProfileName")
        name = ""
    body = params.text("Body") or _tapped(params) or _place(params)
    content = content_of(params, has_text=has_visible_characters(body), has_media=bool(media))
    metadata: dict[str, Any] = {"parameters": params.other_than(*stored)}
    metadata |= ({"cleaned": True} if params.cleaned else {}) | ({"content": content} if content else {})
    address = _address(params, "From")
    return InboundMessage(
        sid=params.sid(),
        address=address,
        other_address=_other_address(params, address),
        consent=_consent(params),
        sender=_address(params, "To") if params.text("To").strip() else settings.ENVIRONMENT.whatsapp_number,
        body=body,
        profile_name=name,
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


def _other_address(params: Params, address: str) -> str:
    """The number of whoever writes under WhatsApp's own id, or that id of whoever writes from a number."""
    hides_number = phone_number(address) is None
    given = params.text(PHONE_NUMBER_FIELD if hides_number else EXTERNAL_USER_ID_FIELD).strip()
    bare = given[len(CHANNEL) :] if given.lower().startswith(CHANNEL) else given
    if not hides_number:
        return CHANNEL + bare if USER_ID.fullmatch(bare) else ""
    user_id = address.removeprefix(CHANNEL)
    if not USER_ID.fullmatch(user_id) or not bare or bare in user_id:
        return ""
    try:
        return canonical_address(bare)
    except InvalidAddress:
        return ""


def _consent(params: Params) -> Consent:
    """What Twilio took the message for, else what its keyword says."""
    if known := CONSENTS.get(params.text(OPT_OUT_FIELD).strip().upper()):
        return known
    text = params.text("Body")
    return Consent.OPT_OUT if len(text) <= LONGEST_KEYWORD and _keyword(text) else Consent.OPT_IN


def _keyword(text: str) -> bool:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(re.findall(r"\w+", plain.casefold())) in OPT_OUT_KEYWORDS


def _address(params: Params, name: str) -> str:
    try:
        return canonical_address(params.text(name))
    except InvalidAddress as error:
        raise Invalid(**{name: str(error)}) from error


def _media(params: Params) -> tuple[InboundMedia, ...]:
    """As many as really have a URL: NumMedia is only what was announced."""
    found = [
        InboundMedia(url, params.text(f"MediaContentType{n}"))
        for n in range(MOST_MEDIA)
        if (url := params.text(f"MediaUrl{n}").strip())
    ]
    return tuple(found)
