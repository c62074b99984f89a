"""Everything that can be seen to be wrong with a flow before it runs, each with its state and path."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from relais.flows.engine.flow import Flow, Problem, Widget
from relais.flows.engine.parse import read
from relais.flows.engine.templates import FILTERS, BadTemplate, used
from relais.flows.engine.widgets import is_supported, kind_of

LARGEST_DEFINITION = 1024 * 1024
MOST_STATES = 1_000
NAME = re.compile(r"[^\W\d_][^\s.]*")


def check(definition: Mapping[str, Any] | str) -> tuple[Problem, ...]:
    """Errors first, each kind in the order of the states."""
    flow, problems = read(definition)
    found = [*problems, *(_problems_of(flow) if flow else ())]
    if _size(definition) > LARGEST_DEFINITION:
        found.append(Problem("too_large", "Twilio takes a definition of 1 MB at most", level="warning"))
    return tuple(sorted(found, key=lambda problem: problem.level != "error"))


def check_file(file: Path) -> tuple[Problem, ...]:
    try:
        return check(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return (Problem("unreadable", f"the file cannot be read: {error.strerror}"),)
    except UnicodeDecodeError:
        return (Problem("unreadable", "the file is not text in UTF-8"),)


def report(files: Iterable[str], *, as_json: bool) -> int:
    """Prints what is wrong with the files; 1 when one of them has an error."""
    found = [(file, problem) for file in files for problem in check_file(Path(file))]
    if as_json:
        lines = ",\n".join(json.dumps(_as_json(file, problem), ensure_ascii=False) for file, problem in found)
        print(f"[\n{lines}\n]" if lines else "[]")
    else:
        for file, problem in found:
            print(f"{file}: {problem.level}: {problem}")
        print(_summary([problem for _, problem in found]))
    return int(any(problem.level == "error" for _, problem in found))


def _as_json(file: str, problem: Problem) -> dict[str, str]:
    return {
        "file": file,
        "level": problem.level,
        "code": problem.code,
        "state": problem.state,
        "path": problem.path,
        "message": problem.message,
    }


def _summary(problems: list[Problem]) -> str:
    errors = sum(problem.level == "error" for problem in problems)
    warnings = len(problems) - errors
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}." if problems else "No problems."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


# -- what is looked for -----------------------------------------------------------------------------------


def _problems_of(flow: Flow) -> Iterator[Problem]:
    yield from flow.problems
    if len(flow.widgets) > MOST_STATES:
        said = f"Twilio takes {MOST_STATES} states at most, and here are {len(flow.widgets)}"
        yield Problem("too_many_states", said, path="#/states", level="warning")
    reached = _reached(flow)
    for widget in flow.widgets.values():
        yield from _of_name(widget)
        yield from _of_transitions(flow, widget)
        if reached and widget.name not in reached:
            said = "no transition leads here"
            yield Problem("unreachable", said, widget.name, widget.path, "warning")
        if is_supported(widget.type):
            yield from _of_kind(flow, widget)


def _of_name(widget: Widget) -> Iterator[Problem]:
    if not NAME.fullmatch(widget.name):
        said = "a name begins with a letter and has neither spaces nor full stops"
        yield Problem("bad_name", said, widget.name, f"{widget.path}/name")


def _of_transitions(flow: Flow, widget: Widget) -> Iterator[Problem]:
    for transition in widget.transitions:
        if transition.next is not None and transition.next not in flow.widgets:
            said = f"“{transition.event}” leads to {transition.next}, which is no state of this flow"
            yield Problem("dangling_next", said, widget.name, f"{transition.path}/next")


def _of_kind(flow: Flow, widget: Widget) -> Iterator[Problem]:
    kind = kind_of(widget)
    for transition in widget.transitions:
        if transition.event not in kind.events:
            known = ", ".join(kind.events)
            said = f"a {widget.type} has no event “{transition.event}”: it has {known}"
            yield Problem("unknown_event", said, widget.name, f"{transition.path}/event")
    yield from _of_repeated_events(widget)
    for event in kind.guarded:
        taken = widget.on(event)
        if taken is None or taken.next is None:
            path = taken.path if taken else f"{widget.path}/transitions"
            said = f"nothing follows “{event}”: the flow ends there without a word"
            yield Problem("no_branch", said, widget.name, path, "warning")
    for name in kind.required:
        if not widget.text(name).strip():
            path = f"{widget.path}/properties/{name}"
            if name in widget.properties:
                # Left for whoever imports the flow, as in published examples.
                yield Problem("no_property", f"the property {name} is empty", widget.name, path, "warning")
            else:
                yield Problem("no_property", f"the property {name} is missing", widget.name, path)
    yield from kind.problems(widget)
    for path, source in kind.sources(widget):
        yield from _of_template(flow, widget, path, source)


def _of_repeated_events(widget: Widget) -> Iterator[Problem]:
    seen: set[str] = set()
    for transition in widget.transitions:
        if transition.event in seen and transition.event != "match":
            said = f"a second “{transition.event}” is never taken"
            yield Problem("repeated_event", said, widget.name, transition.path, "warning")
        seen.add(transition.event)


def _of_template(flow: Flow, widget: Widget, path: str, source: str) -> Iterator[Problem]:
    if "{{" not in source and "{%" not in source:
        return
    try:
        reads = used(source)
    except BadTemplate as error:
        yield Problem("bad_template", f"the template is wrong: {error}", widget.name, path)
        return
    for name in sorted(reads.filters - FILTERS):
        yield Problem("bad_template", f"there is no filter {name}", widget.name, path)
    for parts in reads.paths:
        if len(parts) > 1 and parts[0] == "widgets" and parts[1] not in flow.widgets:
            said = f"the template reads widgets.{parts[1]}, and there is no state of that name"
            yield Problem("unknown_widget", said, widget.name, path, "warning")


def _reached(flow: Flow) -> set[str]:
    reached: set[str] = set()
    beyond = [flow.initial] if flow.initial in flow.widgets else []
    while beyond:
        name = beyond.pop()
        if name not in reached:
            reached.add(name)
            targets = (transition.next for transition in flow.widgets[name].transitions)
            beyond += [target for target in targets if target is not None and target in flow.widgets]
    return reached


def _size(definition: Mapping[str, Any] | str) -> int:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return len(text.encode(errors="replace"))
