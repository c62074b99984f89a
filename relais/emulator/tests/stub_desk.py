"""A stub of the desk: records webhook calls, checks their signature, and answers with the given statuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from relais.emulator.testing import AUTH_TOKEN, ServerThread


@dataclass
class WebhookCall:
    path: str
    query: str
    params: dict[str, str]
    token: str
    has_valid_signature: bool


@dataclass
class StubDesk:
    url: str = ""
    public: str = ""
    calls: list[WebhookCall] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """The statuses of the next responses; 200 when used up."""

    def posts_to(self, path: str) -> list[WebhookCall]:
        return [call for call in self.calls if call.path == path]

    def statuses(self) -> list[str]:
        return [call.params["MessageStatus"] for call in self.posts_to("/status")]

    async def hook(self, request: Request) -> Response:
        params = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        url = (self.public or self.url) + request.url.path
        query = request.url.query
        signed_url = f"{url}?{query}" if query else url
        has_valid_signature = RequestValidator(AUTH_TOKEN).validate(
            signed_url, params, request.headers["x-twilio-signature"]
        )
        token = request.headers["i-twilio-idempotency-token"]
        self.calls.append(WebhookCall(request.url.path, query, params, token, has_valid_signature))
        status = self.answers.pop(0) if self.answers else 200
        return Response("<Response/>", status, media_type="text/xml")

    async def file(self, request: Request) -> Response:
        return Response(b"%PDF-1.4 brochure", media_type="application/pdf")


@contextmanager
def running_stub_desk() -> Iterator[StubDesk]:
    desk = StubDesk()
    app = Starlette(
        routes=[
            Route("/message", desk.hook, methods=["POST"]),
            Route("/status", desk.hook, methods=["POST"]),
            Route("/brochure.pdf", desk.file),
        ]
    )
    server = ServerThread(app)
    desk.url = server.url
    try:
        yield desk
    finally:
        server.stop()
