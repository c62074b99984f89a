"""The route by which Twilio fetches the files of messages: a signed link that expires, without session or cookie.

Everything else is the same 404: a wrong or expired token, another name, a message that was withheld, undone or failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial

from anyio import to_thread
from django.utils import timezone
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from relais.conversations.models import Media
from relais.conversations.states import MediaState
from relais.db_connection import releasing_connection
from relais.files import fetch_links
from relais.files.byte_ranges import content_range, requested_range

FETCHABLE_STATES = ("queued", "sending", "uncertain", "sent", "delivered", "read")
"""A queued message has a link if it was claimed before."""


async def fetch_file(request: Request) -> Response:
    token, name = request.path_params["token"], request.path_params["name"]
    media_id = fetch_links.media_id_of(token, at=timezone.now())
    media = await to_thread.run_sync(_find, media_id, name) if media_id is not None else None
    if media is None or media.file is None:
        return _not_found()
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": media.content_type,  # exactly: Twilio compares it with the file
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, no-store",
        "ETag": f'"{media.file.sha256}"',
        "X-Robots-Tag": "noindex",
    }
    span = requested_range(request.headers.get("range", ""), media.file.size)
    if span is None:
        headers["Content-Range"] = f"bytes */{media.file.size}"
        return Response(status_code=416, headers=headers)
    start, length = span
    is_partial = length < media.file.size
    if is_partial:
        headers["Content-Range"] = content_range(start, length, media.file.size)
    headers["Content-Length"] = str(length)
    status = 206 if is_partial else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    try:
        chunks = await to_thread.run_sync(partial(media.file.read, start=start, length=length))
    except FileNotFoundError:
        return _not_found()
    return StreamingResponse(_stream(chunks), status, headers=headers)


@releasing_connection()
def _find(media_id: int, name: str) -> Media | None:
    media = (
        Media.objects.select_related("file")
        .filter(
            pk=media_id,
            state=MediaState.STORED,
            event__delivery__state__in=FETCHABLE_STATES,
            event__delivery__attempt__gt=0,
        )
        .first()
    )
    is_named = media is not None and fetch_links.link_name(media.filename, media.content_type) == name
    return media if is_named else None


async def _stream(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while chunk := await to_thread.run_sync(next, chunks, b""):
            yield chunk
    finally:
        getattr(chunks, "close", lambda: None)()


def _not_found() -> Response:
    return PlainTextResponse("Not found.", 404, headers={"Cache-Control": "no-store"})


routes: list[BaseRoute] = [Route("/media/{token}/{name}", fetch_file, methods=["GET", "HEAD"])]
