"""What a message says besides its text, as fields that a person can read: answers to a form, an advertisement, whatever
Twilio adds. Everything stays in `metadata.parameters` as it came; this is the readable part of it, bounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from relais.text import has_visible_characters
from relais.whatsapp.inbound.params import Params

MAX_FIELDS = 20
MAX_LABEL_CHARACTERS = 60
MAX_VALUE_CHARACTERS = 500
MAX_DEPTH = 6

ADVERTISEMENT = {"ReferralHeadline": "ad_title", "ReferralBody": "ad_text", "ReferralSourceUrl": "ad_link"}
PLACE = {"Label": "place", "Address": "address", "Latitude": "latitude", "Longitude": "longitude"}
# Names and counts that Twilio sends with every message, and what tells about it rather than of it.
NOT_CONTENT = re.compile(
    r"""Body | From | To | WaId | ProfileName | ExternalUserId | ParentExternalUserId | Username | MessageType
    | ApiVersion | SmsStatus | NumMedia | NumSegments | MediaUrl\d+ | MediaContentType\d+ | ChannelMetadata
    | Forwarded | FrequentlyForwarded | OriginalRepliedMessageSender | ButtonType | OptOutType | Referral\w*
    | (From|To)(City|State|Zip|Country) | Channel\w* | bodySHA256 | flow_sid | execution_sid | \w*Sid""",
    re.VERBOSE,
)
# Meta's forms name an answer `screen_0_Prénom_1`, and what was chosen from a list `0_Oui`.
FORM_NAME = re.compile(r"screen_\d+_(.+?)(?:_\d+)?")
FORM_CHOICE = re.compile(r"\d+_(.+)", re.DOTALL)
NOT_AN_ANSWER = frozenset({"flow_token"})

Field = tuple[str, str]


def content_of(params: Params, *, has_text: bool, has_media: bool) -> dict[str, Any]:
    """`kind`, and `fields` of label and value in their order; empty when the text or picture says it all."""
    fields = _readable(_json(params.text("FlowData")), _named(params, ADVERTISEMENT))
    if not (fields or has_text or has_media):
        fields = _readable(_interactive(params), _named(params, PLACE), _others(params))
    if not fields and (has_text or has_media):
        return {}
    return {"kind": _kind(params)[:MAX_LABEL_CHARACTERS], "fields": fields}


def _readable(*sources: Iterator[Field]) -> list[list[str]]:
    """The first fields of which something is seen, cut to their bounds."""
    return list(islice(filter(None, map(_bounded, chain(*sources))), MAX_FIELDS))


def _kind(params: Params) -> str:
    """As WhatsApp names it; where Twilio does not say, what the parameters look like."""
    if params.text("FlowData"):
        return "form"
    named = params.text("MessageType").strip().lower()
    if named not in ("", "text"):
        return named
    if params.text("NumMedia").strip() not in ("", "0"):
        return "media"
    return "location" if any(params.text(name) for name in PLACE) else ""


def _interactive(params: Params) -> Iterator[Field]:
    """Of the answer to a form only the answers, without WhatsApp's words around them."""
    given = params.text("InteractiveData")
    reply = _parsed(given)
    form = reply.get("nfm_reply") if isinstance(reply, dict) else None
    answers = form.get("response_json") if isinstance(form, dict) else None
    return _json(answers if isinstance(answers, str) else given)


def _named(params: Params, names: dict[str, str]) -> Iterator[Field]:
    return ((label, params.text(name)) for name, label in names.items())


def _others(params: Params) -> Iterator[Field]:
    """Parameters that nobody knew when this was written."""
    known = {*PLACE, "FlowData", "InteractiveData"}
    for name in params:
        if name not in known and not NOT_CONTENT.fullmatch(name):
            yield from _json(params.text(name), label=name)


def _json(text: str, *, label: str = "") -> Iterator[Field]:
    """The values of a JSON document, each with its name; a text that is none is a value itself."""
    value = _parsed(text)
    return _flattened(text if value is None else value, label, 0)


def _parsed(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _flattened(value: Any, label: str, depth: int) -> Iterator[Field]:
    if isinstance(value, str) and (inner := _parsed(value)) is not None:
        value = inner
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in NOT_AN_ANSWER:
                yield from _flattened(each, name or label, depth + 1)
    elif isinstance(value, list):
        plain = [each for each in value if not isinstance(each, (dict, list))]
        if plain:
            yield label, ", ".join(filter(None, (_word(label, each) for each in plain[:MAX_FIELDS])))
        for each in value:
            if isinstance(each, (dict, list)):
                yield from _flattened(each, label, depth + 1)
    else:
        yield label, _word(label, value)


def _word(label: str, value: Any) -> str:
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if value is None:
        return ""
    text = str(value)[: MAX_VALUE_CHARACTERS + MAX_LABEL_CHARACTERS]
    chosen = FORM_CHOICE.fullmatch(text) if FORM_NAME.fullmatch(label) else None
    return chosen[1] if chosen else text


def _bounded(field: Field) -> list[str] | None:
    """None when nothing of the value is seen."""
    label, value = field
    if not has_visible_characters(value):
        return None
    return [_label(label), _cut(value.strip(), MAX_VALUE_CHARACTERS)]


def _label(name: str) -> str:
    """A name that a program gave, as a person would write it. Those of `ADVERTISEMENT` and `PLACE` are put into words
    where they are shown."""
    if name in (*ADVERTISEMENT.values(), *PLACE.values()):
        return name
    bare = form[1] if (form := FORM_NAME.fullmatch(name)) else name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", bare).replace("_", " ").strip()
    if not has_visible_characters(words):
        return ""
    return _cut(words[:1].upper() + words[1:], MAX_LABEL_CHARACTERS)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
