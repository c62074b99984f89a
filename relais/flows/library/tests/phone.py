"""A simulated client for flows: sends messages, lets time pass, and responds to requests as Relais's hooks do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from relais.flows import library
from relais.flows.engine import (
    EndExecution,
    ExecutionContext,
    MakeHttpRequest,
    MessageReceived,
    RecordWarning,
    RequestResult,
    SendMessage,
    SendResult,
    Started,
    TimedOut,
    Trigger,
    parse,
    start,
    step,
)
from relais.flows.engine.step_context import StepContext

FATOU, DESK = "whatsapp:+212612000001", "whatsapp:+14155238886"
BOT_SID = library.PLACEHOLDER_SUBFLOW
FLOWS = {name: parse(library.path_of(name).read_text(encoding="utf-8")) for name in library.NAMES}
TRANSFERRED = {
    "success": "true",
    "transferred": "true",
    "status": "transferred",
    "message": "Un agent va venir.",
}
HOOKS: dict[str, dict[str, Any]] = {
    "menu-choice": {"success": "true", "current_menu": "?", "menu_path": ["?"]},
    "free-input": {"success": "true", "stored": "true"},
    "agent-transfer": TRANSFERRED,
    "complete": {"success": "true", "completed": "true", "status": "completed", "duration_seconds": 12},
}


REQUIRED_PARAMS = {
    "incoming": {"From", "To", "MessageSid", "flow_sid", "execution_sid"},
    "menu-choice": {"conversation_id", "menu_choice", "user_input"},
    "free-input": {"conversation_id", "widget_name", "user_input", "message_sid"},
    "agent-transfer": {"conversation_id", "reason"},
    "complete": {"conversation_id"},
}


def incoming(**changes: Any) -> dict[str, Any]:
    """The response of `/api/twilio/incoming` about Fatou, a known client."""
    return {
        "success": "true",
        "conversation_id": 17,
        "session_id": "s",
        "phone_number": "+212612000001",
        "current_menu": "main_menu",
        "is_client": "true",
        "client_full_name": "Fatou Diallo",
        "whatsapp_profile_name": "Fatou",
        "profile_name": "Fatou",
        "message": "Bonjour",
        "status": "active",
        "agent_mode": "false",
        "pending_agent": "false",
        "waiting_due": "false",
        "has_media": "false",
        "media_count": 0,
        "client_exists": "true",
        "client_has_name": "true",
        "client_status_known": "true",
    } | changes


STRANGER = incoming(
    is_client="",
    client_full_name="",
    client_exists="false",
    client_has_name="false",
    client_status_known="false",
)


@dataclass
class Phone:
    flow: str = "mercedes"
    first: str = "Bonjour"
    known: dict[str, Any] = field(default_factory=incoming)
    hooks: dict[str, Any] = field(default_factory=dict)
    """Responses of hooks that differ; None if the hook does not respond."""
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
        self.hook_calls: list[tuple[str, dict[str, str]]] = []
        self.visited: set[str] = set()
        self.ended = ""
        self.messages = 0
        context = ExecutionContext("FN" + 32 * "1", "FW" + 32 * "2", FATOU, DESK, self.data)
        trigger = Trigger.message(self._message(self.first))
        self.state = start(FLOWS[self.flow], trigger=trigger, context=context, now=self.now)
        self.replies = self._take(Started())

    # -- what a client does --------------------------------------------------------------------------

    def says(self, *lines: str) -> list[str]:
        """Send the lines one by one; returns the bot's replies to the last one."""
        for line in lines:
            self.replies = self._take(MessageReceived(self._message(line)))
        return self.replies

    def sends(self, url: str, caption: str = "") -> list[str]:
        media = {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "image/jpeg"}
        self.replies = self._take(MessageReceived(self._message(caption) | media))
        return self.replies

    def waits(self, seconds: int) -> list[str]:
        self.now += timedelta(seconds=seconds)
        self.replies = self._take(TimedOut())
        return self.replies

    def is_unreachable(self) -> list[str]:
        assert self.state["waiting"] is not None
        self.replies = self._take(SendResult(self.state["waiting"]["ref"], error_code="63024"))
        return self.replies

    # -- what the test sees---------------------------------------------------------------------------

    @property
    def current_widget(self) -> str:
        """The widget that waits for a reply, or the end reason."""
        return self.ended or self.state["frames"][-1]["widget"]

    def calls_of(self, hook: str) -> list[dict[str, str]]:
        return [params for path, params in self.hook_calls if path == hook]

    # -- implementation ------------------------------------------------------------------------------

    def _message(self, body: str) -> dict[str, str]:
        self.messages += 1
        return {
            "MessageSid": f"SM{self.messages:032}",
            "From": FATOU,
            "To": DESK,
            "Body": body,
            "NumMedia": "0",
            "ProfileName": "Fatou",
        }

    def _take(self, input: Any) -> list[str]:
        replies: list[str] = []
        queue = [input]
        while queue:
            with visits(self.visited):
                self.state, effects = step(
                    FLOWS[self.flow],
                    self.state,
                    queue.pop(0),
                    now=self.now,
                    flows={BOT_SID: FLOWS["mercedes"]},
                )
            self.state = json.loads(json.dumps(self.state))
            for effect in effects:
                assert not isinstance(effect, RecordWarning), effect
                if isinstance(effect, SendMessage):
                    replies.append(effect.body)
                    assert (effect.to, effect.sender) == (FATOU, DESK)
                    assert "{" not in effect.body, f"a mark was left in: {effect.body}"
                elif isinstance(effect, MakeHttpRequest):
                    queue.append(self._answer(effect))
                elif isinstance(effect, EndExecution):
                    self.ended = effect.reason
        return replies

    def _answer(self, call: MakeHttpRequest) -> RequestResult:
        base, _, hook = call.url.partition("/api/twilio/")
        assert (call.method, base) == ("POST", library.PLACEHOLDER_BASE)
        params = dict(call.params)
        assert all(params[name] for name in REQUIRED_PARAMS[hook]), call
        self.hook_calls.append((hook, params))
        payload = ({"incoming": self.known} | HOOKS | self.hooks)[hook]
        if payload is None:
            return RequestResult.failed(call.ref, "time-out")
        return RequestResult(call.ref, 200, "application/json", json.dumps(payload))


@contextmanager
def visits(names: set[str]) -> Iterable[None]:
    """Add the name of each widget that runs."""
    enter = StepContext.enter

    def recording_enter(run: StepContext, widget: Any) -> None:
        enter(run, widget)
        names.add(widget.name)

    StepContext.enter = recording_enter
    try:
        yield
    finally:
        StepContext.enter = enter
