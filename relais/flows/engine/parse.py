"""From the JSON of an export to a flow, or to what keeps it from being one."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from relais.flows.engine import legacy
from relais.flows.engine.flow import BadFlow, Condition, Flow, Problem, Transition, Widget, as_text
from relais.flows.engine.widgets import is_supported


def parse(definition: Mapping[str, Any] | str) -> Flow:
    """Raises BadFlow when it cannot be run at all; what can be passed over stands in `Flow.problems`."""
    flow, problems = read(definition)
    if flow is None or problems:
        raise BadFlow(problems)
    return flow


def read(definition: Mapping[str, Any] | str) -> tuple[Flow | None, tuple[Problem, ...]]:
    """As much of a flow as there is, and what keeps it from running."""
    if isinstance(definition, str):
        try:
            definition = json.loads(definition)
        except (ValueError, RecursionError) as error:
            return None, (Problem("not_json", f"this is not JSON: {error}"),)
    if not isinstance(definition, Mapping) or not isinstance(definition.get("states"), list):
        return None, (Problem("not_a_flow", "this is not a flow: it has no list of states"),)
    definition = legacy.converted(definition) if legacy.is_legacy(definition) else copy.deepcopy(definition)
    return _flow(definition)


def _flow(definition: Mapping[str, Any]) -> tuple[Flow, tuple[Problem, ...]]:
    problems: list[Problem] = []
    widgets: dict[str, Widget] = {}
    for index, state in enumerate(definition["states"]):
        path = f"#/states/{index}"
        widget = _widget(state, path)
        if widget is None:
            problems.append(Problem("bad_state", "a state must have a name and a type", _name(state), path))
        elif widget.name in widgets:
            said = f"there is another state of this name, at {widgets[widget.name].path}"
            problems.append(Problem("duplicate_name", said, widget.name, f"{path}/name"))
        else:
            widgets[widget.name] = widget
    initial = as_text(definition.get("initial_state"))
    problems += _problems_of_start(initial, widgets)
    unknown = tuple(_unsupported(widgets.values()))
    return Flow(initial, widgets, definition, unknown), tuple(problems)


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


def _transitions(found: Any, path: str) -> Iterator[Transition]:
    for index, transition in enumerate(found if isinstance(found, list) else ()):
        if isinstance(transition, dict):
            here = f"{path}/{index}"
            target = transition.get("next")
            yield Transition(
                event=as_text(transition.get("event")),
                next=as_text(target) if target else None,
                conditions=tuple(_conditions(transition.get("conditions"), f"{here}/conditions")),
                path=here,
            )


def _conditions(found: Any, path: str) -> Iterator[Condition]:
    for index, condition in enumerate(found if isinstance(found, list) else ()):
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
        yield Problem("no_initial_state", "the flow has no initial state", path="#/initial_state")
    elif initial not in widgets:
        yield Problem(
            "no_initial_state", f"there is no state {initial} to begin with", path="#/initial_state"
        )
    elif widgets[initial].type != "trigger":
        said = f"a flow begins with a trigger, and {initial} is a {widgets[initial].type}"
        yield Problem("no_initial_state", said, initial, "#/initial_state")


def _unsupported(widgets: Any) -> Iterator[Problem]:
    for widget in widgets:
        if not is_supported(widget.type):
            said = f"a widget of type {widget.type} cannot be run here; it takes its failure transition"
            yield Problem("unsupported_widget", said, widget.name, f"{widget.path}/type")
