"""Converts older exports to the current format: types in camel case, targets by SID, no initial state."""

import re
from collections.abc import Mapping
from typing import Any

CURRENT_TYPES = {
    "InitialState": "trigger",
    "Message": "send-message",
    "MessagePrompt": "send-and-wait-for-reply",
    "Branch": "split-based-on",
    "Function": "run-function",
    "Webhook": "make-http-request",
    "Gather": "gather-input-on-call",
    "Enqueue": "enqueue-call",
    "SendToAutopilot": "send-to-auto-pilot",
    "RunSubFlow": "run-subflow",
}
_OLD_NAME = re.compile("[A-Z][A-Za-z]*")
_WORD_BREAK = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def is_legacy(definition: Mapping[str, Any]) -> bool:
    """Whether a state has an old type: those begin with a capital letter, current ones have none."""
    states = definition.get("states")
    return isinstance(states, list) and any(_is_old(state) for state in states)


def convert(definition: Mapping[str, Any]) -> dict[str, Any]:
    states = [state for state in definition["states"] if isinstance(state, dict)]
    names = {state["sid"]: state.get("name") for state in states if isinstance(state.get("sid"), str)}
    initial = definition.get("initial_state") or next(
        (state.get("name") for state in states if state.get("type") == "InitialState"), None
    )
    return {
        "description": "",
        **definition,
        "states": [_state(state, names) for state in definition["states"]],
        "initial_state": names.get(initial, initial) if isinstance(initial, str) else initial,
        "flags": definition.get("flags") or {"allow_concurrent_calls": True},
    }


def _is_old(state: Any) -> bool:
    type_ = state.get("type") if isinstance(state, dict) else None
    return isinstance(type_, str) and _OLD_NAME.fullmatch(type_) is not None


def _state(state: Any, names: Mapping[str, Any]) -> Any:
    if not isinstance(state, dict):
        return state  # the parser reports it, with its path
    converted = {key: value for key, value in state.items() if key != "sid"}
    transitions = state.get("transitions")
    if isinstance(transitions, list):
        converted["transitions"] = [_transition(t, names) if isinstance(t, dict) else t for t in transitions]
    if _is_old(state):
        converted["type"] = CURRENT_TYPES.get(state["type"]) or _WORD_BREAK.sub("-", state["type"]).lower()
    return converted


def _transition(transition: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    converted = {key: value for key, value in transition.items() if key != "uuid"}
    target = converted.pop("next", None)
    if target:
        converted["next"] = names.get(target, target) if isinstance(target, str) else target
    if not converted.get("conditions", True):
        del converted["conditions"]
    return converted
