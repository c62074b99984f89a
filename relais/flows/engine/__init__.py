"""Runs the flows that Twilio Studio exports: pure Python, without input or output, clock or any knowledge of the desk.

    flow = parse(definition)                 # raises InvalidFlow; its problems name state and path
    state = start(flow, trigger=Trigger.message(params), context=ExecutionContext(…), now=now)
    state, effects = step(flow, state, Started(), now=now, flows=subflows)

`step` runs widgets until the flow waits for something outside or ends. It is total: it answers any input with a state
and effects; an input that nothing waits for changes nothing. A state is plain JSON (a dict) and never changed in
place. `State["ended"]` is None or the end reason; `due_at(state)` says when to give it `TimedOut`.

| input | when |
|---|---|
| `Started()` | once, after `start` |
| `MessageReceived(params)` | the client sends a message; `params` are those of Twilio's webhook, unchanged |
| `TimedOut()` | `due_at` has come; too early, it changes nothing |
| `RequestResult(ref, status, content_type, body)` or `.failed(ref, why)` | after `MakeHttpRequest` and `RunFunction` |
| `SendResult(ref, sid=…, status=…, error_code=…)` | Twilio accepts the message of `SendMessage`, or refuses it |

| effect | what the host does | the flow |
|---|---|---|
| `SendMessage` | sends a message | goes on at once; `SendResult` may fill `outbound` later |
| `SendMessage` that is not `is_to_client` | sends it to `to`, from `sender` | waits for `SendResult` |
| `MakeHttpRequest`, `RunFunction` | makes the request (`as_request()`) | waits for `RequestResult` |
| `AskForAgent` | asks for an agent | goes on at once |
| `WaitForReply` | nothing: the client has until `until` to answer | waits for `MessageReceived` or `TimedOut` |
| `RecordWarning` | records what went wrong in the flow | goes on |
| `EndExecution` | ends the execution, for `reason` | |

`ref` is unique within the execution: with the execution's SID it is the idempotency key of an effect.
`flows` maps SIDs to sub-flows; pass all of `flow.subflows()` in each step.
"""

from relais.flows.engine.effects import (
    AskForAgent,
    Effect,
    EndExecution,
    MakeHttpRequest,
    RecordWarning,
    Request,
    RunFunction,
    SendMessage,
    WaitForReply,
)
from relais.flows.engine.flow import Condition, Flow, InvalidFlow, Problem, Transition, Widget
from relais.flows.engine.inputs import (
    TWILIO_TIME_ZONE,
    ExecutionContext,
    Input,
    MessageReceived,
    RequestResult,
    SendResult,
    Started,
    TimedOut,
    Trigger,
    UnsupportedTrigger,
)
from relais.flows.engine.parse import Export, parse, unwrap
from relais.flows.engine.state import State, due_at, waits_for_reply
from relais.flows.engine.step import start, step

__all__ = [
    "TWILIO_TIME_ZONE",
    "AskForAgent",
    "Condition",
    "Effect",
    "EndExecution",
    "ExecutionContext",
    "Export",
    "Flow",
    "Input",
    "InvalidFlow",
    "MakeHttpRequest",
    "MessageReceived",
    "Problem",
    "RecordWarning",
    "Request",
    "RequestResult",
    "RunFunction",
    "SendMessage",
    "SendResult",
    "Started",
    "State",
    "TimedOut",
    "Transition",
    "Trigger",
    "UnsupportedTrigger",
    "WaitForReply",
    "Widget",
    "due_at",
    "parse",
    "start",
    "step",
    "unwrap",
    "waits_for_reply",
]
