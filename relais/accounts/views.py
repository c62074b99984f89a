"""User management, for super administrators: invite, change, deactivate and reactivate users."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from relais.accounts import audit
from relais.accounts.forms import InvitationForm, UserForm
from relais.accounts.invitation import invite_by_email, password_link
from relais.accounts.models import LastSuperAdmin, User
from relais.accounts.permissions import MANAGE_USERS, AuthenticatedRequest, role_required
from relais.action_errors import NotFound

LINK_SESSION_KEY = "password_link"
"""Keeps a link in the session until the next page has shown it."""


@role_required(MANAGE_USERS)
def users(request: AuthenticatedRequest) -> HttpResponse:
    people = User.objects.select_related("team").order_by("-is_active", Lower("full_name"), "pk")
    return render(request, "accounts/users.html", {"people": people})


@role_required(MANAGE_USERS)
def invite(request: AuthenticatedRequest) -> HttpResponse:
    form = InvitationForm(request.POST or None)
    if not form.is_valid():
        return render(request, "accounts/invite.html", {"form": form}, status=422 if form.is_bound else 200)
    with transaction.atomic():
        person = form.invite(by=request.user)
    link = password_link(person)
    if invite_by_email(person, link):
        messages.success(request, _("Invitation envoyée à %(email)s.") % {"email": person.email})
    return _show_link(request, person, link)


@role_required(MANAGE_USERS)
def user(request: AuthenticatedRequest, pk: int) -> HttpResponse:
    person = _get_person(pk)
    form = UserForm(request.POST or None, initial=_initial(person))
    if form.is_valid() and _apply_or_show_error(request, lambda: form.save(person, by=request.user)):
        messages.success(request, _("Enregistré."))
        return redirect("users")
    context = {"person": person, "form": form, "link": request.session.pop(LINK_SESSION_KEY, {}).get(str(pk))}
    return render(request, "accounts/user.html", context, status=422 if form.is_bound else 200)


def _get_person(pk: int) -> User:
    person = User.objects.select_related("team").filter(pk=pk).first()
    if person is None:
        raise NotFound(_("Cet utilisateur n'existe pas."))
    return person


def _initial(person: User) -> dict[str, Any]:
    return {
        "full_name": person.full_name,
        "role": person.role,
        "team": person.team_id,
        "capacity": person.capacity,
    }


def user_action(action: Callable[[AuthenticatedRequest, User], HttpResponse]) -> Callable[..., HttpResponse]:
    @role_required(MANAGE_USERS)
    @require_POST
    @wraps(action)
    def view(request: AuthenticatedRequest, pk: int) -> HttpResponse:
        return action(request, _get_person(pk))

    return view


@user_action
def link(request: AuthenticatedRequest, person: User) -> HttpResponse:
    audit.record("reset link created", actor=request.user.pk, user=person.pk)
    return _show_link(request, person, password_link(person))


@user_action
def deactivate(request: AuthenticatedRequest, person: User) -> HttpResponse:
    if _apply_or_show_error(request, lambda: person.deactivate(by=request.user, at=now())):
        audit.record("user deactivated", actor=request.user.pk, user=person.pk)
        messages.success(request, _("%(name)s ne peut plus se connecter.") % {"name": person.full_name})
    return redirect("users")


@user_action
def reactivate(request: AuthenticatedRequest, person: User) -> HttpResponse:
    person.reactivate()
    audit.record("user reactivated", actor=request.user.pk, user=person.pk)
    messages.success(request, _("%(name)s peut de nouveau se connecter.") % {"name": person.full_name})
    return redirect("users")


def _apply_or_show_error(request: AuthenticatedRequest, action: Callable[[], None]) -> bool:
    try:
        with transaction.atomic():
            action()
    except LastSuperAdmin as error:
        messages.error(request, str(error))
        return False
    return True


def _show_link(request: AuthenticatedRequest, person: User, link: str) -> HttpResponse:
    # Redirect, with the link in the session: a reload neither repeats the action nor shows the link again.
    request.session[LINK_SESSION_KEY] = {str(person.pk): link}
    return redirect("user", person.pk)
