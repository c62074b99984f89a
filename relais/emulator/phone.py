"""The simulator's phones in the browser, for demos only. They reach the desk only through the double."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relais.emulator.addresses import format_number
from relais.emulator.media import MAX_MEDIA_BYTES, WHATSAPP_TYPES, clean_content_type
from relais.emulator.phone_language import language_of, translated_page
from relais.environment import ROOT, load
from relais.typography import typeset

FOLDER = Path(__file__).resolve().parent
LONG_POLL_SECONDS = 3
"""Short, so that it never delays the shutdown of the desk."""
MAX_CALL_SECONDS = 60
INLINE_CONTENT_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "audio/", "video/")

HEADERS = {
    b"content-security-policy": b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-cache",
}


@dataclass(frozen=True)
class PhoneConfiguration:
    double_url: str
    company: str


@cache
def configuration() -> PhoneConfiguration:
    environment = load(ROOT, os.environ)
    return PhoneConfiguration(environment.twilio_api_base_url, environment.brand)


async def page(request: Request) -> Response:
    return HTMLResponse(translated_page(language_of(request)))


async def state(request: Request) -> Response:
    """The clients with a phone, and the company they write to."""
    response = await call_double("GET", "/control/state")
    if response.status != 200:
        return response.as_response()
    company = {"name": configuration().company, "number": format_number(response.json["sender"])}
    return JSONResponse(
        {"boot": response.json["boot"], "people": response.json["people"], "company": company}
    )


async def changes(request: Request) -> Response:
    cursor = {name: request.query_params.get(name, "") for name in ("since", "boot")}
    params = {name: value for name, value in cursor.items() if value}
    return (
        await call_double("GET", "/control/changes", params={**params, "wait": str(LONG_POLL_SECONDS)})
    ).as_response()


async def add_client(request: Request) -> Response:
    return await _forward(request, "/control/people")


async def remove_client(request: Request) -> Response:
    address = quote(request.path_params["address"], safe="")
    return (await call_double("DELETE", f"/control/people/{address}")).as_response()


async def write(request: Request) -> Response:
    return await _forward(request, "/control/inbound")


async def read(request: Request) -> Response:
    return await _forward(request, "/control/read")


async def upload(request: Request) -> Response:
    content_type = clean_content_type(request.headers.get("content-type", ""))
    if content_type not in WHATSAPP_TYPES:
        return _error_response(
            415, "WhatsApp n'accepte pas ce type de fichier. Envoyez une photo, un PDF, un son ou une vidéo."
        )
    if int(request.headers.get("content-length") or 0) > MAX_MEDIA_BYTES:
        return _error_response(413, "Ce fichier dépasse 16 Mo, la limite de WhatsApp.")
    headers = {"Content-Type": content_type, "X-Filename": request.headers.get("x-filename", "")}
    return (
        await call_double("POST", "/control/uploads", data=request.stream(), headers=headers)
    ).as_response()


async def media(request: Request) -> Response:
    response = await call_double("GET", f"/control/media/{quote(request.path_params['sid'], safe='')}")
    if response.status != 200:
        return response.as_response()
    is_inline = response.content_type.startswith(INLINE_CONTENT_TYPES)
    disposition = (
        response.disposition if is_inline else response.disposition.replace("inline", "attachment", 1)
    )
    return Response(
        response.body, media_type=response.content_type, headers={"Content-Disposition": disposition}
    )


@dataclass(frozen=True)
class DoubleResponse:
    status: int
    body: bytes
    content_type: str
    disposition: str
    json: Any

    def as_response(self) -> Response:
        return Response(self.body, self.status, media_type="application/json")


async def call_double(method: str, path: str, **options: Any) -> DoubleResponse:
    import aiohttp  # Large: the desk starts faster without it.

    # One session per call: on loopback it costs nothing, and nothing has to be closed when the desk stops.
    timeout = aiohttp.ClientTimeout(total=MAX_CALL_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, configuration().double_url + path, **options) as reply,
        ):
            body = await reply.read()
            is_json = reply.content_type == "application/json"
            json = await reply.json() if is_json else None
            disposition = reply.headers.get("Content-Disposition", "attachment")
            return DoubleResponse(reply.status, body, reply.content_type, disposition, json)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        error = _error_response(
            502, typeset("Le téléphone n'a pas de réseau : le double de Twilio ne répond pas.")
        )
        return DoubleResponse(502, bytes(error.body), "application/json", "", None)


async def _forward(request: Request, path: str) -> Response:
    headers = {"Content-Type": "application/json"}
    return (await call_double("POST", path, data=await request.body(), headers=headers)).as_response()


def _error_response(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def same_origin(
    function: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Against CSRF: no form of another site may write in a client's name."""

    async def endpoint(request: Request) -> Response:
        origin = request.headers.get("origin")
        is_foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if is_foreign or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
            return _error_response(403, "Cette action ne vient pas de la page du téléphone.")
        return await function(request)

    return endpoint


class SecurityHeaders:
    """Adds a content security policy and the like."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in HEADERS]
                message["headers"] = [*kept, *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, send_with_headers)


_router = Router(
    routes=[
        Route("/", page),
        Route("/api/state", state),
        Route("/api/changes", changes),
        Route("/api/people", same_origin(add_client), methods=["POST"]),
        Route("/api/people/{address}", same_origin(remove_client), methods=["DELETE"]),
        Route("/api/messages", same_origin(write), methods=["POST"]),
        Route("/api/read", same_origin(read), methods=["POST"]),
        Route("/api/uploads", same_origin(upload), methods=["POST"]),
        Route("/api/media/{sid}", media),
        Mount("/static", StaticFiles(directory=FOLDER / "static/emulator")),
    ]
)

routes: list[BaseRoute] = [
    Route("/simulator", SecurityHeaders(Router(routes=[Route("/simulator", page)]))),
    Mount("/simulator", SecurityHeaders(_router)),
]
