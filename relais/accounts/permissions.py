"""Which role each group of pages requires, and the decorator that requires it.

What a user may do with one conversation is in `relais.conversations.permissions`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from relais.accounts.models import User
from relais.accounts.roles import Role

MANAGE_TAGS = Role.SUPERVISOR
IMPORT_CLIENTS = Role.SUPERVISOR
MANAGE_FLOWS = Role.ADMIN
CHANGE_SETTINGS = Role.ADMIN
SEE_STATE = Role.ADMIN
MANAGE_USERS = Role.SUPER_ADMIN

View = Callable[..., HttpResponse]


class AuthenticatedRequest(HttpRequest):
    """The request that a view under `role_required` gets: its user is signed in."""

    user: User


def role_required(role: Role) -> Callable[[View], View]:
    """Require this role or one above it: other users get 403, anonymous ones the sign-in page."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path() if request.method == "GET" else "/dashboard")
            if not request.user.is_at_least(role):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return wrapper

    return decorate
