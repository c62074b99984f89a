"""What our own hooks would answer about a client who exists only while a flow is tried. Nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict
from urllib.parse import parse_qsl, urlsplit

from relais.flows.engine import Request
from relais.flows.engine.values import object_of

YES, NO = ("1", "oui", "yes"), ("2", "non", "no")
NAMES, STANDINGS = ("collect_name", "nom_prenom"), ("check_client", "is_client")


class Client(TypedDict):
    """What the desk would know of the client."""

    name: str
    is_client: str
    menus: list[str]
    status: str
    messages: int


def stranger() -> Client:
    return {"name": "", "is_client": "", "menus": [], "status": "active", "messages": 0}


def answer(request: Request, client: Client) -> tuple[Client, dict[str, Any] | None]:
    """The client as he then is, and the answer; None when no hook has that path."""
    hook = urlsplit(request.url).path.rstrip("/").rpartition("/")[2]
    sent = _sent(request)
    said: dict[str, Any]
    match hook:
        case "incoming":
            return _incoming(client, sent)
        case "menu-choice":
            menus = [*client["menus"], sent.get("menu_choice", "")][-20:]
            said = {"success": "true", "current_menu": menus[-1], "menu_path": menus}
            return {**client, "menus": menus}, said
        case "free-input":
            return _learn(client, sent), {"success": "true", "stored": "true"}
        case "agent-transfer":
            said = {"success": "true", "transferred": "true", "status": "transferred", "message": ""}
            return {**client, "status": "transferred"}, said
        case "complete":
            said = {"success": "true", "completed": "true", "status": "completed", "duration_seconds": 60}
            return {**client, "status": "completed"}, said
    return client, None


def _sent(request: Request) -> dict[str, str]:
    if request.content_type.startswith("application/json"):
        return {key: str(value) for key, value in (object_of(request.body) or {}).items()}
    return dict(parse_qsl(request.body or urlsplit(request.url).query, keep_blank_values=True))


def _incoming(client: Client, sent: Mapping[str, str]) -> tuple[Client, dict[str, Any]]:
    # A message after the end begins a conversation anew.
    status = "active" if client["status"] == "completed" else client["status"]
    media = sent.get("NumMedia", "0")
    said = {
        "success": "true",
        "conversation_id": 1,
        "session_id": "essai",
        "phone_number": sent.get("From", "").removeprefix("whatsapp:"),
        "current_menu": client["menus"][-1] if client["menus"] else "main_menu",
        "is_client": client["is_client"],
        "client_full_name": client["name"],
        "whatsapp_profile_name": sent.get("ProfileName", ""),
        "profile_name": sent.get("ProfileName", ""),
        "message": sent.get("Body", ""),
        "status": status,
        "agent_mode": "false",
        "pending_agent": "true" if status == "transferred" else "false",
        "waiting_due": "false",
        "has_media": "false" if media == "0" else "true",
        "media_count": int(media) if media.isascii() and media.isdigit() else 0,
        "client_exists": "true" if client["messages"] else "false",
        "client_has_name": "true" if client["name"] else "false",
        "client_status_known": "true" if client["is_client"] else "false",
    }
    return {**client, "status": status, "messages": client["messages"] + 1}, said


def _learn(client: Client, sent: Mapping[str, str]) -> Client:
    field, said = sent.get("widget_name", ""), sent.get("user_input", "").strip()
    if field in NAMES and not client["name"]:
        return {**client, "name": said}
    if field in STANDINGS:
        word = said.casefold()
        return {**client, "is_client": "true" if word in YES else "false" if word in NO else ""}
    return client
