"""Converts the values of variables and sub-flow parameters to the type that the export gives them."""

import json
from collections.abc import Callable, Mapping

from relais.flows.engine.flow import Json, Widget, as_text
from relais.flows.engine.step_context import StepContext
from relais.flows.engine.values import parse_number, storable_json

JSON_TYPES = frozenset({"json", "json_object", "json_array", "object", "array"})
NUMBER_TYPES = frozenset({"number", "integer", "float", "double"})
BOOLEANS: Mapping[str, Json] = {"true": True, "false": False}


def typed_value(
    context: StepContext, widget: Widget, item: Mapping[str, Json], *, untyped: Callable[[str], Json]
) -> Json:
    """The rendered value in its type; a value of another type stays a text, with a warning.

    `untyped` converts the text if no type is given.
    """
    text = context.render(as_text(item.get("value")), widget)
    type_ = as_text(item.get("type")).strip().lower()
    if type_ in JSON_TYPES or as_text(item.get("parse_as_json")).lower() == "true":
        try:
            return storable_json(json.loads(text))
        except (ValueError, RecursionError):
            return _keep_text(context, widget, item, text, "JSON")
    if type_ in NUMBER_TYPES:
        number = parse_number(text)
        return _keep_text(context, widget, item, text, "a number") if number is None else number
    if type_ == "boolean":
        value = BOOLEANS.get(text.strip().lower())
        return _keep_text(context, widget, item, text, "true or false") if value is None else value
    return text if type_ else untyped(text)


def _keep_text(context: StepContext, widget: Widget, item: Mapping[str, Json], text: str, kind: str) -> Json:
    context.warn(widget, f"The value of {as_text(item.get('key'))} is not {kind}; it stays a text.")
    return text
