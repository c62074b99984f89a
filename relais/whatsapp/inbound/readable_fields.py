"""Readable label-value fields of a message besides its text: answers to a form, an advertisement, unknown parameters.

All parameters stay in `metadata.parameters` unchanged; this is the bounded part of them that the desk displays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from relais.text import has_visible_characters, sanitize_for_postgres
from relais.whatsapp.inbound.params import Params

MAX_FIELDS = 20
MAX_LABEL_CHARACTERS = 60
MAX_VALUE_CHARACTERS = 500
MAX_DEPTH = 6

ADVERTISEMENT = {"ReferralHeadline": "ad_title", "ReferralBody": "ad_text", "ReferralSourceUrl": "ad_link"}
LOCATION = {"Label": "place", "Address": "address", "Latitude": "latitude", "Longitude": "longitude"}
# Identifiers, counts and metadata that Twilio sends with every message.
NOT_CONTENT = re.compile(
    r"""Body | From | To | WaId | ProfileName | ExternalUserId | ParentExternalUserId | Username | MessageType
    | ApiVersion | SmsStatus | NumMedia | NumSegments | MediaUrl\d+ | MediaContentType\d+ | ChannelMetadata
    | Forwarded | FrequentlyForwarded | OriginalRepliedMessageSender | ButtonType | OptOutType | Referral\w*
    | (From|To)(City|State|Zip|Country) | Channel\w* | bodySHA256 | flow_sid | execution_sid | \w*Sid""",
    re.VERBOSE,
)
# Meta's forms name an answer `screen_0_Prénom_1`, and a choice from a list `0_Oui`.
FORM_FIELD_NAME = re.compile(r"screen_\d+_(.+?)(?:_\d+)?")
FORM_CHOICE = re.compile(r"\d+_(.+)", re.DOTALL)
NOT_AN_ANSWER = frozenset({"flow_token"})

Field = tuple[str, str]


def readable_content(params: Params, *, has_text: bool, has_media: bool) -> dict[str, Any]:
    """`kind`, and `fields` as label-value pairs in their order; empty when the text or the media says everything."""
    fields = _bounded_fields(_json_fields(params.text("FlowData")), _named_fields(params, ADVERTISEMENT))
    if not (fields or has_text or has_media):
        fields = _bounded_fields(
            _interactive_fields(params), _named_fields(params, LOCATION), _unknown_fields(params)
        )
    if not fields and (has_text or has_media):
        return {}
    return {"kind": _kind(params)[:MAX_LABEL_CHARACTERS], "fields": fields}


def _bounded_fields(*sources: Iterator[Field]) -> list[list[str]]:
    """The first fields with a visible value, truncated."""
    return list(islice(filter(None, map(_bounded_field, chain(*sources))), MAX_FIELDS))


def _kind(params: Params) -> str:
    """WhatsApp's message type; guessed from the parameters where Twilio does not send it."""
    if params.text("FlowData"):
        return "form"
    message_type = params.text("MessageType").strip().lower()
    if message_type not in ("", "text"):
        return message_type
    if params.text("NumMedia").strip() not in ("", "0"):
        return "media"
    return "location" if any(params.text(name) for name in LOCATION) else ""


def _interactive_fields(params: Params) -> Iterator[Field]:
    """For the reply to a form only its answers, without WhatsApp's envelope."""
    text = params.text("InteractiveData")
    reply = _parsed_json(text)
    form = reply.get("nfm_reply") if isinstance(reply, dict) else None
    answers = form.get("response_json") if isinstance(form, dict) else None
    return _json_fields(answers if isinstance(answers, str) else text)


def _named_fields(params: Params, names: dict[str, str]) -> Iterator[Field]:
    return ((label, params.text(name)) for name, label in names.items())


def _unknown_fields(params: Params) -> Iterator[Field]:
    """Parameters that are not known to this version."""
    known = {*LOCATION, "FlowData", "InteractiveData"}
    for name in params:
        if name not in known and not NOT_CONTENT.fullmatch(name):
            yield from _json_fields(params.text(name), label=name)


def _json_fields(text: str, *, label: str = "") -> Iterator[Field]:
    """The values of a JSON document with their names; a text that is not JSON is itself the value."""
    value = _parsed_json(text)
    return _flattened(text if value is None else value, label, 0)


def _parsed_json(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _flattened(value: Any, label: str, depth: int) -> Iterator[Field]:
    if isinstance(value, str) and (inner := _parsed_json(value)) is not None:
        value = inner
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for name, nested in value.items():
            if name not in NOT_AN_ANSWER:
                yield from _flattened(nested, name or label, depth + 1)
    elif isinstance(value, list):
        plain = [each for each in value if not isinstance(each, (dict, list))]
        if plain:
            yield label, ", ".join(filter(None, (_value_text(label, each) for each in plain[:MAX_FIELDS])))
        for each in value:
            if isinstance(each, (dict, list)):
                yield from _flattened(each, label, depth + 1)
    else:
        yield label, _value_text(label, value)


def _value_text(label: str, value: Any) -> str:
    if isinstance(value, bool):
        return "✓" if value else "✗"
    if value is None:
        return ""
    text = str(value)[: MAX_VALUE_CHARACTERS + MAX_LABEL_CHARACTERS]
    choice = FORM_CHOICE.fullmatch(text) if FORM_FIELD_NAME.fullmatch(label) else None
    return choice[1] if choice else text


def _bounded_field(field: Field) -> list[str] | None:
    """None when the value has no visible character."""
    label, value = map(sanitize_for_postgres, field)  # again: JSON may escape them
    if not has_visible_characters(value):
        return None
    return [_label(label), _truncate(value.strip(), MAX_VALUE_CHARACTERS)]


def _label(name: str) -> str:
    """A parameter name as a person would write it. Those of `ADVERTISEMENT` and `LOCATION` are translated where they
    are displayed."""
    if name in (*ADVERTISEMENT.values(), *LOCATION.values()):
        return name
    bare = form[1] if (form := FORM_FIELD_NAME.fullmatch(name)) else name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", bare).replace("_", " ").strip()
    if not has_visible_characters(words):
        return ""
    return _truncate(words[:1].upper() + words[1:], MAX_LABEL_CHARACTERS)


def _truncate(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
