"""The status page « État » for admins, and the alert badge that links to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from relais.accounts.permissions import SEE_STATE, role_required
from relais.ops.watch.alert_badge import alert_badge
from relais.ops.watch.checks import Level, run_checks
from relais.ops.watch.stats import hourly_stats
from relais.ops.watch.version import version

View = Callable[[HttpRequest], HttpResponse]


def polled_view(view: View) -> View:
    """A view that the page polls: 401 without a session, instead of a redirect to the login; never cached."""

    @wraps(view)
    def wrapper(request: HttpRequest) -> HttpResponse:
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            return HttpResponse(status=401)
        return view(request)

    return never_cache(wrapper)


@polled_view
@role_required(SEE_STATE)
def state(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    checks = run_checks(at)
    context = {
        "at": at,
        "checks": checks,
        "stats": list(hourly_stats(at)),
        "danger_count": sum(check.level is Level.DANGER for check in checks),
        "attention_count": sum(check.level is Level.ATTENTION for check in checks),
        "version": version(),
    }
    template = "watch/_state.html" if request.headers.get("HX-Request") else "watch/state.html"
    return render(request, template, context)


@polled_view
@role_required(SEE_STATE)
def state_alert_badge(request: HttpRequest) -> HttpResponse:
    return render(request, "watch/_alert_badge.html", {"alert_badge_is_red": alert_badge.is_red()})
