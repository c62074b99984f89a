"""The values of variables and sub-flow parameters, by the type that an export writes beside them."""

import json
from collections.abc import Callable, Mapping

from relais.flows.engine.flow import Json, Widget, as_text
from relais.flows.engine.step_context import Run
from relais.flows.engine.values import as_number, plain

JSON_TYPES = frozenset({"json", "json_object", "json_array", "object", "array"})
NUMBER_TYPES = frozenset({"number", "integer", "float", "double"})
BOOLEANS: Mapping[str, Json] = {"true": True, "false": False}


def typed_value(
    run: Run, widget: Widget, item: Mapping[str, Json], *, untyped: Callable[[str], Json]
) -> Json:
    """The rendered value in its type; one that is not of the type is warned of and stays a text.

    `untyped` makes a value of the text when no type is given.
    """
    text = run.render(as_text(item.get("value")), widget)
    type_ = as_text(item.get("type")).strip().lower()
    if type_ in JSON_TYPES or as_text(item.get("parse_as_json")).lower() == "true":
        try:
            return plain(json.loads(text))
        except (ValueError, RecursionError):
            return _stays_text(run, widget, item, text, "JSON")
    if type_ in NUMBER_TYPES:
        number = as_number(text)
        return _stays_text(run, widget, item, text, "a number") if number is None else number
    if type_ == "boolean":
        value = BOOLEANS.get(text.strip().lower())
        return _stays_text(run, widget, item, text, "true or false") if value is None else value
    return text if type_ else untyped(text)


def _stays_text(run: Run, widget: Widget, item: Mapping[str, Json], text: str, kind: str) -> Json:
    run.warn(widget, f"The value of {as_text(item.get('key'))} is not {kind}; it stays a text.")
    return text
