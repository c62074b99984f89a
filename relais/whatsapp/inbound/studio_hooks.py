"""What Studio's widgets call while Twilio hosts the bot, and what they are answered.

Studio keeps what a widget's earlier run was told, so every key is there each time; all values are strings but
ids, counts, durations and the path. What is refused as expected is told in a 200: a 4xx would make Studio tell the
client of an error.
"""

from __future__ import annotations

import re
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from relais.conversations.events import BOT
from relais.conversations.inbound_messages import InboundMessage, IngestedMessage
from relais.conversations.models import Conversation
from relais.conversations.states import Situation, Status
from relais.whatsapp.inbound.params import Invalid, Params

A_NUMBER = re.compile(r"-?[0-9]+", re.ASCII)
MOST_DIGITS = 18
"""Of an id; one with more has never been given."""


class Unknown(Exception):
    """No conversation has that id."""


def answer_incoming(received: IngestedMessage, inbound: InboundMessage) -> dict[str, Any]:
    transferred = received.status == Status.TRANSFERRED
    return {
        "success": "true",
        "conversation_id": received.conversation_id,
        "session_id": received.session_id,
        "phone_number": received.phone_number,
        "current_menu": received.current_menu,
        "is_client": _word(received.is_client),
        "client_full_name": received.client_full_name,
        "whatsapp_profile_name": received.whatsapp_profile_name,
        "profile_name": inbound.profile_name,
        "message": received.body,
        "status": received.status,
        "agent_mode": _word(transferred and received.agent_id is not None),
        "pending_agent": _word(transferred and received.agent_id is None),
        "waiting_due": _word(received.waiting_due),
        "has_media": _word(bool(inbound.media)),
        "media_count": len(inbound.media),
        "client_exists": _word(received.client_existed),
        "client_has_name": _word(bool(received.client_full_name)),
        "client_status_known": _word(received.is_client is not None),
    }


def menu_choice(params: Params) -> dict[str, Any]:
    params.required("conversation_id", "menu_choice")
    conversation = conversation_of(params)
    conversation.record_menu_choice(
        params.text("menu_choice").strip(),
        user_input=params.text("user_input"),
        at=timezone.now(),
        message_sid=params.text("message_sid").strip(),
    )
    return {"current_menu": conversation.current_menu, "menu_path": conversation.menu_path}


def free_input(params: Params) -> dict[str, Any]:
    params.required("conversation_id", "widget_name", given=("user_input",))
    stored = conversation_of(params).record_answer(
        params.text("widget_name").strip(),
        user_input=params.text("user_input"),
        at=timezone.now(),
        message_sid=params.text("message_sid").strip(),
    )
    return {"stored": _word(stored)}


def agent_transfer(params: Params) -> dict[str, Any]:
    params.required("conversation_id")
    conversation = conversation_of(params)
    asked = conversation.ask_for_agent(by=BOT, at=timezone.now(), reason=params.text("reason"))
    return {
        "transferred": _word(asked),
        "status": str(conversation.status),
        "message": _told_of_transfer(conversation),
    }


def complete(params: Params) -> dict[str, Any]:
    params.required("conversation_id")
    conversation, at = conversation_of(params), timezone.now()
    completed = conversation.complete(by=BOT, at=at)
    seconds = conversation.duration_seconds
    if seconds is None:
        seconds = max(0, int((at - conversation.started_at).total_seconds()))
    return {"completed": _word(completed), "status": str(conversation.status), "duration_seconds": seconds}


def _told_of_transfer(conversation: Conversation) -> str:
    return {
        Situation.WAITING: _("Un agent va prendre la suite."),
        Situation.HELD: _("Un agent tient déjà la conversation."),
        Situation.ENDED: _("La conversation est terminée."),
    }[conversation.situation]


def conversation_of(params: Params) -> Conversation:
    """Raises Invalid when the id is no number, Unknown when nobody has it."""
    given = params.text("conversation_id").strip()
    if not A_NUMBER.fullmatch(given):
        raise Invalid(conversation_id=_("conversation_id doit être un nombre."))
    known = Conversation.objects.select_related("address", "client", "agent")
    digits = given.lstrip("0") or "0"
    found = known.filter(pk=int(digits)).first() if len(digits) <= MOST_DIGITS else None
    if found is None:
        raise Unknown(_("Aucune conversation ne porte ce numéro."))
    return found


def _word(truth: bool | None) -> str:
    return "" if truth is None else "true" if truth else "false"
