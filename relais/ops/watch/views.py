"""The page « État », for admins, and the light that leads to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from relais.accounts.permissions import role_required
from relais.accounts.roles import Role
from relais.ops.watch.alert_badge import light
from relais.ops.watch.checks import Level, signs
from relais.ops.watch.stats import figures
from relais.ops.watch.version import version

View = Callable[[HttpRequest], HttpResponse]


def asked_again(view: View) -> View:
    """A page that asks by itself is told 401 when its reader has left, instead of being led to the sign-in."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            return HttpResponse(status=401)
        return view(request)

    return never_cache(answer)


@asked_again
@role_required(Role.ADMIN)
def state(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    found = signs(at)
    shown = {
        "at": at,
        "signs": found,
        "figures": list(figures(at)),
        "red": sum(sign.level is Level.DANGER for sign in found),
        "amber": sum(sign.level is Level.ATTENTION for sign in found),
        "version": version(),
    }
    return render(
        request, "watch/_state.html" if request.headers.get("HX-Request") else "watch/state.html", shown
    )


@asked_again
@role_required(Role.ADMIN)
def state_light(request: HttpRequest) -> HttpResponse:
    return render(request, "watch/_light.html", {"light_is_red": light.is_red()})
