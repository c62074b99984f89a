"""The pieces of a page that the page itself, an htmx answer and the live push show alike.

Each is the same for every viewer, in the language that is active; what is personal is attributes and CSS.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime, now
from django.utils.translation import gettext as _

from relais.clients.addresses import format_address
from relais.conversations import event_text, list_rows, message_display
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.outbound import sentence_for
from relais.text import has_visible_characters

SIDES = {"client": "client", "agent": "agent", "bot": "bot", "system": "bot", "api": "bot"}
TROUBLED = ("failed", "refused", "uncertain")
WORTH_A_WORD = timedelta(minutes=2)
# What a take-over or the end of the conversation silenced is not worth saying again.
FINAL_REASONS = ("taken_over", "ended", "resent")


def event(event: ConversationEvent, group: str = "") -> str:
    return message(event, group) if event.is_spoken else event_line(event)


def message(event: ConversationEvent, group: str = "") -> str:
    """`group` are the classes that say how it stands with its neighbours, where they are known."""
    return render_to_string("conversations/_message.html", message_context(event) | {"group": group})


def event_line(event: ConversationEvent) -> str:
    return render_to_string("conversations/_line.html", event_line_context(event))


def delivery(delivery: MessageDelivery) -> str:
    return render_to_string("conversations/_delivery.html", delivery_context(delivery))


def row(conversation: Conversation) -> str:
    return render_to_string("conversations/_row.html", row_context(conversation))


def message_context(event: ConversationEvent) -> dict[str, Any]:
    delivery = getattr(event, "delivery", None)
    return {
        "event": event,
        "side": SIDES[event.author_kind],
        "by": _author(event),
        **_content(event),
        **_late(event),
        "recipient": format_address(event.metadata["to"]) if event.is_to_other else "",
        "attached": [linked(address) for address in event.metadata.get("media_url", ())],
        **(delivery_context(delivery, event) if delivery else {}),
    }


def _content(event: ConversationEvent) -> dict[str, Any]:
    """Text and fields, else what stands in their place: no bubble is ever empty."""
    content = event.metadata.get("content", {})
    is_seen = has_visible_characters(event.body)
    fields = [(label, linked(value)) for label, value in message_display.fields_of(content)]
    shows_else = bool(fields) or any(
        event.metadata.get(name) for name in ("media", "media_url", "content_sid")
    )
    return {
        "text": linked(event.body) if is_seen else "",
        "fields": fields,
        "placeholder": "" if is_seen or shows_else else message_display.placeholder(content),
    }


def event_line_context(event: ConversationEvent) -> dict[str, Any]:
    return {
        "event": event,
        "sentence": event_text.event_sentence(event),
        "quote": event_text.event_quote(event),
    }


def delivery_context(delivery: MessageDelivery, event: ConversationEvent | None = None) -> dict[str, Any]:
    event = event or delivery.event
    troubled = delivery.state in TROUBLED and delivery.reason not in FINAL_REASONS
    return {
        "event": event,
        "delivery": delivery,
        "trouble": _trouble(delivery),
        "may_resend": troubled and not event.is_to_other and not event.resends.all(),
    }


def row_context(conversation: Conversation) -> dict[str, Any]:
    closes = list_rows.window_closes(conversation)
    moment = now()
    return {
        "conversation": conversation,
        "situation": conversation.situation.value,
        "last": list_rows.last_line(conversation),
        "since": list_rows.since(conversation),
        "closes": closes,
        "is_near": bool(closes and moment < closes < moment + list_rows.NEAR),
        "is_closed": bool(closes and closes <= moment),
    }


def linked(text: str) -> SafeString:
    """The text, escaped, its addresses made into links that tell the other side nothing of us."""
    made = urlize(text, nofollow=True, autoescape=True)
    # What the client wrote is escaped, quotes too: only the links made here can match.
    return mark_safe(made.replace('rel="nofollow"', 'rel="noopener noreferrer nofollow" target="_blank"'))  # noqa: S308


def _author(event: ConversationEvent) -> str:
    if event.author_kind == "system":
        return _("Message automatique")
    if has_visible_characters(event.author_name):
        return event.author_name
    return str(event.get_author_kind_display())


def _late(event: ConversationEvent) -> dict[str, Any]:
    """When it was really written, where that is worth a word."""
    written = event.written_at
    is_recovered = "recovered" in event.metadata
    if not is_recovered and event.created_at - written < WORTH_A_WORD:
        return {}
    same_day = localtime(written).date() == localtime(event.created_at).date()
    return {"written": written, "written_that_day": same_day, "is_recovered": is_recovered}


def _trouble(delivery: MessageDelivery) -> str:
    """Why it did not arrive, in words; empty when there is nothing to say."""
    if delivery.state == "refused":
        return sentence_for(delivery.reason or "ended")
    if delivery.state == "uncertain":
        return _("On ne sait pas si ce message est arrivé. Voyez avec le client avant de le renvoyer.")
    if delivery.state != "failed":
        return ""
    if delivery.reason == "resent":
        return _("Renvoyé plus bas.")
    # The sentence was stored in French, as a msgid.
    return _(delivery.error) if delivery.error else _("Ce message n'est pas arrivé.")
