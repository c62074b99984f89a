"""The client's phone in the browser, for the demo only. It reaches the desk through the double and no other way."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relais.emulator.addresses import shown
from relais.emulator.media import LARGEST, plain_type
from relais.environment import ROOT, load
from relais.typography import typeset

HERE = Path(__file__).resolve().parent
WAIT = 3
"""Seconds a poll stays open: short, so that it never holds up the stopping of the desk."""
PLAYABLE = ("image/jpeg", "image/png", "image/webp", "image/gif", "audio/", "video/")
SENDABLE = {
    *("image/jpeg", "image/png", "image/webp"),
    *("audio/ogg", "audio/amr", "audio/3gpp", "audio/aac", "audio/mpeg", "video/mp4"),
    *("application/pdf", "application/msword", "text/vcard", "text/x-vcard"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""What WhatsApp takes."""

HEADERS = {
    b"content-security-policy": b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-cache",
}


@dataclass(frozen=True)
class Line:
    """Where the phone is connected, and whom it writes to."""

    double: str
    company: str


@cache
def line() -> Line:
    environment = load(ROOT, os.environ)
    return Line(environment.twilio_api_base_url, environment.brand)


async def page(request: Request) -> Response:
    return FileResponse(HERE / "templates/emulator/phone.html", media_type="text/html")


async def state(request: Request) -> Response:
    """Who has a phone, and the company they write to."""
    told = await ask("GET", "/control/state")
    if told.status != 200:
        return told.as_response()
    company = {"name": line().company, "number": shown(told.json["sender"])}
    return JSONResponse({"boot": told.json["boot"], "people": told.json["people"], "company": company})


async def changes(request: Request) -> Response:
    asked = {name: request.query_params.get(name, "") for name in ("since", "boot")}
    params = {name: value for name, value in asked.items() if value}
    return (await ask("GET", "/control/changes", params={**params, "wait": str(WAIT)})).as_response()


async def add_person(request: Request) -> Response:
    return await _forwarded(request, "/control/people")


async def remove_person(request: Request) -> Response:
    address = quote(request.path_params["address"], safe="")
    return (await ask("DELETE", f"/control/people/{address}")).as_response()


async def write(request: Request) -> Response:
    return await _forwarded(request, "/control/inbound")


async def read(request: Request) -> Response:
    return await _forwarded(request, "/control/read")


async def upload(request: Request) -> Response:
    content_type = plain_type(request.headers.get("content-type", ""))
    if content_type not in SENDABLE:
        return _refused(
            415, "WhatsApp n'accepte pas ce type de fichier. Envoyez une photo, un PDF, un son ou une vidéo."
        )
    if int(request.headers.get("content-length") or 0) > LARGEST:
        return _refused(413, "Ce fichier dépasse 16 Mo, la limite de WhatsApp.")
    headers = {"Content-Type": content_type, "X-Filename": request.headers.get("x-filename", "")}
    return (await ask("POST", "/control/uploads", data=request.stream(), headers=headers)).as_response()


async def media(request: Request) -> Response:
    told = await ask("GET", f"/control/media/{quote(request.path_params['sid'], safe='')}")
    if told.status != 200:
        return told.as_response()
    shows = told.content_type.startswith(PLAYABLE)
    disposition = told.disposition if shows else told.disposition.replace("inline", "attachment", 1)
    return Response(told.body, media_type=told.content_type, headers={"Content-Disposition": disposition})


@dataclass(frozen=True)
class Told:
    """What the double answered."""

    status: int
    body: bytes
    content_type: str
    disposition: str
    json: Any

    def as_response(self) -> Response:
        return Response(self.body, self.status, media_type="application/json")


async def ask(method: str, path: str, **options: Any) -> Told:
    import aiohttp  # Large, and the desk starts sooner without.

    # One session a call: on loopback it costs nothing, and there is nothing to close when the desk stops.
    timeout = aiohttp.ClientTimeout(total=60)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(method, line().double + path, **options) as answer,
        ):
            body = await answer.read()
            is_json = answer.content_type == "application/json"
            told = await answer.json() if is_json else None
            disposition = answer.headers.get("Content-Disposition", "attachment")
            return Told(answer.status, body, answer.content_type, disposition, told)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        refusal = _refused(
            502, typeset("Le téléphone n'a pas de réseau : le double de Twilio ne répond pas.")
        )
        return Told(502, bytes(refusal.body), "application/json", "", None)


async def _forwarded(request: Request, path: str) -> Response:
    headers = {"Content-Type": "application/json"}
    return (await ask("POST", path, data=await request.body(), headers=headers)).as_response()


def _refused(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def same_origin(
    function: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Only the phone's own page may act: no form of another site writes in a client's name."""

    async def endpoint(request: Request) -> Response:
        origin = request.headers.get("origin")
        foreign = request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if foreign or (origin is not None and urlsplit(origin).netloc != request.headers.get("host")):
            return _refused(403, "Cette action ne vient pas de la page du téléphone.")
        return await function(request)

    return endpoint


class Guarded:
    """Adds the headers that keep a page from running what is not ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in HEADERS]
                message["headers"] = [*kept, *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, guarded)


_inside = Router(
    routes=[
        Route("/", page),
        Route("/api/state", state),
        Route("/api/changes", changes),
        Route("/api/people", same_origin(add_person), methods=["POST"]),
        Route("/api/people/{address}", same_origin(remove_person), methods=["DELETE"]),
        Route("/api/messages", same_origin(write), methods=["POST"]),
        Route("/api/read", same_origin(read), methods=["POST"]),
        Route("/api/uploads", same_origin(upload), methods=["POST"]),
        Route("/api/media/{sid}", media),
        Mount("/static", StaticFiles(directory=HERE / "static/emulator")),
    ]
)

routes: list[BaseRoute] = [
    Route("/simulator", Guarded(Router(routes=[Route("/simulator", page)]))),
    Mount("/simulator", Guarded(_inside)),
]
