"""set-variables: sets all variables at once, so that none reads another of the same widget."""

from collections.abc import Iterator

from relais.flows.engine.flow import Json, Problem, Widget, as_text
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.values import number_or_text
from relais.flows.engine.widgets.base import WidgetType
from relais.flows.engine.widgets.typed_values import typed_value


class SetVariablesWidget(WidgetType):
    type = "set-variables"
    events = ("next",)
    list_properties = ("variables",)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition:
        values: dict[str, Json] = {}
        for item in widget.items("variables"):
            if key := as_text(item.get("key")):
                values[key] = typed_value(context, widget, item, untyped=number_or_text)
        context.frame["variables"].update(values)
        return TakeTransition("next", values)

    def problems(self, widget: Widget) -> Iterator[Problem]:
        for index, item in enumerate(widget.items("variables")):
            if not as_text(item.get("key")).strip():
                path = f"{widget.path}/properties/variables/{index}/key"
                yield Problem("no_key", "a variable has no key: name it, or remove it", widget.name, path)


SET_VARIABLES = SetVariablesWidget()
