"""make-http-request: asks another system, and goes on with what it answers."""

from collections.abc import Iterator

from relais.flows.engine.effects import FORM, CallHttp
from relais.flows.engine.flow import Problem, Widget
from relais.flows.engine.inputs import Answered, Input
from relais.flows.engine.state import Waiting
from relais.flows.engine.step_context import Done, Run
from relais.flows.engine.twilio_hosts import is_twilio_api
from relais.flows.engine.widgets import http_outputs
from relais.flows.engine.widgets.base import Kind

METHODS = ("GET", "POST")
AUTH = ("add_twilio_auth", "send_twilio_credentials")


class HttpRequest(Kind):
    type = "make-http-request"
    events = ("success", "failed")
    required = ("method", "url")
    templates = ("url", "body")
    lists = ("parameters",)
    guarded = ("failed",)

    def enter(self, run: Run, widget: Widget) -> Done | None:
        method = (widget.text("method") or "GET").strip().upper()
        call = CallHttp(
            ref=run.ref,
            widget=widget.name,
            method=method,
            url=run.text(widget, "url").strip(),
            params=run.params(widget),
            content_type=widget.text("content_type") or FORM,
            body=run.text(widget, "body"),
            authentication="twilio_credentials" if _wants_credentials(widget) else "",
        )
        if refusal := _refusal(call):
            return Done("failed", {}, why=refusal)
        run.wait("answer")
        run.do(call)
        return None

    def resume(self, run: Run, widget: Widget, waiting: Waiting, input: Input) -> Done | None:
        if not isinstance(input, Answered) or input.ref != waiting["ref"]:
            return None
        return http_outputs.done(input, run.outputs(widget), success="success", failure="failed")

    def problems(self, widget: Widget) -> Iterator[Problem]:
        method = widget.text("method").strip()
        if method and method.upper() not in METHODS:
            said = f"method is {method}: a request is GET or POST, choose one of them"
            yield Problem("bad_method", said, widget.name, f"{widget.path}/properties/method")


def _refusal(call: CallHttp) -> str:
    if not call.url:
        return "The request has no URL."
    if call.method not in METHODS:
        return f"A request is GET or POST, not {call.method}."
    if call.authentication and not is_twilio_api(call.url):
        return "Twilio's credentials are sent to Twilio only, and by https."
    return ""


def _wants_credentials(widget: Widget) -> bool:
    return any(widget.text(name).lower() == "true" for name in AUTH)


HTTP_REQUEST = HttpRequest()
