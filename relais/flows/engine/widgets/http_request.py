"""make-http-request: sends an HTTP request, and goes on with the response."""

from collections.abc import Iterator

from relais.flows.engine.effects import FORM, MakeHttpRequest
from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Input, RequestResult
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import StepContext, TakeTransition
from relais.flows.engine.twilio_hosts import is_twilio_api
from relais.flows.engine.widgets import http_outputs
from relais.flows.engine.widgets.base import WidgetType

METHODS = ("GET", "POST")
CREDENTIAL_PROPERTIES = ("add_twilio_auth", "send_twilio_credentials")


class HttpRequestWidget(WidgetType):
    type = "make-http-request"
    events = ("success", "failed")
    required_properties = ("method", "url")
    template_properties = ("url", "body")
    list_properties = ("parameters",)
    expected_branches = ("failed",)

    def enter(self, context: StepContext, widget: Widget) -> TakeTransition | None:
        method = (widget.text("method") or "GET").strip().upper()
        request = MakeHttpRequest(
            ref=context.ref,
            widget=widget.name,
            method=method,
            url=context.text(widget, "url").strip(),
            params=context.params(widget),
            content_type=widget.text("content_type") or FORM,
            body=context.text(widget, "body"),
            authentication="twilio_credentials" if _wants_credentials(widget) else "",
        )
        if error := _validation_error(request):
            return TakeTransition("failed", {}, reason=error)
        context.wait("answer")
        context.add_effect(request)
        return None

    def resume(
        self, context: StepContext, widget: Widget, waiting: Waiting, input: Input
    ) -> TakeTransition | None:
        if not isinstance(input, RequestResult) or input.ref != waiting["ref"]:
            return None
        return http_outputs.transition_for(
            input, context.outputs(widget), success_event="success", failure_event="failed"
        )

    def problems(self, widget: Widget) -> Iterator[Problem]:
        method = widget.text("method").strip()
        if method and method.upper() not in METHODS:
            message = f"method is {method}: a request is GET or POST, choose one of them"
            yield Problem("bad_method", message, widget.name, f"{widget.path}/properties/method")


def _validation_error(request: MakeHttpRequest) -> str:
    if not request.url:
        return "The request has no URL."
    if request.method not in METHODS:
        return f"A request is GET or POST, not {request.method}."
    if request.authentication and not is_twilio_api(request.url):
        return "Twilio's credentials are sent to Twilio only, and by https."
    return ""


def _wants_credentials(widget: Widget) -> bool:
    return any(widget.text(name).lower() == "true" for name in CREDENTIAL_PROPERTIES)


HTTP_REQUEST = HttpRequestWidget()
