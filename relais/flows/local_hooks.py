"""Calls of a flow to our own hooks, made in process: the same responses, in the runner's transaction, without HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from relais.conversations.models import ConversationEvent
from relais.flows import engine
from relais.flows.library import PLACEHOLDER_HOST

HOOK_PATH = "/api/twilio/"
JSON = "application/json"


def is_local_hook(url: str) -> bool:
    """Whether it is a hook path on our public address, on one of `RELAIS_OWN_HOSTS`, or on the placeholder host."""
    environment = settings.ENVIRONMENT
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # An invalid URL, such as `https://[x`: the request will fail.
    own_hosts = {urlsplit(environment.public_base_url).netloc, PLACEHOLDER_HOST, *environment.own_hosts}
    host_names = {parts.netloc.rpartition("@")[2], parts.hostname or ""}
    return parts.path.startswith(HOOK_PATH) and bool(own_hosts & host_names)


def call(
    request: engine.Request, *, ref: int, event: ConversationEvent, at: datetime
) -> engine.RequestResult:
    """The hook's response. Imported by name, since flows may not import the messenger's package."""
    call_hook = import_string(f"{settings.MESSENGER}.inbound.local_hooks.call_hook")
    status, payload = call_hook(urlsplit(request.url).path, request.content_type, _body(request), event, at)
    body = json.dumps(payload, ensure_ascii=False)
    return engine.RequestResult(ref, status=status, content_type=JSON, body=body)


def _body(request: engine.Request) -> bytes:
    return (request.body if request.method == "POST" else urlsplit(request.url).query).encode()
