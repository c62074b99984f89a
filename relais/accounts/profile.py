"""The page where a user edits his own name, photo, language, signature and preferences; and the photos of all users."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from relais.accounts.forms import ProfileForm
from relais.accounts.models import User, UserPhoto
from relais.accounts.permissions import AuthenticatedRequest, role_required
from relais.accounts.roles import Role
from relais.action_errors import NotFound

PHOTO_CACHE_SECONDS = 365 * 24 * 3600
"""The URL of a photo changes with it."""


@role_required(Role.AGENT)
def profile(request: AuthenticatedRequest) -> HttpResponse:
    user = User.objects.get(pk=request.user.pk)
    form = ProfileForm(request.POST or None, request.FILES or None, instance=user)
    if form.is_valid():
        form.save()
        with translation.override(user.language):
            messages.success(request, _("Enregistré."))
        return redirect("profile")
    context = {"form": form, "person": request.user}
    return render(request, "accounts/profile.html", context, status=422 if form.is_bound else 200)


@login_required
@require_safe
def photo(request: HttpRequest, pk: int) -> HttpResponse:
    photo = UserPhoto.objects.filter(pk=pk).first()
    if photo is None:
        raise NotFound(_("Cette personne n'a pas de photo."))
    response = HttpResponse(bytes(photo.image), content_type="image/webp")
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = f"private, max-age={PHOTO_CACHE_SECONDS}, immutable"
    return response
