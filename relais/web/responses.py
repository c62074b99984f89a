"""Responses that the views of all rooms share: sign-in required, JSON successes and errors, redirects with a message.

Errors are sentences for a person, never stack traces.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from relais.accounts.models import User
from relais.action_errors import ActionRefused
from relais.web.errors import wants_json
from relais.web.not_found import sentence_of

P = ParamSpec("P")


class AgentRequest(HttpRequest):
    """A request of someone who is signed in."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[AgentRequest, P], HttpResponse]


def agent_required(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Require a signed-in user of any role. Redirect others to the sign-in page; answer programs with 401 `login`."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return login_required_response(request)
        try:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        except Http404 as missing:
            if wants_json(request):
                return error_response(404, "not_found", sentence_of(missing))
            raise

    return wrapper


def success_response(**fields: Any) -> JsonResponse:
    return JsonResponse({"success": True, **fields})


def error_response(status: int, code: str, message: str, /, **fields: Any) -> JsonResponse:
    return JsonResponse({"success": False, "error": message, "code": code, **fields}, status=status)


def refusal_response(refusal: ActionRefused, /, **fields: Any) -> JsonResponse:
    """The refusal as JSON. `fields` are added to it."""
    fields = {"code": refusal.code} | fields
    return error_response(refusal.http_status, fields.pop("code"), str(refusal), **fields)


def login_required_response(request: HttpRequest) -> HttpResponse:
    """For the anonymous: redirect a page to the sign-in and back; answer a program or an htmx request with 401."""
    if wants_json(request):
        return error_response(401, "login", _("Votre session est terminée. Connectez-vous de nouveau."))
    to_sign_in = redirect_to_login(_next_url(request), resolve_url(settings.LOGIN_URL))
    if getattr(request, "htmx", False):
        return HttpResponse(status=401, headers={"HX-Redirect": to_sign_in["Location"]})
    return to_sign_in


def _next_url(request: HttpRequest) -> str:
    """The page to return to after signing in: for an action, its conversation; for htmx, the page it was on."""
    if getattr(request, "htmx", False):
        try:
            return urlsplit(request.headers.get("HX-Current-URL", "")).path or reverse("dashboard")
        except ValueError:
            return reverse("dashboard")
    if request.method in ("GET", "HEAD"):
        return request.get_full_path()
    match = request.resolver_match
    return (
        reverse("chat", args=[match.kwargs["pk"]]) if match and "pk" in match.kwargs else reverse("dashboard")
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid CSRF token: the session has ended, the page is too old, or the form is another site's."""
    if not request.user.is_authenticated:
        return login_required_response(request)
    message = _(
        "Cette page est restée ouverte trop longtemps, ou vient d'ailleurs. Rechargez-la et recommencez."
    )
    if wants_json(request):
        return error_response(403, "csrf", message)
    return render(request, "web/csrf_failure.html", {"message": message}, status=403)


def redirect_with_message(
    request: AgentRequest,
    to: str,
    *args: Any,
    message: str = "",
    undo_url: str = "",
    refusal: ActionRefused | None = None,
) -> HttpResponse:
    """After a form: redirect to a page that shows what happened, with a button that posts to `undo_url`."""
    if refusal is not None:
        messages.error(request, str(refusal))
    elif message:
        messages.success(request, message, extra_tags=undo_url)
    return redirect(to, *args)
