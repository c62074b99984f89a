"""set-variables: all of them at once, so none sees another of the same widget."""

from collections.abc import Iterator

from relais.flows.engine.flow import Json, Problem, Widget, as_text
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.values import typed
from relais.flows.engine.widgets.base import Kind
from relais.flows.engine.widgets.typed_values import typed_value


class SetVariables(Kind):
    type = "set-variables"
    events = ("next",)
    lists = ("variables",)

    def enter(self, run: Run, widget: Widget) -> Done:
        values: dict[str, Json] = {}
        for item in widget.items("variables"):
            if key := as_text(item.get("key")):
                values[key] = typed_value(run, widget, item, untyped=typed)
        run.frame["variables"].update(values)
        return Done("next", values)

    def problems(self, widget: Widget) -> Iterator[Problem]:
        for index, item in enumerate(widget.items("variables")):
            if not as_text(item.get("key")).strip():
                path = f"{widget.path}/properties/variables/{index}/key"
                yield Problem("no_key", "a variable has no key: name it, or remove it", widget.name, path)


SET_VARIABLES = SetVariables()
