"""Builds Studio's widgets as plain dictionaries: with the properties of its exports and positions on its canvas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from relais.typography import typeset

State = dict[str, Any]
Transition = dict[str, Any]
Step = tuple[int, int]
"""A position in columns and rows, relative to the section."""

FORM = "application/x-www-form-urlencoded;charset=utf-8"
COLUMN, ROW = 320, 190
REPLY_TIMEOUT_SECONDS = "3600"
"""How long a question waits for a reply; exports write it as a text."""


class Flow:
    """A definition that grows state by state. `section` sets the position of the next ones."""

    def __init__(self, description: str) -> None:
        self.description = description
        self.states: list[State] = []
        self._origin: Step = (0, 0)

    def section(self, column: int, row: int) -> None:
        self._origin = (column, row)

    def definition(self) -> dict[str, Any]:
        return {
            "description": self.description,
            "states": self.states,
            "initial_state": "Trigger",
            "flags": {"allow_concurrent_calls": True},
        }

    def text(self) -> str:
        return typeset(json.dumps(self.definition(), ensure_ascii=False, indent=2)) + "\n"

    def trigger(self, **nexts: str) -> None:
        events = (
            "incomingMessage",
            "incomingCall",
            "incomingConversationMessage",
            "incomingRequest",
            "incomingParent",
        )
        self._add("Trigger", "trigger", [_go(event, nexts.get(event)) for event in events], {}, (0, 0))

    def set(self, name: str, at: Step, then: str | None, variables: Mapping[str, str]) -> None:
        pairs = [{"key": key, "value": value} for key, value in variables.items()]
        self._add(name, "set-variables", [_go("next", then)], {"variables": pairs}, at)

    def say(self, name: str, at: Step, body: str, then: str | None) -> None:
        properties = _sender() | {"to": "{{contact.channel.address}}", "body": body}
        self._add(name, "send-message", [_go("sent", then), _go("failed", then)], properties, at)

    def ask(self, name: str, at: Step, body: str, *, on_reply: str, on_timeout: str, on_failure: str) -> None:
        transitions = [
            _go("incomingMessage", on_reply),
            _go("timeout", on_timeout),
            _go("deliveryFailure", on_failure),
        ]
        properties = _sender() | {"body": body, "timeout": REPLY_TIMEOUT_SECONDS}
        self._add(name, "send-and-wait-for-reply", transitions, properties, at)

    def split(
        self, name: str, at: Step, value: str, matches: Iterable[Transition], otherwise: str | None
    ) -> None:
        self._add(
            name, "split-based-on", [_go("noMatch", otherwise), *matches], {"input": f"{{{{{value}}}}}"}, at
        )

    def post(
        self,
        name: str,
        at: Step,
        path: str,
        parameters: Mapping[str, str],
        *,
        then: str | None,
        failed: str | None,
    ) -> None:
        """Call a hook of Relais. A form, since it is not documented how parameters beside a JSON body are sent."""
        properties = {
            "method": "POST",
            "content_type": FORM,
            "url": f"{{{{flow.variables.host}}}}/api/twilio/{path}",
            "parameters": [{"key": key, "value": value} for key, value in parameters.items()],
        }
        self._add(name, "make-http-request", [_go("success", then), _go("failed", failed)], properties, at)

    def subflow(
        self, name: str, at: Step, sid: str, parameters: Mapping[str, str], *, then: str, failed: str
    ) -> None:
        properties = {
            "flow_sid": sid,
            "flow_revision": "LatestPublished",
            "parameters": [{"key": key, "value": value} for key, value in parameters.items()],
        }
        self._add(name, "run-subflow", [_go("completed", then), _go("failed", failed)], properties, at)

    def _add(
        self, name: str, kind: str, transitions: list[Transition], properties: dict[str, Any], at: Step
    ) -> None:
        x, y = (COLUMN * (self._origin[0] + at[0]), ROW * (self._origin[1] + at[1]))
        self.states.append(
            {
                "name": name,
                "type": kind,
                "transitions": transitions,
                "properties": {"offset": {"x": x, "y": y}} | properties,
            }
        )


def match(value: str, kind: str, expected: str, then: str | None, friendly_name: str = "") -> Transition:
    """A transition of a split; `value` is the Liquid expression that is compared."""
    condition = {
        "friendly_name": friendly_name or f"{kind} {expected}".replace("_", " "),
        "arguments": [f"{{{{{value}}}}}"],
        "type": kind,
        "value": expected,
    }
    return _go("match", then) | {"conditions": [condition]}


def _go(event: str, then: str | None) -> Transition:
    return {"event": event} | ({"next": then} if then else {})


def _sender() -> dict[str, str]:
    return {
        "from": "{{flow.channel.address}}",
        "service": "{{trigger.message.InstanceSid}}",
        "channel": "{{trigger.message.ChannelSid}}",
    }
