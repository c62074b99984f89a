"""Parses an export of Studio into a flow, or into the problems that keep it from running."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relais.flows.engine import legacy
from relais.flows.engine.flow import Condition, Flow, InvalidFlow, Problem, Transition, Widget, as_text
from relais.flows.engine.widgets import is_supported
from relais.flows.engine.widgets.unsupported import unsupported_problem


@dataclass(frozen=True)
class Export:
    """A flow's definition, and the SID and name that a response of Twilio's API has beside it."""

    definition: Mapping[str, Any]
    sid: str = ""
    friendly_name: str = ""


def parse(definition: Mapping[str, Any] | str) -> Flow:
    """The flow of a definition. Raises InvalidFlow if it cannot run; lesser problems are in `Flow.problems`."""
    flow, problems = read(definition)
    if flow is None or problems:
        raise InvalidFlow(problems)
    return flow


def read(definition: Mapping[str, Any] | str) -> tuple[Flow | None, tuple[Problem, ...]]:
    """The flow, as far as it can be parsed, and the problems that keep it from running."""
    try:
        content = unwrap(definition).definition
    except InvalidFlow as error:
        return None, error.problems
    return _flow(legacy.convert(content) if legacy.is_legacy(content) else copy.deepcopy(content))


def unwrap(source: Mapping[str, Any] | str) -> Export:
    """The definition in a source: the source itself, or a response of Twilio's API or CLI. Raises InvalidFlow.

    The API wraps it in `definition`, as an object or as its text; the CLI puts that in a list.
    """
    content = _load_json(source, "this is not JSON")
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, Mapping) or "states" in content or "definition" not in content:
        return Export(_checked_definition(content))
    definition = _load_json(
        content["definition"], "the definition in this answer of Twilio's API is not JSON"
    )
    name = content.get("friendly_name") or content.get("friendlyName")
    return Export(_checked_definition(definition), sid=_text(content.get("sid")), friendly_name=_text(name))


def _load_json(source: Any, error_prefix: str) -> Any:
    try:
        return json.loads(source) if isinstance(source, str) else source
    except (ValueError, RecursionError) as error:
        raise InvalidFlow((Problem("not_json", f"{error_prefix}: {error}"),)) from error


def _checked_definition(content: Any) -> Mapping[str, Any]:
    if isinstance(content, Mapping) and isinstance(content.get("states"), list):
        return content
    if isinstance(content, list) and len(content) > 1:
        message = f"this is a list of {len(content)}: give one flow at a time"
    elif _is_state(content):
        message = "this is one state: give the whole flow, with its list of states"
    else:
        message = "this is not a flow: it has no list of states; give the JSON that Studio exports"
    raise InvalidFlow((Problem("not_a_flow", message),))


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get("type"), str) and "transitions" in content


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _flow(definition: Mapping[str, Any]) -> tuple[Flow, tuple[Problem, ...]]:
    problems: list[Problem] = []
    widgets: dict[str, Widget] = {}
    for index, state in enumerate(definition["states"]):
        path = f"#/states/{index}"
        widget = _widget(state, path)
        if widget is None:
            message = "a state must have a name and a type: add what is missing"
            problems.append(Problem("bad_state", message, _name(state), path))
        elif widget.name in widgets:
            message = (
                f"there is another state of this name, at {widgets[widget.name].path}: rename one of them"
            )
            problems.append(Problem("duplicate_name", message, widget.name, f"{path}/name"))
        else:
            widgets[widget.name] = widget
    initial = as_text(definition.get("initial_state"))
    problems += _problems_of_start(initial, widgets)
    unsupported = tuple(
        unsupported_problem(widget) for widget in widgets.values() if not is_supported(widget.type)
    )
    return Flow(initial, widgets, definition, unsupported), tuple(problems)


def _widget(state: Any, path: str) -> Widget | None:
    if not isinstance(state, dict) or not _name(state) or not isinstance(state.get("type"), str):
        return None
    properties = state.get("properties")
    transitions = state.get("transitions")
    return Widget(
        name=state["name"],
        type=state["type"],
        properties=properties if isinstance(properties, dict) else {},
        transitions=tuple(_transitions(transitions, f"{path}/transitions")),
        path=path,
    )


def _name(state: Any) -> str:
    name = state.get("name") if isinstance(state, dict) else None
    return name if isinstance(name, str) else ""


def _transitions(items: Any, path: str) -> Iterator[Transition]:
    for index, transition in enumerate(items if isinstance(items, list) else ()):
        if isinstance(transition, dict):
            transition_path = f"{path}/{index}"
            target = transition.get("next")
            yield Transition(
                event=as_text(transition.get("event")),
                next=as_text(target) if target else None,
                conditions=tuple(_conditions(transition.get("conditions"), f"{transition_path}/conditions")),
                path=transition_path,
            )


def _conditions(items: Any, path: str) -> Iterator[Condition]:
    for index, condition in enumerate(items if isinstance(items, list) else ()):
        if isinstance(condition, dict):
            arguments = condition.get("arguments")
            yield Condition(
                type=as_text(condition.get("type")),
                arguments=tuple(map(as_text, arguments if isinstance(arguments, list) else ())),
                value=as_text(condition.get("value")),
                path=f"{path}/{index}",
            )


def _problems_of_start(initial: str, widgets: Mapping[str, Widget]) -> Iterator[Problem]:
    if not initial:
        message = "the flow has no initial_state: write the name of its trigger there"
        yield Problem("no_initial_state", message, path="#/initial_state")
    elif initial not in widgets:
        message = (
            f"initial_state is {initial}, and there is no such state: write the name of the trigger there"
        )
        yield Problem("no_initial_state", message, path="#/initial_state")
    elif widgets[initial].type != "trigger":
        message = (
            f"a flow begins with a trigger, and {initial}, its initial_state, is a {widgets[initial].type}"
        )
        yield Problem("no_initial_state", message, initial, "#/initial_state")
