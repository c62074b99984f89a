"""The widget types, one file each: how a widget runs, and what it does with the input it waits for."""

from relais.flows.engine.flow import Widget
from relais.flows.engine.widgets import (
    ask_for_agent,
    http_request,
    send_and_wait,
    send_message,
    set_variables,
    split,
    subflow,
    trigger,
    unsupported,
)
from relais.flows.engine.widgets import run_function as function
from relais.flows.engine.widgets.base import WidgetType

WIDGET_TYPES: dict[str, WidgetType] = {
    kind.type: kind
    for kind in (
        trigger.TRIGGER,
        send_message.SEND_MESSAGE,
        send_and_wait.SEND_AND_WAIT,
        split.SPLIT,
        set_variables.SET_VARIABLES,
        http_request.HTTP_REQUEST,
        function.RUN_FUNCTION,
        subflow.RUN_SUBFLOW,
        ask_for_agent.SEND_TO_FLEX,
        ask_for_agent.ENQUEUE,
    )
}


def is_supported(type_: str) -> bool:
    return type_ in WIDGET_TYPES


def widget_type_of(widget: Widget) -> WidgetType:
    return WIDGET_TYPES.get(widget.type) or unsupported.UNSUPPORTED
