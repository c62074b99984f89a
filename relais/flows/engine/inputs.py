"""Inputs: what may happen to an execution from outside, and what starts one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRIGGER_EVENTS = ("incomingMessage", "incomingConversationMessage", "incomingRequest", "incomingParent")
TWILIO_TIME_ZONE = "America/Los_Angeles"


class UnsupportedTrigger(Exception):
    """No flow can be started by this event here."""

    def __init__(self, event: str) -> None:
        super().__init__(f"A flow is not started by {event} here: only by {', '.join(TRIGGER_EVENTS)}.")


@dataclass(frozen=True)
class Trigger:
    """What starts an execution: a message (its webhook), a REST request or a parent flow (their parameters)."""

    event: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.event not in TRIGGER_EVENTS:
            raise UnsupportedTrigger(self.event)

    @classmethod
    def message(cls, params: Mapping[str, Any], *, event: str = "") -> "Trigger":
        """By `incomingMessage`, unless `event` is the one that the flow takes for it (`Flow.message_trigger_event`)."""
        return cls(event or "incomingMessage", params)

    @classmethod
    def request(cls, parameters: Mapping[str, Any]) -> "Trigger":
        return cls("incomingRequest", parameters)


@dataclass(frozen=True)
class ExecutionContext:
    """Whom an execution talks to. `data` becomes `flow.data`, together with the parameters of a request."""

    execution_sid: str
    flow_sid: str
    contact: str
    channel: str
    """Our own address, to which `contact` writes."""
    data: Mapping[str, Any] = field(default_factory=dict)
    zone: str = TWILIO_TIME_ZONE
    """The time zone of templates; Twilio's default unless set."""


@dataclass(frozen=True)
class Started:
    """Runs a new execution for the first time."""


@dataclass(frozen=True)
class MessageReceived:
    """The client sent a message; `params` are those of Twilio's webhook."""

    params: Mapping[str, Any]


@dataclass(frozen=True)
class TimedOut:
    """The time of `due_at` has come."""


@dataclass(frozen=True)
class RequestResult:
    """The response to a request, or why there is none (`failure`: a time-out, a refused connection …)."""

    ref: int
    status: int = 0
    content_type: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""

    @classmethod
    def failed(cls, ref: int, why: str) -> "RequestResult":
        return cls(ref, failure=why or "no answer")


@dataclass(frozen=True)
class SendResult:
    """The outcome of a message; with an error code, Twilio or the desk refused it."""

    ref: int
    sid: str = ""
    status: str = ""
    error_code: str = ""
    error_message: str = ""


Input = Started | MessageReceived | TimedOut | RequestResult | SendResult
