"""Simulates our own hooks for the trial of a flow: their responses about a client who exists only in the trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlsplit

from relais.conversations.inbound_messages import IngestedMessage
from relais.conversations.incoming_hook_answer import incoming_answer, studio_boolean
from relais.conversations.yes_no_answers import yes_or_no
from relais.flows.engine import Request
from relais.flows.engine.values import parse_json_object

MAX_MENUS = 20
IS_CLIENT_VALUES = {"true": True, "false": False}
NAME_FIELDS, IS_CLIENT_FIELDS = ("collect_name", "nom_prenom"), ("check_client", "is_client")


class SimulatedClient(TypedDict):
    """What the desk would know of the client. The trial's signed state has it, so the keys stay."""

    name: str
    is_client: str
    menus: list[str]
    status: str
    messages: int


def new_client() -> SimulatedClient:
    return {"name": "", "is_client": "", "menus": [], "status": "active", "messages": 0}


def respond(request: Request, client: SimulatedClient) -> tuple[SimulatedClient, dict[str, Any] | None]:
    """The client afterwards, and the response; None if no hook has that path."""
    hook = urlsplit(request.url).path.rstrip("/").rpartition("/")[2]
    params = _params(request)
    response: dict[str, Any]
    match hook:
        case "incoming":
            return _incoming(client, params)
        case "menu-choice":
            menus = [*client["menus"], params.get("menu_choice", "")][-MAX_MENUS:]
            response = {"success": "true", "current_menu": menus[-1], "menu_path": menus}
            return {**client, "menus": menus}, response
        case "free-input":
            return _store_input(client, params), {"success": "true", "stored": "true"}
        case "agent-transfer":
            response = {"success": "true", "transferred": "true", "status": "transferred", "message": ""}
            return {**client, "status": "transferred"}, response
        case "complete":
            response = {"success": "true", "completed": "true", "status": "completed", "duration_seconds": 60}
            return {**client, "status": "completed"}, response
    return client, None


def _params(request: Request) -> dict[str, str]:
    if request.content_type.startswith("application/json"):
        return {key: str(value) for key, value in (parse_json_object(request.body) or {}).items()}
    return dict(parse_qsl(request.body or urlsplit(request.url).query, keep_blank_values=True))


def _incoming(client: SimulatedClient, params: Mapping[str, str]) -> tuple[SimulatedClient, dict[str, Any]]:
    # A message after the end starts a new conversation.
    status = "active" if client["status"] == "completed" else client["status"]
    address, profile_name, media = (
        params.get("From", ""),
        params.get("ProfileName", ""),
        params.get("NumMedia", "0"),
    )
    message = IngestedMessage(
        message_sid=params.get("MessageSid", ""),
        event_id=client["messages"] + 1,
        conversation_id=1,
        session_id="essai",
        address=address,
        phone_number=address.removeprefix("whatsapp:"),
        status=status,
        agent_id=None,
        current_menu=client["menus"][-1] if client["menus"] else "main_menu",
        body=params.get("Body", ""),
        waiting_due=False,
        bot_here=True,
        has_media=media != "0",
        client_existed=client["messages"] > 0,
        occurred_at=None,
        client_full_name=client["name"],
        whatsapp_profile_name=profile_name,
        is_client=IS_CLIENT_VALUES.get(client["is_client"]),
        client_id=1,
        opted_out=False,
    )
    media_count = int(media) if media.isascii() and media.isdigit() else 0
    response = incoming_answer(message, profile_name=profile_name, media_count=media_count)
    return {**client, "status": status, "messages": client["messages"] + 1}, response


def _store_input(client: SimulatedClient, params: Mapping[str, str]) -> SimulatedClient:
    field, value = params.get("widget_name", ""), params.get("user_input", "").strip()
    if field in NAME_FIELDS and not client["name"]:
        return {**client, "name": value}
    if field in IS_CLIENT_FIELDS:
        return {**client, "is_client": studio_boolean(yes_or_no(value))}
    return client
