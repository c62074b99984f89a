"""The response to a request that was shed (503, Retry-After): made on the event loop, without thread or database.

A page retries by itself. A form comes back with a button that submits it once more.
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
from relais.web.language_tags import language_tag
from relais.web.middleware import language_of_cookies

RETRY_SECONDS = range(3, 8)
"""Chosen at random (jitter), so that clients refused together do not retry together."""
MAX_RESUBMIT_FORM_BYTES = 64 * 1024
MAX_RESUBMIT_FIELDS = 100
FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
SECRET_PATH_PREFIX = "/accounts/"  # noqa: S105
"""Passwords typed there must not be written into a page."""


def overloaded_response(request: Request, body: bytes = b"") -> Response:
    language, seconds = language_of_cookies(request.cookies), random.choice(RETRY_SECONDS)  # noqa: S311
    headers = HEADERS | {"Retry-After": str(seconds), "Content-Language": language_tag(language)}
    with translation.override(language):
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(
                {"success": False, "error": _error_text(), "code": "overloaded"}, 503, headers=headers
            )
        if request.method in ("GET", "HEAD"):
            return HTMLResponse(_page(language, seconds), 503, headers=headers)
        return HTMLResponse(_form_page(request, body), 503, headers=headers)


def _error_text() -> str:
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
    return render_to_string(
        "web/overloaded.html",
        {
            "sentence": _("Relais reçoit trop de demandes en ce moment : rien n'a été enregistré."),
            "fields": _resubmit_fields(request, body),
        },
    )


def _resubmit_fields(request: Request, body: bytes) -> list[tuple[str, str]] | None:
    """The form's fields. None if they cannot or must not stand in a page: the browser still has them."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_secret = request.url.path.startswith(SECRET_PATH_PREFIX)
    if content_type != FORM_CONTENT_TYPE or len(body) > MAX_RESUBMIT_FORM_BYTES or is_secret:
        return None
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_RESUBMIT_FIELDS
        )
    except ValueError:
        return None
