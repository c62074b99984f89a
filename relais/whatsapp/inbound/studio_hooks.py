"""The hooks that Studio's widgets call while Twilio hosts the bot: one function per hook, parameters in, answer out.

An expected refusal (no agent can be asked for, the conversation has ended) is part of a 200 answer: on a 4xx Studio
would tell the client that an error occurred.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Protocol

from django.utils.translation import gettext as _

from relais.conversations.events import BOT
from relais.conversations.inbound_messages import InboundMessage, IngestedMessage
from relais.conversations.incoming_hook_answer import incoming_answer, studio_boolean
from relais.conversations.models import Conversation
from relais.conversations.states import Situation
from relais.text import parse_primary_key
from relais.whatsapp.inbound.params import InvalidParams, Params

INTEGER = re.compile(r"-?[0-9]+", re.ASCII)


class UnknownConversation(Exception):
    """No conversation has that id."""


def answer_incoming(ingested: IngestedMessage, message: InboundMessage) -> dict[str, Any]:
    return incoming_answer(ingested, profile_name=message.profile_name, media_count=len(message.media))


def menu_choice(params: Params, *, at: datetime) -> dict[str, Any]:
    params.require("conversation_id", "menu_choice")
    conversation = get_conversation(params)
    conversation.record_menu_choice(
        params.text("menu_choice").strip(),
        user_input=params.text("user_input"),
        at=at,
        message_sid=params.text("message_sid").strip(),
    )
    return {"current_menu": conversation.current_menu, "menu_path": conversation.menu_path}


def free_input(params: Params, *, at: datetime) -> dict[str, Any]:
    params.require("conversation_id", "widget_name", may_be_blank=("user_input",))
    stored = get_conversation(params).record_answer(
        params.text("widget_name").strip(),
        user_input=params.text("user_input"),
        at=at,
        message_sid=params.text("message_sid").strip(),
    )
    return {"stored": studio_boolean(stored)}


def agent_transfer(params: Params, *, at: datetime) -> dict[str, Any]:
    params.require("conversation_id")
    conversation = get_conversation(params)
    transferred = conversation.ask_for_agent(by=BOT, at=at, reason=params.text("reason"))
    return {
        "transferred": studio_boolean(transferred),
        "status": str(conversation.status),
        "message": _transfer_message(conversation),
    }


def complete(params: Params, *, at: datetime) -> dict[str, Any]:
    params.require("conversation_id")
    conversation = get_conversation(params)
    completed = conversation.complete(by=BOT, at=at)
    seconds = conversation.duration_seconds
    if seconds is None:
        seconds = max(0, int((at - conversation.started_at).total_seconds()))
    return {
        "completed": studio_boolean(completed),
        "status": str(conversation.status),
        "duration_seconds": seconds,
    }


def _transfer_message(conversation: Conversation) -> str:
    return {
        Situation.WAITING: _("Un agent va prendre la suite."),
        Situation.HELD: _("Un agent tient déjà la conversation."),
        Situation.ENDED: _("La conversation est terminée."),
    }[conversation.situation]


class Handler(Protocol):
    def __call__(self, params: Params, *, at: datetime) -> dict[str, Any]: ...


HANDLERS: dict[str, Handler] = {
    "/api/twilio/menu-choice": menu_choice,
    "/api/twilio/free-input": free_input,
    "/api/twilio/agent-transfer": agent_transfer,
    "/api/twilio/complete": complete,
}


def get_conversation(params: Params) -> Conversation:
    """Raises InvalidParams when the id is not an integer, UnknownConversation when no conversation has it."""
    text = params.text("conversation_id").strip()
    if not INTEGER.fullmatch(text):
        raise InvalidParams(conversation_id=_("conversation_id doit être un nombre."))
    conversations = Conversation.objects.select_related("address", "client", "agent")
    pk = parse_primary_key(text.lstrip("0"))
    conversation = conversations.filter(pk=pk).first() if pk else None
    if conversation is None:
        raise UnknownConversation(_("Aucune conversation ne porte ce numéro."))
    return conversation
