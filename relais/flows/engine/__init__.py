"""Runs the flows that Twilio Studio exports: pure Python, no input or output, no clock, nothing of the desk.

    flow = parse(definition)                            # raises BadFlow, whose problems name state and path
    state = start(flow, trigger=Trigger.message(params), context=Context(…), now=now)
    state, effects = step(flow, state, Started(), now=now, flows=subflows)

`step` runs until the flow waits for something outside or ends. It is total: whatever the input, it answers with a
state and effects; an input nobody waits for changes nothing. A state is plain JSON (a dict) and never changed in
place. `State["ended"]` is None, or the reason; `due_at(state)` says when to give it `TimedOut`.

| input | when |
|---|---|
| `Started()` | once, after `start` |
| `MessageArrived(params)` | a message of the client, with the parameters of Twilio's webhook as they are |
| `TimedOut()` | `due_at` has come; too early, it changes nothing |
| `Answered(ref, status, content_type, body)` or `Answered.failed(ref, why)` | to `CallHttp` and `RunFunction` |
| `Said(ref, sid=…, status=…, error_code=…)` | Twilio took the message of `Say`, or refused it |

| effect | to do | the flow |
|---|---|---|
| `Say` | send a message | goes on at once; `Said` may fill `outbound` later |
| `Say` that is not `is_to_client` | send it to `to`, from `sender` | waits for `Said` |
| `CallHttp`, `RunFunction` | make the request (`as_request()` says which) | waits for `Answered` |
| `AskForAgent` | ask for an agent | goes on at once |
| `Wait` | nothing: the client was asked, and has until `until` | waits for `MessageArrived` or `TimedOut` |
| `Warn` | note it: something in the flow went wrong and was passed over | goes on |
| `End` | the execution is over, for `reason` | |

`ref` is a number unique within the execution: with the execution's SID it identifies an effect for ever.
A sub-flow is looked up by SID in `flows`; give all of `flow.subflows()` in each step.
"""

from relais.flows.engine.effects import (
    AskForAgent,
    CallHttp,
    Effect,
    End,
    Request,
    RunFunction,
    Say,
    Wait,
    Warn,
)
from relais.flows.engine.flow import BadFlow, Condition, Flow, Problem, Transition, Widget
from relais.flows.engine.inputs import (
    PACIFIC,
    Answered,
    Context,
    Input,
    MessageArrived,
    RefusedTrigger,
    Said,
    Started,
    TimedOut,
    Trigger,
)
from relais.flows.engine.parse import Export, parse, unwrap
from relais.flows.engine.state import State, due_at, waits_for_reply
from relais.flows.engine.step import start, step

__all__ = [
    "PACIFIC",
    "Answered",
    "AskForAgent",
    "BadFlow",
    "CallHttp",
    "Condition",
    "Context",
    "Effect",
    "End",
    "Export",
    "Flow",
    "Input",
    "MessageArrived",
    "Problem",
    "RefusedTrigger",
    "Request",
    "RunFunction",
    "Said",
    "Say",
    "Started",
    "State",
    "TimedOut",
    "Transition",
    "Trigger",
    "Wait",
    "Warn",
    "Widget",
    "due_at",
    "parse",
    "start",
    "step",
    "unwrap",
    "waits_for_reply",
]
