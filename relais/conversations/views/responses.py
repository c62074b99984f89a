"""How the desk answers: a page, a fragment or JSON; who may ask at all; and refusals as sentences, never as stacks."""

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
from relais.conversations.lifecycle import NotAllowed, Refusal, TooLate

P = ParamSpec("P")


class AgentRequest(HttpRequest):
    """A request of someone who is signed in."""

    user: User
    htmx: HtmxDetails


View = Callable[Concatenate[AgentRequest, P], HttpResponse]


class Unfit(Refusal):
    """What was sent cannot be used; `code` names the field."""

    def __init__(self, code: str, sentence: str) -> None:
        self.code = code
        super().__init__(sentence)


def signed_in(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Only for people who are signed in; others are led to the sign-in, programs are told `login`."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not request.user.is_authenticated:
            return sign_in_first(request)
        try:
            return view(request, *args, **kwargs)  # type: ignore[arg-type]
        except Http404:
            if wants_json(request):
                return failed(
                    404, "not_found", _("Cette conversation n'existe pas, ou n'est pas à votre portée.")
                )
            raise

    return guarded  # type: ignore[return-value]


def wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")


def done(**said: Any) -> JsonResponse:
    return JsonResponse({"success": True, **said})


def failed(status: int, code: str, sentence: str, /, **said: Any) -> JsonResponse:
    return JsonResponse({"success": False, "error": sentence, "code": code, **said}, status=status)


def status_of(refusal: Refusal) -> int:
    if isinstance(refusal, NotAllowed):
        return 403
    return 409 if isinstance(refusal, TooLate) else 422


def refused(request: AgentRequest, refusal: Refusal) -> JsonResponse:
    """What a program is told: who holds it, or how it ended."""
    said: dict[str, Any] = {}
    code = refusal.code
    if isinstance(refusal, TooLate):
        said = {"status": refusal.status, "agent": str(refusal.agent) if refusal.agent else None}
        if refusal.agent == request.user:
            code = "wrong_state"
    return failed(status_of(refusal), code, str(refusal), **said)


def sign_in_first(request: HttpRequest) -> HttpResponse:
    """Anonymous: a page leads to the sign-in and back, a program or a fragment is told 401."""
    if wants_json(request):
        return failed(401, "login", _("Votre session est terminée. Connectez-vous de nouveau."))
    to_sign_in = redirect_to_login(_come_back_to(request), resolve_url(settings.LOGIN_URL))
    if getattr(request, "htmx", False):
        return HttpResponse(status=401, headers={"HX-Redirect": to_sign_in["Location"]})
    return to_sign_in


def _come_back_to(request: HttpRequest) -> str:
    """An action has no page of its own: back to its conversation, or to the page it was asked from."""
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
    """A form without our token: from someone whose session is over, from an old page, or from elsewhere."""
    if not request.user.is_authenticated:
        return sign_in_first(request)
    sentence = _(
        "Cette page est restée ouverte trop longtemps, ou vient d'ailleurs. Rechargez-la et recommencez."
    )
    if wants_json(request):
        return failed(403, "csrf", sentence)
    return render(request, "conversations/refused.html", {"sentence": sentence}, status=403)


def back(
    request: AgentRequest, to: str, *args: Any, said: str = "", refusal: Refusal | None = None
) -> HttpResponse:
    """After a form: to a page, with what happened in a sentence."""
    if refusal is not None:
        messages.error(request, str(refusal))
    elif said:
        messages.success(request, said)
    return redirect(to, *args)
