"""split-based-on: follows the first transition whose conditions hold, else `noMatch`."""

from collections.abc import Iterator

from relais.flows.engine.conditions import (
    CONDITIONS,
    WITHOUT_VALUE,
    condition_holds,
    parse_date,
    parse_decimal,
    parse_time_of_day,
)
from relais.flows.engine.flow import Condition, Problem, Transition, Widget
from relais.flows.engine.limits import MATCH_TIMEOUT_OPERATIONS
from relais.flows.engine.regular_expressions import InvalidPattern, MatchTimeout, pattern
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.widgets.base import WidgetType

VALUE_PARSERS = {
    "less_than": (parse_decimal, "a number"),
    "greater_than": (parse_decimal, "a number"),
    "is_before_time": (parse_time_of_day, "a time such as 17:30"),
    "is_after_time": (parse_time_of_day, "a time such as 17:30"),
    "is_before_date": (parse_date, "a date such as 2025-12-31"),
    "is_after_date": (parse_date, "a date such as 2025-12-31"),
}


class SplitWidget(WidgetType):
    type = "split-based-on"
    events = ("match", "noMatch")
    template_properties = ("input",)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition:
        # Exports often list noMatch first, so only the order among the matches counts.
        for transition in _match_transitions(widget):
            if all(self._holds(context, widget, condition) for condition in transition.conditions):
                return TakeTransition("match", next=transition.next, has_target=True)
        reason = "" if widget.on("noMatch") else "No condition matched."
        return TakeTransition("noMatch", reason=reason)

    def _holds(self, context: StepContext, widget: Widget, condition: Condition) -> bool:
        argument = context.render(_argument(widget, condition), widget)
        value = "" if condition.type in WITHOUT_VALUE else context.render(condition.value, widget)
        try:
            return condition_holds(condition.type, argument, value)
        except KeyError:
            context.warn(widget, f"There is no condition {condition.type}; it does not match.")
        except InvalidPattern as error:
            context.warn(widget, f"The regular expression “{value}” cannot be run: {error}.")
        except MatchTimeout as error:
            context.warn(widget, f"The regular expression “{value}” does not match: {error}.")
            context.spend(MATCH_TIMEOUT_OPERATIONS, widget)
        return False

    def template_sources(self, widget: Widget) -> Iterator[tuple[str, str]]:
        yield from super().template_sources(widget)
        for transition in widget.transitions:
            for condition in transition.conditions:
                for index, argument in enumerate(condition.arguments):
                    yield f"{condition.path}/arguments/{index}", argument
                if condition.type not in WITHOUT_VALUE:
                    yield f"{condition.path}/value", condition.value

    def problems(self, widget: Widget) -> Iterator[Problem]:
        if widget.on("noMatch") is None:
            message = "there is no noMatch, so that an unexpected value ends the flow: add one and connect it"
            yield Problem("no_branch", message, widget.name, f"{widget.path}/transitions", "warning")
        for transition in widget.transitions:
            if transition.event == "match" and not transition.conditions:
                message = "a match without conditions never matches: give it one, or remove it"
                yield Problem("no_condition", message, widget.name, transition.path)
            for condition in transition.conditions:
                yield from _problems_of(widget, condition)


def _match_transitions(widget: Widget) -> Iterator[Transition]:
    return (t for t in widget.transitions if t.event == "match" and t.conditions)


def _argument(widget: Widget, condition: Condition) -> str:
    """The condition's argument, which may add a filter to the widget's input."""
    return condition.arguments[0] if condition.arguments else widget.text("input")


def _problems_of(widget: Widget, condition: Condition) -> Iterator[Problem]:
    value = condition.value.strip()
    if condition.type not in CONDITIONS:
        known_types = ", ".join(CONDITIONS)
        message = (
            f"the type of a condition is “{condition.type}”, which never matches: choose one of {known_types}"
        )
        yield Problem("unknown_condition", message, widget.name, f"{condition.path}/type")
    elif "{{" in value or "{%" in value:
        return  # a template: its value is known only at run time
    elif condition.type == "regex":
        try:
            pattern(value)
        except InvalidPattern as error:
            message = f"the regular expression “{value}” cannot be run, so that it never matches: {error}"
            yield Problem("bad_regex", message, widget.name, f"{condition.path}/value")
    elif condition.type in VALUE_PARSERS and VALUE_PARSERS[condition.type][0](value) is None:
        expected = VALUE_PARSERS[condition.type][1]
        message = f"{condition.type} never matches: its value “{value}” is not {expected}; correct it"
        yield Problem("bad_value", message, widget.name, f"{condition.path}/value", "warning")


SPLIT = SplitWidget()
