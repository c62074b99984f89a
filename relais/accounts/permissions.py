"""Who may open a page: roles as a decorator."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from relais.accounts.models import Role, User

View = Callable[..., HttpResponse]


class UserRequest(HttpRequest):
    """A request of someone who is signed in."""

    user: User


def at_least(role: Role) -> Callable[[View], View]:
    """Only for people of this role and above: others get 403, the anonymous are led to the sign-in."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path() if request.method == "GET" else "/dashboard")
            if not request.user.is_at_least(role):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate
