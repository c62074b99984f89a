"""The user's own notification settings, the subscriptions of his browsers, and the files of the installable site."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from relais.action_errors import InvalidField
from relais.notifications import push_subscriptions, pwa
from relais.notifications.forms import PreferencesForm
from relais.notifications.models import NotificationPreferences, PushSubscription
from relais.notifications.notification_kinds import NotificationChannel
from relais.notifications.tasks import push_test
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.responses import (
    AgentRequest,
    agent_required,
    error_response,
    refusal_response,
    success_response,
)
from relais.web.times import ZONE_COOKIE, parse_time_zone

# -- the installable site: public, since these contain nothing of anybody ------------------------------------


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    return JsonResponse(pwa.manifest(), content_type="application/manifest+json")


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    return HttpResponse(pwa.service_worker(), content_type="text/javascript; charset=utf-8")


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    return HttpResponse(pwa.offline_page())


# -- settings -------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def notification_settings(request: AgentRequest) -> HttpResponse:
    own = NotificationPreferences.of(request.user)
    data = request.POST if request.method == "POST" else None
    form = PreferencesForm(data, preferences=own, at=now())
    if not form.is_bound:
        return _settings_page(request, form)
    if not form.is_valid():
        if wants_json(request):
            field, sentences = next(iter(form.errors.items()))
            return error_response(422, field, str(sentences[0]))
        return _settings_page(request, form, status=422)
    zone = request.COOKIES.get(ZONE_COOKIE, "")
    form.save(time_zone=zone if parse_time_zone(zone) else "")
    if wants_json(request):
        return success_response()
    messages.success(request, _("Enregistré."))
    return redirect("notification_settings")


def _settings_page(request: AgentRequest, form: PreferencesForm, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "channels": NotificationChannel,
        "devices": request.user.push_subscriptions.all(),
        "session_key": request.session.session_key,
        "is_silent": form.preferences.is_silent(at=now()),
    }
    return render(request, "notifications/settings.html", context, status=status)


# -- pushes to this browser -------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST", "DELETE"])
@agent_required
def push(request: AgentRequest) -> HttpResponse:
    """GET: the key to subscribe with. POST: a browser's subscription. DELETE: forget the one with that `endpoint`."""
    if request.method == "GET":
        return success_response(application_server_key=_public_key())
    if request.method == "DELETE":
        endpoint = push_subscriptions.endpoint_field(request)
        request.user.push_subscriptions.filter(endpoint=endpoint).delete()
        return success_response()
    try:
        fields = push_subscriptions.subscription_fields(request)
    except InvalidField as refusal:
        return refusal_response(refusal)
    subscription = PushSubscription.subscribe(
        request.user,
        endpoint=fields.endpoint,
        p256dh=fields.p256dh,
        auth=fields.auth,
        session_key=request.session.session_key or "",
        device=push_subscriptions.device_name(request.headers.get("User-Agent", "")),
    )
    response = success_response(id=subscription.pk)
    response.status_code = 201
    return response


def _public_key() -> str:
    # Loaded on first use: the cryptography costs memory that a desk without pushes does not need.
    from relais.notifications.web_push import VapidKey

    return VapidKey(settings.VAPID_KEY).public_key


@require_POST
@agent_required
def remove_device(request: AgentRequest, pk: int) -> HttpResponse:
    get_or_404(request.user.push_subscriptions, pk=pk).delete()
    if wants_json(request):
        return success_response()
    messages.success(request, _("Cet appareil ne recevra plus rien."))
    return redirect("notification_settings")


@require_POST
@agent_required
def test_device(request: AgentRequest, pk: int) -> HttpResponse:
    """Push a trial message to one of the user's own devices."""
    device = get_or_404(request.user.push_subscriptions, pk=pk)
    push_test.defer(subscription_id=device.pk)
    if wants_json(request):
        return success_response()
    messages.success(request, _("Un essai est parti vers cet appareil."))
    return redirect("notification_settings")
