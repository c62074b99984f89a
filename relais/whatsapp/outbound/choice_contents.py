"""The contents at Twilio that questions with choices are sent by: one for each distinct question with its choices.

Created when first needed, by the attempt to send that has claimed the message. Nothing reaches the client by that:
after a crash or a time-out the next attempt looks for the content by its name before it creates another.
"""

from __future__ import annotations

from typing import Any

from relais.choices import LIST, Choices, choice_id
from relais.content_templates.models import OWN_PREFIX
from relais.conversations.models import MessageDelivery
from relais.db_connection import release_connection_unless_in_transaction
from relais.whatsapp import client
from relais.whatsapp.models import ChoiceContent

NAME_HASH_CHARACTERS = 40
CONTENT_GONE_CODES = (20404, 21655)
"""Twilio does not have that content: somebody has deleted it there."""


def content_sid_for(delivery: MessageDelivery) -> str:
    """The SID of the content of a question, created if there is none. Raises like `client.create_content`."""
    question = delivery.event.body
    choices = Choices.from_json(delivery.event.metadata["choices"])
    content_hash = choices.content_hash(question)
    if sid := _known_sid(content_hash):
        return sid
    release_connection_unless_in_transaction()
    name = f"{OWN_PREFIX}{content_hash[:NAME_HASH_CHARACTERS]}"
    is_retry = delivery.attempt > 1
    sid = (client.find_content(name) if is_retry else "") or client.create_content(
        name, _types(question, choices)
    )
    # Of two senders the first wins; the other's content stays unused at Twilio.
    ChoiceContent.objects.bulk_create(
        [ChoiceContent(content_hash=content_hash, content_sid=sid)], ignore_conflicts=True
    )
    sid = _known_sid(content_hash) or sid
    release_connection_unless_in_transaction()
    return sid


def forget_content(sid: str) -> None:
    """Twilio does not have it any more: the next attempt creates another."""
    ChoiceContent.objects.filter(content_sid=sid).delete()
    release_connection_unless_in_transaction()


def _known_sid(content_hash: str) -> str:
    sids = ChoiceContent.objects.filter(content_hash=content_hash).values_list("content_sid", flat=True)
    return sids.first() or ""


def _types(question: str, choices: Choices) -> dict[str, Any]:
    if choices.kind == LIST:
        items = [
            {"id": choice_id(number), "item": item.title}
            | ({"description": item.description} if item.description else {})
            for number, item in enumerate(choices.items)
        ]
        return {"twilio/list-picker": {"body": question, "button": choices.button, "items": items}}
    actions = [
        {"type": "QUICK_REPLY", "title": item.title, "id": choice_id(number)}
        for number, item in enumerate(choices.items)
    ]
    return {"twilio/quick-reply": {"body": question, "actions": actions}}
