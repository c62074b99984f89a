"""`relais flow check`: static validation of a flow; each problem has its state and path.

A branch that no available start can reach, such as one for calls, never runs: its problems are warnings.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relais.flows import triggers
from relais.flows.engine.flow import Flow, Problem, Widget
from relais.flows.engine.liquid_templates import FILTERS, InvalidTemplate, template_references
from relais.flows.engine.parse import read
from relais.flows.engine.widgets import is_supported, widget_type_of
from relais.flows.import_limits import MAX_DEFINITION_BYTES

MAX_STATES = 1_000
STATE_NAME_PATTERN = re.compile(r"[^\W\d_][^\s.]*")


@dataclass(frozen=True)
class Report:
    """The problems of a flow, errors first, each level in the order of the states; and a verdict for each start."""

    problems: tuple[Problem, ...]
    verdicts: tuple[triggers.Verdict, ...] = ()


def check(definition: Mapping[str, Any] | str) -> tuple[Problem, ...]:
    return examine(definition).problems


def examine(definition: Mapping[str, Any] | str) -> Report:
    flow, problems = read(definition)
    all_problems = [*problems, *(_problems_of(flow) if flow else ())]
    if _size(definition) > MAX_DEFINITION_BYTES:
        all_problems.append(
            Problem("too_large", "Twilio takes a definition of 1 MB at most", level="warning")
        )
    all_problems.sort(key=lambda problem: problem.level != "error")
    return Report(tuple(all_problems), triggers.verdicts(flow, all_problems) if flow and not problems else ())


def check_file(file: Path) -> tuple[Problem, ...]:
    return examine_file(file).problems


def examine_file(file: Path) -> Report:
    try:
        return examine(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return Report((Problem("unreadable", f"the file cannot be read: {error.strerror}"),))
    except UnicodeDecodeError:
        return Report((Problem("unreadable", "the file is not text in UTF-8: save it as UTF-8"),))


# -- the checks -------------------------------------------------------------------------------------------


def _problems_of(flow: Flow) -> Iterator[Problem]:
    if len(flow.widgets) > MAX_STATES:
        message = f"Twilio takes {MAX_STATES} states at most, and here are {len(flow.widgets)}"
        yield Problem("too_many_states", message, path="#/states", level="warning")
    yield from triggers.problems_of(flow)
    connected = triggers.reachable_states(flow, triggers.connected(flow))
    checked = triggers.reachable_states(flow, triggers.checked_events(flow))
    for problem in flow.problems:
        yield problem if problem.state in checked else _unreachable_problem(problem)
    for widget in flow.widgets.values():
        for problem in _widget_problems(flow, widget):
            yield problem if not checked or widget.name in checked else _unreachable_problem(problem)
        if connected and widget.name not in connected:
            message = "no transition leads here: connect it, or remove it"
            yield Problem("unreachable", message, widget.name, widget.path, "warning")


def _unreachable_problem(problem: Problem) -> Problem:
    """The problem of a state that no available start reaches: only a warning, since it never runs."""
    message = problem.message
    if problem.code == "unsupported_widget":
        message = f"{message.partition(',')[0]}; no start available here leads to it"
    return replace(problem, level="warning", message=message)


def _widget_problems(flow: Flow, widget: Widget) -> Iterator[Problem]:
    yield from _name_problems(widget)
    yield from _transition_problems(flow, widget)
    if is_supported(widget.type):
        yield from _type_problems(flow, widget)


def _name_problems(widget: Widget) -> Iterator[Problem]:
    if not STATE_NAME_PATTERN.fullmatch(widget.name):
        message = "a name begins with a letter and has neither spaces nor full stops: rename it"
        yield Problem("bad_name", message, widget.name, f"{widget.path}/name")


def _transition_problems(flow: Flow, widget: Widget) -> Iterator[Problem]:
    is_start = widget.name == flow.initial
    for transition in widget.transitions:
        if transition.next is not None and transition.next not in flow.widgets:
            message = (
                f"“{transition.event}” leads to {transition.next}, which is no state of this flow: "
                "choose one, or let it lead nowhere"
            )
            problem = Problem("dangling_next", message, widget.name, f"{transition.path}/next")
            is_checked = not is_start or transition.event in triggers.checked_events(flow)
            yield problem if is_checked else _unreachable_problem(problem)


def _type_problems(flow: Flow, widget: Widget) -> Iterator[Problem]:
    widget_type = widget_type_of(widget)
    for transition in widget.transitions:
        if transition.event not in widget_type.events:
            known = ", ".join(widget_type.events)
            message = (
                f"a {widget.type} has no event “{transition.event}”, only {known}: remove this transition"
            )
            yield Problem("unknown_event", message, widget.name, f"{transition.path}/event")
    yield from _repeated_event_problems(widget)
    for event in widget_type.expected_branches:
        taken = widget.on(event)
        if taken is None or taken.next is None:
            path = taken.path if taken else f"{widget.path}/transitions"
            message = f"nothing follows “{event}”, so that the flow ends there without a word: connect it"
            yield Problem("no_branch", message, widget.name, path, "warning")
    for name in widget_type.required_properties:
        if not widget.text(name).strip():
            path = f"{widget.path}/properties/{name}"
            if name in widget.properties:
                # Published examples leave it empty for whoever imports the flow.
                message = f"the property {name} is empty: fill it in"
                yield Problem("no_property", message, widget.name, path, "warning")
            else:
                message = f"the property {name} is missing: add it"
                yield Problem("no_property", message, widget.name, path)
    yield from widget_type.problems(widget)
    for path, source in widget_type.template_sources(widget):
        yield from _template_problems(flow, widget, path, source)


def _repeated_event_problems(widget: Widget) -> Iterator[Problem]:
    seen: set[str] = set()
    for transition in widget.transitions:
        if transition.event in seen and transition.event != "match":
            message = f"a second “{transition.event}” is never taken: remove one of them"
            yield Problem("repeated_event", message, widget.name, transition.path, "warning")
        seen.add(transition.event)


def _template_problems(flow: Flow, widget: Widget, path: str, source: str) -> Iterator[Problem]:
    if "{{" not in source and "{%" not in source:
        return
    try:
        references = template_references(source)
    except InvalidTemplate as error:
        message = (
            f"the template of {_property(widget, path)} is wrong: {error}; correct it, or it renders nothing"
        )
        yield Problem("bad_template", message, widget.name, path)
        return
    for name in sorted(references.filters - FILTERS):
        message = (
            f"{_property(widget, path)} uses the filter {name}, which does not exist: it renders nothing then"
        )
        yield Problem("bad_template", message, widget.name, path)
    for parts in references.paths:
        if len(parts) > 1 and parts[0] == "widgets" and parts[1] not in flow.widgets:
            message = f"{_property(widget, path)} reads widgets.{parts[1]}: there is no state of that name, correct it"
            yield Problem("unknown_widget", message, widget.name, path, "warning")


def _property(widget: Widget, path: str) -> str:
    """The path within the widget: `body`, `parameters/0/value`, `transitions/1/conditions/0/value`."""
    return path.removeprefix(f"{widget.path}/").removeprefix("properties/")


def _size(definition: Mapping[str, Any] | str) -> int:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return len(text.encode(errors="replace"))
