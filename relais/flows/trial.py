"""Tries a revision from the dashboard: the admin plays the client, and everything else is simulated.

The messages and the state travel in the page itself, signed: nothing is stored, and several tabs do not interfere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypedDict

from django.core import signing

from relais.company import company_settings
from relais.flows import local_hooks, sample_payloads, simulated_hooks
from relais.flows.engine import (
    AskForAgent,
    Effect,
    EndExecution,
    ExecutionContext,
    Flow,
    MakeHttpRequest,
    MessageReceived,
    RecordWarning,
    RequestResult,
    RunFunction,
    SendMessage,
    SendResult,
    State,
    Trigger,
)
from relais.flows.engine_host import EffectHandler, SimulatedExecution
from relais.flows.execution_path import extended, states_of
from relais.flows.sample_payloads import CLIENT, DESK, EXECUTION, FLOW

PROFILE_NAME = "Fatou"
SIGNING_SALT = "relais.flows.trial"
MAX_LINES = 120
MAX_URL_CHARACTERS = 200
ONE_HOUR = timedelta(hours=1)


class Line(TypedDict):
    """A line of the simulated phone: a message, or a note."""

    by: Literal["client", "bot", "note"]
    code: str
    """Which note it is; the template has the text."""
    text: str
    state: str


class TrialState(TypedDict):
    """All of a trial between two requests. The page carries it, so its keys stay."""

    revision: int
    now: str
    state: State | None
    client: simulated_hooks.SimulatedClient
    lines: list[Line]
    path: list[str]
    messages: int


class Trial(EffectHandler):
    """One trial of a flow. `subflows` are by SID; `zone` is the time zone of templates."""

    def __init__(self, flow: Flow, state: TrialState, zone: str, subflows: Mapping[str, Flow]) -> None:
        self.flow = flow
        self.state = state
        self.zone = zone
        self.execution = SimulatedExecution(
            flow, self, datetime.fromisoformat(state["now"]), subflows, state["state"]
        )

    @property
    def lines(self) -> list[Line]:
        return self.state["lines"]

    @property
    def path(self) -> list[str]:
        return self.state["path"]

    @property
    def now(self) -> datetime:
        return self.execution.now

    def receive_message(self, text: str) -> None:
        """The client writes: the first time, and after an end, the flow starts."""
        self._add_line("client", text)
        self.state["messages"] += 1
        params = sample_payloads.message(self.state["messages"], text, profile_name=PROFILE_NAME)
        if self.execution.state is None or self.execution.end_reason is not None:
            data = {"brand": company_settings.brand()}
            context = ExecutionContext(EXECUTION, FLOW, CLIENT, DESK, data=data, zone=self.zone)
            trigger = Trigger.message(params, event=self.flow.message_trigger_event)
            self.state["path"] = []
            self.execution.start(trigger, context)
        else:
            self.execution.apply(MessageReceived(params))

    def advance_time(self, duration: timedelta) -> None:
        """Let time pass, on the clock of the page also after the end of the flow."""
        until = self.now + duration
        self._add_line("note", code="passed")
        self.execution.advance_time(duration)
        self.execution.now = until

    def signed_state(self) -> str:
        stored = self.state | {"now": self.now.isoformat(), "state": self.execution.state}
        return signing.dumps(stored, salt=SIGNING_SALT, compress=True)

    # -- simulated effects ----------------------------------------------------------------------------

    def step_done(self, state: State, effects: Sequence[Effect]) -> None:
        self.state["path"] = extended(self.path, states_of(effects))

    def send_message(self, effect: SendMessage) -> SendResult | None:
        text = effect.body or (f"[{effect.content_sid}]" if effect.content_sid else "")
        text = "\n".join(filter(None, [text, effect.media_url]))
        if effect.is_to_client:
            self._add_line("bot", text, state=effect.widget)
            return None
        self._add_line("note", f"{effect.to} : {text}", code="to_other", state=effect.widget)
        return SendResult(effect.ref, status="queued")

    def make_request(self, effect: MakeHttpRequest | RunFunction) -> RequestResult:
        """Our own hooks answer from the simulated client; all other requests fail as by time-out."""
        request, client = effect.as_request(), self.state["client"]
        response = None
        if local_hooks.is_local_hook(request.url):
            self.state["client"], response = simulated_hooks.respond(request, client)
        if response is None:
            url = request.url[:MAX_URL_CHARACTERS]
            self._add_line("note", url, code="unanswered", state=effect.widget)
            return RequestResult.failed(effect.ref, "time-out")
        if self.state["client"]["status"] == "transferred" != client["status"]:
            self._add_line("note", code="agent", state=effect.widget)
        body = json.dumps(response, ensure_ascii=False)
        return RequestResult(effect.ref, status=200, content_type=local_hooks.JSON, body=body)

    def ask_for_agent(self, effect: AskForAgent) -> None:
        self.state["client"]["status"] = "transferred"
        self._add_line("note", code="agent", state=effect.widget)

    def record_warning(self, effect: RecordWarning) -> None:
        self._add_line("note", effect.message, code="warning", state=effect.widget)

    def end_execution(self, effect: EndExecution) -> None:
        self._add_line("note", effect.reason, code="end")

    def _add_line(
        self, by: Literal["client", "bot", "note"], text: str = "", *, code: str = "", state: str = ""
    ) -> None:
        line: Line = {"by": by, "code": code, "text": text, "state": state}
        self.state["lines"] = [*self.lines, line][-MAX_LINES:]


def new_trial_state(revision: int, *, at: datetime) -> TrialState:
    return {
        "revision": revision,
        "now": at.astimezone(UTC).isoformat(),
        "state": None,
        "client": simulated_hooks.new_client(),
        "lines": [],
        "path": [],
        "messages": 0,
    }


def load_signed_state(signed: str, *, revision: int) -> TrialState | None:
    """None if the signature is invalid, or the state belongs to another revision."""
    try:
        state: TrialState = signing.loads(signed, salt=SIGNING_SALT)
    except signing.BadSignature:
        return None
    return state if state["revision"] == revision else None
