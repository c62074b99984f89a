"""The response to a request whose body is too large (413): made on the event loop, without thread or database."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from relais.web.headers import HEADERS
from relais.web.language_tags import language_tag
from relais.web.middleware import language_of_cookies

MEGABYTE = 1_000_000


def too_large_response(request: Request, max_bytes: int) -> Response:
    language = language_of_cookies(request.cookies)
    headers = HEADERS | {"Content-Language": language_tag(language)}
    with translation.override(language):
        sentence = _(
            "Cet envoi dépasse %(megabytes)s Mo : rien n'a été enregistré. Allégez-le, puis réessayez."
        )
        sentence %= {"megabytes": max_bytes // MEGABYTE}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(
                {"success": False, "error": sentence, "code": "too_large"}, 413, headers=headers
            )
        page = render_to_string("web/error.html", {"title": _("Envoi trop grand"), "sentence": sentence})
        return HTMLResponse(page, 413, headers=headers)
