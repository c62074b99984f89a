"""HTML fragments that pages, htmx responses and live frames share.

A fragment is the same for every viewer, in the active language. What differs per viewer is done by attributes and CSS.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils.timezone import localtime, now
from django.utils.translation import gettext as _

from relais.choices import Choices
from relais.clients.addresses import format_address
from relais.conversations import event_text, list_order, list_rows, message_display
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.permissions import is_resendable
from relais.conversations.refusal_texts import refusal_sentence, withheld_sentence
from relais.conversations.scheduled_messages import ScheduledMessage
from relais.conversations.service_window import CLOSING_SOON, row_window_closes_at
from relais.conversations.states import Situation
from relais.conversations.twilio_errors import TWILIO_ERRORS, error_text
from relais.text import has_visible_characters
from relais.web.linkify import linkify

SIDES = {"client": "client", "agent": "agent", "bot": "bot", "system": "bot", "api": "bot"}
LATE_THRESHOLD = timedelta(minutes=2)
"""A message that arrived later than this after it was written shows when it was written."""
MAX_ROW_TAGS = 3
"""A row shows so many tags and how many more there are."""


def event(event: ConversationEvent, group_classes: str = "") -> str:
    return message(event, group_classes) if event.is_message else event_line(event)


def message(event: ConversationEvent, group_classes: str = "") -> str:
    """`group_classes` are the CSS classes for its position in a group of messages, if its neighbours are known."""
    context = message_context(event) | {"group_classes": group_classes}
    return render_to_string("conversations/_message.html", context)


def event_line(event: ConversationEvent) -> str:
    return render_to_string("conversations/_event.html", event_line_context(event))


def delivery(delivery: MessageDelivery) -> str:
    return render_to_string("conversations/_delivery.html", delivery_context(delivery))


def scheduled(message: ScheduledMessage) -> str:
    """A message that will leave; hidden once it has left or was cancelled, so that it replaces what was shown."""
    context = {
        "scheduled": message,
        "is_shown": message.state == "scheduled"
        or (message.state == "withheld" and message.conversation.is_open),
        "text": linkify(message.body) if message.is_changeable else "",
        "files": list(message.files.all()) if message.is_changeable else [],
        "choices": Choices.from_json(message.choices) if message.choices else None,
        "why": withheld_sentence(message.reason) if message.reason else "",
        "is_outside_window": message.state == "scheduled"
        and message.falls_outside_window(message.conversation.window_closes_at()),
    }
    return render_to_string("conversations/_scheduled.html", context)


def row(conversation: Conversation) -> str:
    return render_to_string("conversations/_row.html", row_context(conversation))


def message_context(event: ConversationEvent) -> dict[str, Any]:
    delivery = getattr(event, "delivery", None)
    return {
        "event": event,
        "side": SIDES[event.author_kind],
        "author": _author_label(event),
        **_content_context(event),
        **_late_context(event),
        "choices": Choices.from_json(event.metadata["choices"]) if "choices" in event.metadata else None,
        "chosen": event.metadata.get("choice"),
        "recipient": format_address(event.metadata["to"]) if event.is_to_other else "",
        "attachments": [linkify(address) for address in event.metadata.get("media_url", ())],
        **(delivery_context(delivery, event) if delivery else {}),
    }


def _content_context(event: ConversationEvent) -> dict[str, Any]:
    """Text and fields, else a placeholder: no bubble is ever empty."""
    content = event.metadata.get("content", {})
    location = message_display.location(event.metadata) if event.author_kind == "client" else None
    is_shown_by_card = location and message_display.is_location_text(event.body)
    has_text = has_visible_characters(event.body) and not is_shown_by_card
    fields = [(label, linkify(value)) for label, value in message_display.labelled_fields(content)]
    has_other_content = (
        bool(fields)
        or bool(location)
        or any(event.metadata.get(name) for name in ("media", "media_url", "content_sid"))
    )
    return {
        "text": linkify(event.body) if has_text else "",
        "fields": fields,
        "location": location,
        "placeholder": "" if has_text or has_other_content else message_display.placeholder(content),
    }


def event_line_context(event: ConversationEvent) -> dict[str, Any]:
    return {
        "event": event,
        "sentence": event_text.event_sentence(event),
        "event_time": event_text.event_time(event),
        "quote": event_text.event_quote(event),
    }


def delivery_context(delivery: MessageDelivery, event: ConversationEvent | None = None) -> dict[str, Any]:
    event = event or delivery.event
    is_undone = delivery.reason == "undone"
    return {
        "event": event,
        "delivery": delivery,
        "problem": _problem_text(delivery),
        "is_resendable": is_resendable(event, delivery),
        "is_undoable": delivery.state == "queued" and delivery.held_until is not None and event.author_id,
        "is_undone": is_undone,
        "shown_state": "undone" if is_undone else delivery.state,
    }


def row_context(conversation: Conversation) -> dict[str, Any]:
    window_closes_at = row_window_closes_at(conversation)
    tags = conversation.tag_labels()
    at = now()
    return {
        "conversation": conversation,
        "situation": conversation.situation.value,
        "preview": list_rows.message_preview(conversation),
        "tags": tags[:MAX_ROW_TAGS],
        "more_tags": len(tags[MAX_ROW_TAGS:]),
        "sort_time": list_order.sort_time(conversation),
        "unanswered_since": conversation.unanswered_since
        if conversation.situation is Situation.HELD
        else None,
        "window_closes_at": window_closes_at,
        "is_closing_soon": bool(window_closes_at and at < window_closes_at < at + CLOSING_SOON),
        "is_window_closed": bool(window_closes_at and window_closes_at <= at),
    }


def _author_label(event: ConversationEvent) -> str:
    if event.author_kind == "system":
        return _("Message automatique")
    if has_visible_characters(event.author_name):
        return event.author_name
    return str(event.get_author_kind_display())


def _late_context(event: ConversationEvent) -> dict[str, Any]:
    """When the message was written, if it arrived late or was recovered from Twilio's log."""
    written_at = event.written_at
    is_recovered = "recovered" in event.metadata
    if not is_recovered and event.created_at - written_at < LATE_THRESHOLD:
        return {}
    is_same_day = localtime(written_at).date() == localtime(event.created_at).date()
    return {"written_at": written_at, "written_same_day": is_same_day, "is_recovered": is_recovered}


def _problem_text(delivery: MessageDelivery) -> str:
    """Why the message did not arrive, as a sentence; empty if there is no problem."""
    if delivery.state == "refused":
        return refusal_sentence(delivery.reason or "ended")
    if delivery.state == "uncertain":
        return _("On ne sait pas si ce message est arrivé. Voyez avec le client avant de le renvoyer.")
    if delivery.state != "failed":
        return ""
    if delivery.reason == "resent":
        return _("Renvoyé plus bas.")
    if delivery.error_code in TWILIO_ERRORS:
        return error_text(delivery.error_code)
    # The error is stored as its French msgid and translated here.
    return _(delivery.error) if delivery.error else _("Ce message n'est pas arrivé.")
