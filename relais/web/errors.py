"""Error handlers: a sentence, as a page or as JSON; never a stack trace, never an exception's text."""

from __future__ import annotations

import sys
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from relais.action_errors import NotFound
from relais.web.middleware import language_of_browser

DATABASE_OUTAGE_ERRORS = (OperationalError, InterfaceError, psycopg.OperationalError)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return _error_response(
        request, 400, "bad_request", _("Demande non comprise"), _("Revenez en arrière et réessayez.")
    )


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    sentence = _("Votre rôle ne permet pas d'ouvrir cette page. Adressez-vous à un administrateur.")
    return _error_response(request, 403, "forbidden", _("Accès réservé"), sentence)


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    sentence = (
        exception.sentence
        if isinstance(exception, NotFound)
        else _("Cette page n'existe pas, ou elle n'est pas à votre portée.")
    )
    return _error_response(request, 404, "not_found", _("Page introuvable"), sentence)


def too_many_requests(request: HttpRequest, exception: Any = None) -> HttpResponse:
    sentence = _("Trop d'essais en peu de temps. Attendez cinq minutes, puis réessayez.")
    return _error_response(request, 429, "too_many", _("Un peu de patience"), sentence)


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the exception is being handled, whether a view, a template or a middleware raised it."""
    with translation.override(language_of_browser(request)):
        if isinstance(sys.exc_info()[1], DATABASE_OUTAGE_ERRORS):
            return _database_unavailable(request)
        sentence = _(
            "L'erreur est notée dans le journal. Réessayez ; si cela continue, prévenez un administrateur."
        )
        return _error_response(request, 500, "error", _("Quelque chose n'a pas marché"), sentence)


def _database_unavailable(request: HttpRequest) -> HttpResponse:
    sentence = _("La base de données ne répond pas. La page se recharge d'elle-même.")
    response = _error_response(
        request, 503, "database", _("Un instant"), sentence, reload=request.method == "GET"
    )
    response["Retry-After"] = "5"
    return response


def _error_response(
    request: HttpRequest, status: int, code: str, title: str, sentence: str, *, reload: bool = False
) -> HttpResponse:
    if wants_json(request):
        return JsonResponse({"success": False, "error": sentence, "code": code}, status=status)
    # Without the request: its context processors would query the database.
    page = render_to_string("web/error.html", {"title": title, "sentence": sentence, "reload": reload})
    return HttpResponse(page, status=status)


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")
