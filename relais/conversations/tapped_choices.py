"""What a client's tap on a button or a list item answers: which choice of which question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relais.choices import Choices
from relais.conversations.inbound_messages import InboundMessage
from relais.conversations.models import MessageDelivery

MAX_QUOTE_CHARACTERS = 80


def tapped_choices(messages: Sequence[InboundMessage]) -> dict[str, dict[str, Any]]:
    """By message SID: what the client chose, and of which question. Only of taps on questions of ours.

    A tap is late if its question was answered before, or another question was asked since.
    """
    taps = [(message, message.tap) for message in messages if message.tap]
    if not taps:
        return {}
    questions = _questions([tap.question_sid for _message, tap in taps])
    answered: set[int] = set()
    choices: dict[str, dict[str, Any]] = {}
    for message, tap in taps:
        question = questions.get(tap.question_sid)
        if question is None:
            continue
        event = question.event
        chosen = Choices.from_json(event.metadata["choices"]).find(tap.payload)
        choices[message.sid] = {
            "title": chosen.title if chosen else message.body,
            "question": event.pk,
            "quote": _quote(event.body),
        }
        if event.pk in answered or _is_late(question):
            choices[message.sid]["late"] = True
        answered.add(event.pk)
    return choices


def _questions(sids: Sequence[str]) -> dict[str, MessageDelivery]:
    asked = MessageDelivery.objects.filter(sid__in=sids, event__metadata__has_key="choices")
    return {str(delivery.sid): delivery for delivery in asked.select_related("event", "conversation")}


def _is_late(question: MessageDelivery) -> bool:
    later = question.conversation.events.filter(seq__gt=question.event.seq)
    has_answer = later.filter(metadata__choice__question=question.event_id).exists()
    return has_answer or later.filter(metadata__has_key="choices").exists()


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_QUOTE_CHARACTERS else line[: MAX_QUOTE_CHARACTERS - 1] + "…"
