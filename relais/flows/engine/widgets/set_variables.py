"""set-variables: all of them at once, so none sees another of the same widget."""

import json
from collections.abc import Iterator, Mapping

from relais.flows.engine.flow import Json, Problem, Widget, as_text
from relais.flows.engine.run import Done, Run
from relais.flows.engine.values import plain, typed
from relais.flows.engine.widgets.kind import Kind


class SetVariables(Kind):
    type = "set-variables"
    events = ("next",)
    lists = ("variables",)

    def enter(self, run: Run, widget: Widget) -> Done:
        values: dict[str, Json] = {}
        for item in widget.items("variables"):
            if key := as_text(item.get("key")):
                values[key] = _value(run, widget, item)
        run.frame["variables"].update(values)
        return Done("next", values)

    def problems(self, widget: Widget) -> Iterator[Problem]:
        for index, item in enumerate(widget.items("variables")):
            if not as_text(item.get("key")).strip():
                path = f"{widget.path}/properties/variables/{index}/key"
                yield Problem("no_key", "a variable has no name", widget.name, path)


def _value(run: Run, widget: Widget, variable: Mapping[str, Json]) -> Json:
    text = run.render(as_text(variable.get("value")), widget)
    if as_text(variable.get("parse_as_json")).lower() != "true":
        return typed(text)
    try:
        return plain(json.loads(text))
    except (ValueError, RecursionError):
        run.warn(widget, f"The value of {variable.get('key')} is not JSON; it stays a text.")
        return text


SET_VARIABLES = SetVariables()
