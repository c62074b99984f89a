"""The export of Studio's first format, brought into the current one: types in camel case, targets by SID."""

import re
from collections.abc import Mapping
from typing import Any

TYPES = {
    "InitialState": "trigger",
    "Message": "send-message",
    "MessagePrompt": "send-and-wait-for-reply",
    "Branch": "split-based-on",
    "Function": "run-function",
    "Webhook": "make-http-request",
    "Gather": "gather-input-on-call",
    "Enqueue": "enqueue-call",
}


def is_legacy(definition: Mapping[str, Any]) -> bool:
    states = definition.get("states")
    return (
        "initial_state" not in definition
        and isinstance(states, list)
        and any(isinstance(state, dict) and state.get("type") == "InitialState" for state in states)
    )


def converted(definition: Mapping[str, Any]) -> dict[str, Any]:
    states = [state for state in definition["states"] if isinstance(state, dict)]
    names = {state["sid"]: state.get("name") for state in states if isinstance(state.get("sid"), str)}
    initial = next(state.get("name") for state in states if state.get("type") == "InitialState")
    return {
        "description": "",
        **definition,
        "states": [_state(state, names) for state in states],
        "initial_state": initial,
        "flags": definition.get("flags") or {"allow_concurrent_calls": True},
    }


def _state(state: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in state.items() if key != "sid"}
    transitions = state.get("transitions")
    if isinstance(transitions, list):
        kept["transitions"] = [_transition(t, names) if isinstance(t, dict) else t for t in transitions]
    if isinstance(type_ := state.get("type"), str):
        kept["type"] = TYPES.get(type_) or re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type_).lower()
    return kept


def _transition(transition: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in transition.items() if key != "uuid"}
    target = kept.pop("next", None)
    if target:
        kept["next"] = names.get(target, target) if isinstance(target, str) else target
    if not kept.get("conditions", True):
        del kept["conditions"]
    return kept
