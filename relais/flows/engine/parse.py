"""From the JSON of an export to a flow, or to what keeps it from being one."""

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from relais.flows.engine import legacy
from relais.flows.engine.flow import BadFlow, Condition, Flow, Problem, Transition, Widget, as_text
from relais.flows.engine.widgets import is_supported
from relais.flows.engine.widgets.unsupported import failure_of


@dataclass(frozen=True)
class Export:
    """A flow's definition as it was given, and what an answer of Twilio's API says of the flow around it."""

    definition: Mapping[str, Any]
    sid: str = ""
    friendly_name: str = ""


def parse(definition: Mapping[str, Any] | str) -> Flow:
    """Raises BadFlow when it cannot be run at all; what can be passed over stands in `Flow.problems`."""
    flow, problems = read(definition)
    if flow is None or problems:
        raise BadFlow(problems)
    return flow


def read(definition: Mapping[str, Any] | str) -> tuple[Flow | None, tuple[Problem, ...]]:
    """As much of a flow as there is, and what keeps it from running."""
    try:
        given = unwrap(definition).definition
    except BadFlow as error:
        return None, error.problems
    return _flow(legacy.converted(given) if legacy.is_legacy(given) else copy.deepcopy(given))


def unwrap(given: Mapping[str, Any] | str) -> Export:
    """The definition within what was given: itself, or in the answer of Twilio's API or CLI. Raises BadFlow.

    The API wraps it in `definition`, as an object or as its text; the CLI puts that in a list.
    """
    found = _loaded(given, "this is not JSON")
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, Mapping) or "states" in found or "definition" not in found:
        return Export(_with_states(found))
    wrapped = _loaded(found["definition"], "the definition in this answer of Twilio's API is not JSON")
    name = found.get("friendly_name") or found.get("friendlyName")
    return Export(_with_states(wrapped), sid=_text(found.get("sid")), friendly_name=_text(name))


def _loaded(given: Any, complaint: str) -> Any:
    try:
        return json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError) as error:
        raise BadFlow((Problem("not_json", f"{complaint}: {error}"),)) from error


def _with_states(found: Any) -> Mapping[str, Any]:
    if isinstance(found, Mapping) and isinstance(found.get("states"), list):
        return found
    if isinstance(found, list) and len(found) > 1:
        said = f"this is a list of {len(found)}: give one flow at a time"
    elif _is_state(found):
        said = "this is one state: give the whole flow, with its list of states"
    else:
        said = "this is not a flow: it has no list of states; give the JSON that Studio exports"
    raise BadFlow((Problem("not_a_flow", said),))


def _is_state(found: Any) -> bool:
    return isinstance(found, Mapping) and isinstance(found.get("type"), str) and "transitions" in found


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _flow(definition: Mapping[str, Any]) -> tuple[Flow, tuple[Problem, ...]]:
    problems: list[Problem] = []
    widgets: dict[str, Widget] = {}
    for index, state in enumerate(definition["states"]):
        path = f"#/states/{index}"
        widget = _widget(state, path)
        if widget is None:
            said = "a state must have a name and a type: add what is missing"
            problems.append(Problem("bad_state", said, _name(state), path))
        elif widget.name in widgets:
            said = f"there is another state of this name, at {widgets[widget.name].path}: rename one of them"
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


def _what_happens(widget: Widget) -> str:
    event = failure_of(widget)
    taken = widget.on(event)
    return (
        f"it takes “{event}”" if taken and taken.next else "and nothing follows its failure, so the flow ends"
    )


def _problems_of_start(initial: str, widgets: Mapping[str, Widget]) -> Iterator[Problem]:
    if not initial:
        said = "the flow has no initial_state: write the name of its trigger there"
        yield Problem("no_initial_state", said, path="#/initial_state")
    elif initial not in widgets:
        said = f"initial_state is {initial}, and there is no such state: write the name of the trigger there"
        yield Problem("no_initial_state", said, path="#/initial_state")
    elif widgets[initial].type != "trigger":
        said = f"a flow begins with a trigger, and {initial}, its initial_state, is a {widgets[initial].type}"
        yield Problem("no_initial_state", said, initial, "#/initial_state")


def _unsupported(widgets: Any) -> Iterator[Problem]:
    for widget in widgets:
        if not is_supported(widget.type):
            said = f"a widget of type {widget.type} cannot be run here, {_what_happens(widget)}: replace it"
            yield Problem("unsupported_widget", said, widget.name, f"{widget.path}/type")
