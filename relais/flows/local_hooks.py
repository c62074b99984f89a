"""Calls of a flow to our own hooks, carried out here: same answers, no HTTP, no secret, the runner's transaction."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from relais.conversations.models import ConversationEvent
from relais.flows import engine
from relais.flows.library import PLACEHOLDER_HOST

PATH = "/api/twilio/"
JSON = "application/json"


def is_own(url: str) -> bool:
    """A path of our hooks: on our public address, a host the environment names, or the one that stands for us."""
    environment = settings.ENVIRONMENT
    try:
        asked = urlsplit(url)
    except ValueError:
        return False  # No address at all, such as `https://[x`: the request will fail by itself.
    own = {urlsplit(environment.public_base_url).netloc, PLACEHOLDER_HOST, *environment.own_hosts}
    names = {asked.netloc.rpartition("@")[2], asked.hostname or ""}
    return asked.path.startswith(PATH) and bool(own & names)


def answer(request: engine.Request, *, ref: int, event: ConversationEvent, at: datetime) -> engine.Answered:
    """As the hook would: by a name in the settings, since the room that has the hooks knows this one's neighbours."""
    carry_out = import_string(f"{settings.MESSENGER}.inbound.local_hooks.answer")
    status, said = carry_out(urlsplit(request.url).path, request.content_type, _sent(request), event, at)
    return engine.Answered(ref, status=status, content_type=JSON, body=_json(said))


def _sent(request: engine.Request) -> bytes:
    return (request.body if request.method == "POST" else urlsplit(request.url).query).encode()


def _json(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False)
