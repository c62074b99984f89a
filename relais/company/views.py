"""The settings page, for administrators: brand, texts, and the status of the WhatsApp connection."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from relais.accounts import audit
from relais.accounts.permissions import CHANGE_SETTINGS, AuthenticatedRequest, role_required
from relais.company import messenger
from relais.company.forms import SettingsForm, TestMessageForm


@role_required(CHANGE_SETTINGS)
def edit_settings(request: AuthenticatedRequest) -> HttpResponse:
    form = SettingsForm(request.POST or None)
    if not form.is_valid():
        return _render_page(request, form=form, status=422 if form.is_bound else 200)
    with transaction.atomic():
        form.save(by=request.user)
    messages.success(request, _("Réglages enregistrés."))
    return redirect("settings")


@role_required(CHANGE_SETTINGS)
@require_POST
def test_message(request: AuthenticatedRequest) -> HttpResponse:
    form = TestMessageForm(request.POST)
    if not form.is_valid():
        return _render_page(request, test=form, status=422)
    try:
        sid = messenger.send_test_message(form.cleaned_data["to"], form.cleaned_data["text"])
    except messenger.CannotSendTestMessage as error:
        return _render_page(request, test=form, error=str(error), status=422)
    audit.record("test message sent", actor=request.user.pk, sid=sid)
    return _render_page(request, test=form, sid=sid)


def _render_page(request: HttpRequest, *, status: int = 200, **context: Any) -> HttpResponse:
    context = {
        "form": SettingsForm(),
        "test": TestMessageForm(),
        "state": messenger.connection_summary(),
        "credentials": messenger.configured_credentials(),
        "addresses": messenger.webhook_urls(),
        "studio_addresses": messenger.studio_hook_urls(),
        "is_https": settings.PUBLIC_BASE_URL.startswith("https://"),
        **context,
    }
    return render(request, "company/settings.html", context, status=status)
