"""Responses of the desk: authentication of its views, JSON successes and errors, redirects with a message.

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
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from relais.accounts.models import User
from relais.conversations.errors import ActionRefused, NotAllowed, StateConflict
from relais.conversations.models import Conversation

P = ParamSpec("P")


class AgentRequest(HttpRequest):
    """A request of someone who is signed in."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[AgentRequest, P], HttpResponse]


class InvalidField(ActionRefused):
    """A form field with an unusable value; `code` names the field."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def agent_required(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Require a signed-in user of any role. Redirect others to the sign-in page; answer programs with 401 `login`."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return login_required_response(request)
        try:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        except Http404:
            if wants_json(request):
                return error_response(
                    404, "not_found", _("Cette conversation n'existe pas, ou n'est pas à votre portée.")
                )
            raise

    return wrapper  # type: ignore[return-value]


def get_conversation(request: AgentRequest, pk: int) -> Conversation:
    """The conversation, if it is within the user's reach; else 404."""
    reachable = request.user.reachable_conversations().select_related("address", "client", "agent", "team")
    conversation: Conversation = get_object_or_404(reachable, pk=pk)
    return conversation


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def success_response(**fields: Any) -> JsonResponse:
    return JsonResponse({"success": True, **fields})


def error_response(status: int, code: str, message: str, /, **fields: Any) -> JsonResponse:
    return JsonResponse({"success": False, "error": message, "code": code, **fields}, status=status)


def http_status(refusal: ActionRefused) -> int:
    if isinstance(refusal, NotAllowed):
        return 403
    return 409 if isinstance(refusal, StateConflict) else 422


def refusal_response(request: AgentRequest, refusal: ActionRefused) -> JsonResponse:
    """The refusal as JSON: a conflict names who holds the conversation, or how it ended."""
    fields: dict[str, Any] = {}
    code = refusal.code
    if isinstance(refusal, StateConflict):
        fields = {"status": refusal.status, "agent": str(refusal.agent) if refusal.agent else None}
        if refusal.agent == request.user:
            code = "wrong_state"
    return error_response(http_status(refusal), code, str(refusal), **fields)


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
    return render(request, "conversations/csrf_failure.html", {"message": message}, status=403)


def redirect_with_message(
    request: AgentRequest, to: str, *args: Any, message: str = "", refusal: ActionRefused | None = None
) -> HttpResponse:
    """After a form: redirect to a page that shows what happened."""
    if refusal is not None:
        messages.error(request, str(refusal))
    elif message:
        messages.success(request, message)
    return redirect(to, *args)
