"""Everything that can be seen to be wrong with a flow before it runs, each with its state and path.

What no start available here can reach, such as a branch for calls, is not run: what is wrong with it is a warning.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from relais.flows import triggers
from relais.flows.engine.flow import Flow, Problem, Widget
from relais.flows.engine.parse import read
from relais.flows.engine.templates import FILTERS, BadTemplate, used
from relais.flows.engine.widgets import is_supported, kind_of

LARGEST_DEFINITION = 1024 * 1024
MOST_STATES = 1_000
NAME = re.compile(r"[^\W\d_][^\s.]*")


@dataclass(frozen=True)
class Report:
    """What is wrong with a flow, errors first, each kind in the order of the states; and what each start comes to."""

    problems: tuple[Problem, ...]
    verdicts: tuple[triggers.Verdict, ...] = ()


def check(definition: Mapping[str, Any] | str) -> tuple[Problem, ...]:
    return examine(definition).problems


def examine(definition: Mapping[str, Any] | str) -> Report:
    flow, problems = read(definition)
    found = [*problems, *(_problems_of(flow) if flow else ())]
    if _size(definition) > LARGEST_DEFINITION:
        found.append(Problem("too_large", "Twilio takes a definition of 1 MB at most", level="warning"))
    found.sort(key=lambda problem: problem.level != "error")
    return Report(tuple(found), triggers.verdicts(flow, found) if flow and not problems else ())


def check_file(file: Path) -> tuple[Problem, ...]:
    return examine_file(file).problems


def examine_file(file: Path) -> Report:
    try:
        return examine(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return Report((Problem("unreadable", f"the file cannot be read: {error.strerror}"),))
    except UnicodeDecodeError:
        return Report((Problem("unreadable", "the file is not text in UTF-8: save it as UTF-8"),))


def report(files: Iterable[str], *, as_json: bool) -> int:
    """Prints what is wrong with the files; 1 when one of them has an error."""
    reports = [(file, examine_file(Path(file))) for file in files]
    found = [(file, problem) for file, report in reports for problem in report.problems]
    if as_json:
        lines = ",\n".join(json.dumps(_as_json(file, problem), ensure_ascii=False) for file, problem in found)
        print(f"[\n{lines}\n]" if lines else "[]")
    else:
        for file, report in reports:
            for problem in report.problems:
                print(f"{file}: {problem.level}: {problem}")
            for verdict in report.verdicts:
                print(f"{file}: {verdict}")
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
    if len(flow.widgets) > MOST_STATES:
        said = f"Twilio takes {MOST_STATES} states at most, and here are {len(flow.widgets)}"
        yield Problem("too_many_states", said, path="#/states", level="warning")
    yield from triggers.problems_of(flow)
    connected = triggers.reached(flow, triggers.connected(flow))
    judged = triggers.reached(flow, triggers.judged(flow))
    for problem in flow.problems:
        yield problem if problem.state in judged else _beside(problem)
    for widget in flow.widgets.values():
        for problem in _of_widget(flow, widget):
            yield problem if not judged or widget.name in judged else _beside(problem)
        if connected and widget.name not in connected:
            said = "no transition leads here: connect it, or remove it"
            yield Problem("unreachable", said, widget.name, widget.path, "warning")


def _beside(problem: Problem) -> Problem:
    """Of a state that no start available here reaches: nobody will run into it."""
    message = problem.message
    if problem.code == "unsupported_widget":
        message = f"{message.partition(',')[0]}; no start available here leads to it"
    return replace(problem, level="warning", message=message)


def _of_widget(flow: Flow, widget: Widget) -> Iterator[Problem]:
    yield from _of_name(widget)
    yield from _of_transitions(flow, widget)
    if is_supported(widget.type):
        yield from _of_kind(flow, widget)


def _of_name(widget: Widget) -> Iterator[Problem]:
    if not NAME.fullmatch(widget.name):
        said = "a name begins with a letter and has neither spaces nor full stops: rename it"
        yield Problem("bad_name", said, widget.name, f"{widget.path}/name")


def _of_transitions(flow: Flow, widget: Widget) -> Iterator[Problem]:
    is_start = widget.name == flow.initial
    for transition in widget.transitions:
        if transition.next is not None and transition.next not in flow.widgets:
            said = (
                f"“{transition.event}” leads to {transition.next}, which is no state of this flow: "
                "choose one, or let it lead nowhere"
            )
            problem = Problem("dangling_next", said, widget.name, f"{transition.path}/next")
            is_judged = not is_start or transition.event in triggers.judged(flow)
            yield problem if is_judged else _beside(problem)


def _of_kind(flow: Flow, widget: Widget) -> Iterator[Problem]:
    kind = kind_of(widget)
    for transition in widget.transitions:
        if transition.event not in kind.events:
            known = ", ".join(kind.events)
            said = f"a {widget.type} has no event “{transition.event}”, only {known}: remove this transition"
            yield Problem("unknown_event", said, widget.name, f"{transition.path}/event")
    yield from _of_repeated_events(widget)
    for event in kind.guarded:
        taken = widget.on(event)
        if taken is None or taken.next is None:
            path = taken.path if taken else f"{widget.path}/transitions"
            said = f"nothing follows “{event}”, so that the flow ends there without a word: connect it"
            yield Problem("no_branch", said, widget.name, path, "warning")
    for name in kind.required:
        if not widget.text(name).strip():
            path = f"{widget.path}/properties/{name}"
            if name in widget.properties:
                # Left for whoever imports the flow, as in published examples.
                said = f"the property {name} is empty: fill it in"
                yield Problem("no_property", said, widget.name, path, "warning")
            else:
                said = f"the property {name} is missing: add it"
                yield Problem("no_property", said, widget.name, path)
    yield from kind.problems(widget)
    for path, source in kind.sources(widget):
        yield from _of_template(flow, widget, path, source)


def _of_repeated_events(widget: Widget) -> Iterator[Problem]:
    seen: set[str] = set()
    for transition in widget.transitions:
        if transition.event in seen and transition.event != "match":
            said = f"a second “{transition.event}” is never taken: remove one of them"
            yield Problem("repeated_event", said, widget.name, transition.path, "warning")
        seen.add(transition.event)


def _of_template(flow: Flow, widget: Widget, path: str, source: str) -> Iterator[Problem]:
    if "{{" not in source and "{%" not in source:
        return
    try:
        reads = used(source)
    except BadTemplate as error:
        said = (
            f"the template of {_property(widget, path)} is wrong: {error}; correct it, or it renders nothing"
        )
        yield Problem("bad_template", said, widget.name, path)
        return
    for name in sorted(reads.filters - FILTERS):
        said = (
            f"{_property(widget, path)} uses the filter {name}, which does not exist: it renders nothing then"
        )
        yield Problem("bad_template", said, widget.name, path)
    for parts in reads.paths:
        if len(parts) > 1 and parts[0] == "widgets" and parts[1] not in flow.widgets:
            said = f"{_property(widget, path)} reads widgets.{parts[1]}: there is no state of that name, correct it"
            yield Problem("unknown_widget", said, widget.name, path, "warning")


def _property(widget: Widget, path: str) -> str:
    """As the reader knows it: `body`, `parameters/0/value`, `transitions/1/conditions/0/value`."""
    return path.removeprefix(f"{widget.path}/").removeprefix("properties/")


def _size(definition: Mapping[str, Any] | str) -> int:
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return len(text.encode(errors="replace"))
