"""A revision tried from the dashboard: who tries it is the client, and everything else is pretended.

What was said and where the flow stands travel in the page itself, signed: nothing is stored, and several tabs don't
get in each other's way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, TypedDict

from django.core import signing

from relais.company import company_settings
from relais.flows import local_hooks, sample_payloads, simulated_hooks
from relais.flows.engine import (
    Answered,
    AskForAgent,
    CallHttp,
    Context,
    Effect,
    End,
    Flow,
    Input,
    MessageArrived,
    RunFunction,
    Said,
    Say,
    Started,
    State,
    TimedOut,
    Trigger,
    Wait,
    Warn,
    due_at,
    start,
    step,
)
from relais.flows.sample_payloads import CLIENT, DESK, EXECUTION, FLOW

PROFILE = "Fatou"
SALT = "relais.flows.trial"
MOST_LINES, LONGEST_PATH = 120, 500
AN_HOUR = timedelta(hours=1)


class Line(TypedDict):
    by: Literal["client", "bot", "note"]
    code: str
    """Of a note: what happened, for the page to word."""
    text: str
    state: str


class Memory(TypedDict):
    revision: int
    now: str
    state: State | None
    client: simulated_hooks.Client
    lines: list[Line]
    path: list[str]
    messages: int


@dataclass
class Trial:
    """`flows` are the sub-flows by SID; `zone` the one in which templates tell the time."""

    flow: Flow
    memory: Memory
    zone: str
    flows: Mapping[str, Flow] = field(default_factory=dict)

    @property
    def lines(self) -> list[Line]:
        return self.memory["lines"]

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.memory["now"])

    @property
    def is_over(self) -> bool:
        state = self.memory["state"]
        return state is not None and state["ended"] is not None

    def hear(self, text: str) -> None:
        """The client writes: the first time, and after an end, the flow begins."""
        self._tell("client", text)
        params = self._message(text)
        if self.memory["state"] is None or self.is_over:
            data = {"brand": company_settings.brand()}
            context = Context(EXECUTION, FLOW, CLIENT, DESK, data=data, zone=self.zone)
            trigger = Trigger.message(params, event=self.flow.message_start)
            self.memory["state"] = start(self.flow, trigger=trigger, context=context, now=self.now)
            self.memory["path"] = []
            self._take(Started())
        else:
            self._take(MessageArrived(params))

    def let_pass(self, how_long: timedelta) -> None:
        """Whatever falls due on the way happens at its own time."""
        until = self.now + how_long
        self._tell("note", code="passed")
        while (due := self._due()) is not None and due <= until:
            self.memory["now"] = max(self.now, due).isoformat()
            self._take(TimedOut())
        self.memory["now"] = until.isoformat()

    def _due(self) -> datetime | None:
        state = self.memory["state"]
        return due_at(state) if state is not None else None

    def _take(self, input: Input) -> None:
        inputs = [input]
        while inputs and (state := self.memory["state"]) is not None:
            state, effects = step(self.flow, state, inputs.pop(0), now=self.now, flows=self.flows)
            self.memory["state"] = state
            inputs += [answer for effect in effects if (answer := self._carry_out(effect)) is not None]

    def _carry_out(self, effect: Effect) -> Answered | Said | None:
        if not isinstance(effect, End | Warn | Wait):
            self._went_by(effect.widget)
        match effect:
            case Say():
                said = effect.body or (f"[{effect.content_sid}]" if effect.content_sid else "")
                said = "\n".join(filter(None, [said, effect.media_url]))
                if effect.is_to_client:
                    self._tell("bot", said, state=effect.widget)
                else:
                    self._tell("note", f"{effect.to} : {said}", code="to_other", state=effect.widget)
                    return Said(effect.ref, status="queued")
            case CallHttp() | RunFunction():
                return self._answer(effect)
            case AskForAgent():
                self.memory["client"]["status"] = "transferred"
                self._tell("note", code="agent", state=effect.widget)
            case Warn():
                self._tell("note", effect.message, code="warning", state=effect.widget)
            case End():
                self._tell("note", effect.reason, code="end")
        return None

    def _answer(self, effect: CallHttp | RunFunction) -> Answered:
        request, was = effect.as_request(), self.memory["client"]
        client, said = (
            simulated_hooks.answer(request, was) if local_hooks.is_own(request.url) else (was, None)
        )
        self.memory["client"] = client
        if said is None:
            self._tell("note", request.url[:200], code="unanswered", state=effect.widget)
            return Answered.failed(effect.ref, "time-out")
        if client["status"] == "transferred" != was["status"]:
            self._tell("note", code="agent", state=effect.widget)
        body = json.dumps(said, ensure_ascii=False)
        return Answered(effect.ref, status=200, content_type=local_hooks.JSON, body=body)

    def _went_by(self, state: str) -> None:
        if self.memory["path"][-1:] != [state]:
            self.memory["path"] = [*self.memory["path"], state][-LONGEST_PATH:]

    def _tell(
        self, by: Literal["client", "bot", "note"], text: str = "", *, code: str = "", state: str = ""
    ) -> None:
        line: Line = {"by": by, "code": code, "text": text, "state": state}
        self.memory["lines"] = [*self.lines, line][-MOST_LINES:]

    def _message(self, text: str) -> dict[str, str]:
        self.memory["messages"] += 1
        return sample_payloads.message(self.memory["messages"], text, profile_name=PROFILE)


def fresh(revision: int, *, at: datetime) -> Memory:
    return {
        "revision": revision,
        "now": at.astimezone(UTC).isoformat(),
        "state": None,
        "client": simulated_hooks.stranger(),
        "lines": [],
        "path": [],
        "messages": 0,
    }


def sealed(memory: Memory) -> str:
    return signing.dumps(memory, salt=SALT, compress=True)


def opened(seal: str, *, revision: int) -> Memory | None:
    """None when it is not ours, or of another revision."""
    try:
        memory: Memory = signing.loads(seal, salt=SALT)
    except signing.BadSignature:
        return None
    return memory if memory["revision"] == revision else None
