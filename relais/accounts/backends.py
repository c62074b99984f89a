"""The authentication backend: e-mail and password, for users who may sign in."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.conf import settings


class Backend(AuthenticationBackend):
    """E-mail and password. Demo accounts, whose password is public, may sign in to a demo only.

    Sessions store the path of this class: renaming it signs everybody out.
    """

    def user_can_authenticate(self, user: Any) -> bool:
        return super().user_can_authenticate(user) and may_sign_in(user)

    def _check_password(self, user: Any, password: str) -> Any:
        # Checked before the password: allauth passes a user with the right password on to its own checks.
        return super()._check_password(user, password) if user and may_sign_in(user) else None


def may_sign_in(user: Any) -> bool:
    return settings.DEMO or not user.is_demo
