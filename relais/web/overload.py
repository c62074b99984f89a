"""The answer when there are too many requests for the threads: made by the shell, without a thread and without the
database. A page tries again by itself; a form comes back with a button that sends it once more.
"""

from __future__ import annotations

import random
from functools import lru_cache
from urllib.parse import parse_qsl

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from relais.web.headers import HEADERS
from relais.web.middleware import language_of_cookies

RETRY_SECONDS = range(3, 8)
"""One of these, so that those who were refused together do not come back together."""
MAX_KEPT_FORM_BYTES = 64 * 1024
MAX_KEPT_FIELDS = 100
FORM = "application/x-www-form-urlencoded"
SECRET_PATHS = "/accounts/"  # noqa: S105
"""What is typed there is not written into a page."""


def response(request: Request, body: bytes = b"") -> Response:
    language, seconds = language_of_cookies(request.cookies), random.choice(RETRY_SECONDS)  # noqa: S311
    headers = HEADERS | {"Retry-After": str(seconds), "Content-Language": language}
    with translation.override(language):
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(
                {"success": False, "error": _sentence(), "code": "overloaded"}, 503, headers=headers
            )
        if request.method in ("GET", "HEAD"):
            return HTMLResponse(_page(language, seconds), 503, headers=headers)
        return HTMLResponse(_form_page(request, body), 503, headers=headers)


def _sentence() -> str:
    return _("Relais reçoit trop de demandes en ce moment. Réessayez dans un instant.")


@lru_cache(maxsize=16)
def _page(language: str, seconds: int) -> str:
    return render_to_string(
        "web/overloaded.html",
        {
            "sentence": _("Relais reçoit trop de demandes en ce moment. La page se recharge d'elle-même."),
            "reload_seconds": seconds,
        },
    )


def _form_page(request: Request, body: bytes) -> str:
    kept = _kept_fields(request, body)
    return render_to_string(
        "web/overloaded.html",
        {
            "sentence": _("Relais reçoit trop de demandes en ce moment : rien n'a été enregistré."),
            "fields": kept,
        },
    )


def _kept_fields(request: Request, body: bytes) -> list[tuple[str, str]] | None:
    """The form's fields, None when they cannot or must not stand in a page: its sender has them still."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM or len(body) > MAX_KEPT_FORM_BYTES or request.url.path.startswith(SECRET_PATHS):
        return None
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_KEPT_FIELDS
        )
    except ValueError:
        return None
