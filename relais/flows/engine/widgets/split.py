"""split-based-on: goes where the first matching condition leads, and else where `noMatch` does."""

from collections.abc import Iterator

from relais.flows.engine.conditions import (
    CONDITIONS,
    WITHOUT_VALUE,
    day,
    holds,
    number,
    time_of_day,
)
from relais.flows.engine.flow import Condition, Problem, Transition, Widget
from relais.flows.engine.limits import TIMED_OUT_MATCH_OPERATIONS
from relais.flows.engine.regular_expressions import BadPattern, MatchTimeout, pattern
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.widgets.base import Kind

READERS = {
    "less_than": (number, "a number"),
    "greater_than": (number, "a number"),
    "is_before_time": (time_of_day, "a time such as 17:30"),
    "is_after_time": (time_of_day, "a time such as 17:30"),
    "is_before_date": (day, "a date such as 2025-12-31"),
    "is_after_date": (day, "a date such as 2025-12-31"),
}


class Split(Kind):
    type = "split-based-on"
    events = ("match", "noMatch")
    templates = ("input",)

    def enter(self, run: Run, widget: Widget) -> Done:
        # Exports often have noMatch first, so the order of transitions counts among matches only.
        for transition in _matches(widget):
            if all(self._holds(run, widget, condition) for condition in transition.conditions):
                return Done("match", next=transition.next, chosen=True)
        why = "" if widget.on("noMatch") else "No condition matched."
        return Done("noMatch", why=why)

    def _holds(self, run: Run, widget: Widget, condition: Condition) -> bool:
        argument = run.render(_argument(widget, condition), widget)
        value = "" if condition.type in WITHOUT_VALUE else run.render(condition.value, widget)
        try:
            return holds(condition.type, argument, value)
        except KeyError:
            run.warn(widget, f"There is no condition {condition.type}; it does not match.")
        except BadPattern as error:
            run.warn(widget, f"The regular expression “{value}” cannot be run: {error}.")
        except MatchTimeout as error:
            run.warn(widget, f"The regular expression “{value}” does not match: {error}.")
            run.spend(TIMED_OUT_MATCH_OPERATIONS, widget)
        return False

    def sources(self, widget: Widget) -> Iterator[tuple[str, str]]:
        yield from super().sources(widget)
        for transition in widget.transitions:
            for condition in transition.conditions:
                for index, argument in enumerate(condition.arguments):
                    yield f"{condition.path}/arguments/{index}", argument
                if condition.type not in WITHOUT_VALUE:
                    yield f"{condition.path}/value", condition.value

    def problems(self, widget: Widget) -> Iterator[Problem]:
        if widget.on("noMatch") is None:
            said = "there is no noMatch, so that an unexpected value ends the flow: add one and connect it"
            yield Problem("no_branch", said, widget.name, f"{widget.path}/transitions", "warning")
        for transition in widget.transitions:
            if transition.event == "match" and not transition.conditions:
                said = "a match without conditions never matches: give it one, or remove it"
                yield Problem("no_condition", said, widget.name, transition.path)
            for condition in transition.conditions:
                yield from _problems_of(widget, condition)


def _matches(widget: Widget) -> Iterator[Transition]:
    return (t for t in widget.transitions if t.event == "match" and t.conditions)


def _argument(widget: Widget, condition: Condition) -> str:
    """The condition's own argument, which may differ from the widget's input by a filter."""
    return condition.arguments[0] if condition.arguments else widget.text("input")


def _problems_of(widget: Widget, condition: Condition) -> Iterator[Problem]:
    value = condition.value.strip()
    if condition.type not in CONDITIONS:
        known = ", ".join(CONDITIONS)
        said = f"the type of a condition is “{condition.type}”, which never matches: choose one of {known}"
        yield Problem("unknown_condition", said, widget.name, f"{condition.path}/type")
    elif "{{" in value or "{%" in value:
        return  # known only when it runs
    elif condition.type == "regex":
        try:
            pattern(value)
        except BadPattern as error:
            said = f"the regular expression “{value}” cannot be run, so that it never matches: {error}"
            yield Problem("bad_regex", said, widget.name, f"{condition.path}/value")
    elif condition.type in READERS and READERS[condition.type][0](value) is None:
        said = f"{condition.type} never matches: its value “{value}” is not {READERS[condition.type][1]}; correct it"
        yield Problem("bad_value", said, widget.name, f"{condition.path}/value", "warning")


SPLIT = Split()
