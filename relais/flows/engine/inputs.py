"""What may happen to a flow from outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STARTS = ("incomingMessage", "incomingConversationMessage", "incomingRequest", "incomingParent")
PACIFIC = "America/Los_Angeles"


class RefusedTrigger(Exception):
    """A flow cannot be started by that here."""

    def __init__(self, event: str) -> None:
        super().__init__(f"A flow is not started by {event} here: only by {', '.join(STARTS)}.")


@dataclass(frozen=True)
class Trigger:
    """What starts an execution: a message (its webhook), a REST request or a parent flow (their parameters)."""

    event: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.event not in STARTS:
            raise RefusedTrigger(self.event)

    @classmethod
    def message(cls, params: Mapping[str, Any], *, event: str = "") -> "Trigger":
        """By `incomingMessage`, unless `event` is the one that the flow takes for it (`Flow.message_start`)."""
        return cls(event or "incomingMessage", params)

    @classmethod
    def request(cls, parameters: Mapping[str, Any]) -> "Trigger":
        return cls("incomingRequest", parameters)


@dataclass(frozen=True)
class Context:
    """Who and what an execution is about. `data` is the flow's `flow.data` beside the parameters of a request."""

    execution_sid: str
    flow_sid: str
    contact: str
    channel: str
    """Our own address, the other end of `contact`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    zone: str = PACIFIC
    """The zone in which templates tell the time: Twilio's own unless set."""


@dataclass(frozen=True)
class Started:
    pass


@dataclass(frozen=True)
class MessageArrived:
    params: Mapping[str, Any]


@dataclass(frozen=True)
class TimedOut:
    pass


@dataclass(frozen=True)
class Answered:
    """What a request was answered, or why there is no answer (`failure`: a time-out, a refused connection …)."""

    ref: int
    status: int = 0
    content_type: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""

    @classmethod
    def failed(cls, ref: int, why: str) -> "Answered":
        return cls(ref, failure=why or "no answer")


@dataclass(frozen=True)
class Said:
    """What became of a message: with an error code Twilio, or the desk, did not take it."""

    ref: int
    sid: str = ""
    status: str = ""
    error_code: str = ""
    error_message: str = ""


Input = Started | MessageArrived | TimedOut | Answered | Said
