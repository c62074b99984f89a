"""A desk of the simplest kind: keeps what Twilio posts, checks its signature, answers as told."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from twilio.request_validator import RequestValidator

from relais.emulator.testing import TOKEN, ServerThread


@dataclass
class Call:
    path: str
    query: str
    params: dict[str, str]
    token: str
    genuine: bool


@dataclass
class Desk:
    url: str = ""
    public: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """The next statuses; when used up, 200."""

    def posts_to(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def statuses(self) -> list[str]:
        return [call.params["MessageStatus"] for call in self.posts_to("/status")]

    async def hook(self, request: Request) -> Response:
        params = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        called = (self.public or self.url) + request.url.path
        query = request.url.query
        signed = f"{called}?{query}" if query else called
        genuine = RequestValidator(TOKEN).validate(signed, params, request.headers["x-twilio-signature"])
        token = request.headers["i-twilio-idempotency-token"]
        self.calls.append(Call(request.url.path, query, params, token, genuine))
        status = self.answers.pop(0) if self.answers else 200
        return Response("<Response/>", status, media_type="text/xml")

    async def file(self, request: Request) -> Response:
        return Response(b"%PDF-1.4 brochure", media_type="application/pdf")


@contextmanager
def running_desk() -> Iterator[Desk]:
    desk = Desk()
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
