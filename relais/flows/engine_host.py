"""Hosts the engine: runs a step, performs its effects, and feeds their results back until the flow waits or ends.

`runner` (clients), `trial` (the browser) and `play` (the command line) are the three hosts. They differ only in their
`EffectHandler`, which performs effects for real or simulates them. Needs no Django.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from relais.flows import engine
from relais.flows.engine import (
    AskForAgent,
    Effect,
    EndExecution,
    ExecutionContext,
    Flow,
    Input,
    MakeHttpRequest,
    RecordWarning,
    RequestResult,
    RunFunction,
    SendMessage,
    SendResult,
    Started,
    State,
    TimedOut,
    Trigger,
    WaitForReply,
    due_at,
)


class EffectHandler:
    """Performs the effects of steps. A result that is known at once is returned, and becomes the next input."""

    def step_done(self, state: State, effects: Sequence[Effect]) -> None:
        """Called after each step, before its effects are performed."""

    def send_message(self, effect: SendMessage) -> SendResult | None:
        raise NotImplementedError

    def make_request(self, effect: MakeHttpRequest | RunFunction) -> RequestResult | None:
        raise NotImplementedError

    def ask_for_agent(self, effect: AskForAgent) -> None:
        raise NotImplementedError

    def wait_for_reply(self, effect: WaitForReply) -> None:
        pass

    def record_warning(self, effect: RecordWarning) -> None:
        raise NotImplementedError

    def end_execution(self, effect: EndExecution) -> None:
        pass


def run_until_waiting(
    flow: Flow,
    state: State,
    inputs: Iterable[Input],
    handler: EffectHandler,
    *,
    now: datetime,
    subflows: Mapping[str, Flow],
) -> State:
    """The state after the inputs, and after all results that the handler had at once."""
    queue = list(inputs)
    while queue:
        state, effects = engine.step(flow, state, queue.pop(0), now=now, flows=subflows)
        handler.step_done(state, effects)
        queue += [result for effect in effects if (result := perform(handler, effect)) is not None]
    return state


def perform(handler: EffectHandler, effect: Effect) -> SendResult | RequestResult | None:
    match effect:
        case SendMessage():
            return handler.send_message(effect)
        case MakeHttpRequest() | RunFunction():
            return handler.make_request(effect)
        case AskForAgent():
            handler.ask_for_agent(effect)
        case WaitForReply():
            handler.wait_for_reply(effect)
        case RecordWarning():
            handler.record_warning(effect)
        case EndExecution():
            handler.end_execution(effect)
    return None


@dataclass
class SimulatedExecution:
    """An execution under a simulated clock, as the trial and `relais flow play` have it."""

    flow: Flow
    handler: EffectHandler
    now: datetime
    subflows: Mapping[str, Flow]
    state: State | None = None

    @property
    def end_reason(self) -> str | None:
        return self.state["ended"] if self.state else None

    def start(self, trigger: Trigger, context: ExecutionContext) -> None:
        self.state = engine.start(self.flow, trigger=trigger, context=context, now=self.now)
        self.apply(Started())

    def apply(self, engine_input: Input) -> None:
        if self.state is not None:
            self.state = run_until_waiting(
                self.flow, self.state, [engine_input], self.handler, now=self.now, subflows=self.subflows
            )

    def advance_time(self, duration: timedelta) -> None:
        """Let time pass; each wait that ends on the way times out at its own time. The clock stops at the end."""
        until = self.now + duration
        while self.state is not None and (due := due_at(self.state)) is not None and due <= until:
            self.now = max(self.now, due.astimezone(self.now.tzinfo))
            self.apply(TimedOut())
        if self.end_reason is None:
            self.now = until
