"""Static files by WhiteNoise, in threads of their own beside those of Django."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from whitenoise import WhiteNoise

from relais.http_server.django_bridge import SEND_QUEUE_CHUNKS

STATIC_THREADS = 2


def static_files_route(folder: Path) -> Route:
    """The collected files. Browsers keep those with a hash in their name for ever."""
    files = WhiteNoise(_not_found, allow_all_origins=False, immutable_file_test=r"\.[0-9a-f]{12}\.")
    files.add_headers_function = _forbid_sniffing
    if folder.is_dir():
        files.add_files(folder, "static")
    application = WSGIMiddleware(files, workers=STATIC_THREADS, send_queue_size=SEND_QUEUE_CHUNKS)
    return Route("/static/{path:path}", _ASGIApplication(application))


class _ASGIApplication:
    """An object, so that Starlette takes it as an application and not as a view."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def _forbid_sniffing(headers: Any, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


def _not_found(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"No such file."]
