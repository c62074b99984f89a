"""Who may sign in."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings


class Backend(AuthenticationBackend):
    """E-mail and password. The demo's accounts, whose password is public, exist only in a demo."""

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and may_sign_in(user)

    def _check_password(self, user: Any, password: str) -> Any:
        # Before the password is looked at: allauth lets a user with the right password pass to its own checks.
        return super()._check_password(user, password) if user and may_sign_in(user) else None


def may_sign_in(user: Any) -> bool:
    return settings.DEMO or not user.is_demo
