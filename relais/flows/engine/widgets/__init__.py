"""The widgets, one file each: what a widget does when the flow reaches it, and with an answer it waited for."""

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
from relais.flows.engine.widgets.base import Kind

KINDS: dict[str, Kind] = {
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
    return type_ in KINDS


def kind_of(widget: Widget) -> Kind:
    return KINDS.get(widget.type) or unsupported.UNSUPPORTED
