"""What allauth asks us: who may come in, how failures are counted, where it may lead people."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from relais.accounts.login_delay import delay_response
from relais.accounts.login_throttle import LoginThrottle

log = logging.getLogger(__name__)


class Adapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("L'e-mail ou le mot de passe n'est pas le bon."),
        "too_many_login_attempts": _("Trop d'essais manqués. Attendez cinq minutes, puis réessayez."),
        "enter_current_password": _("Ce n'est pas votre mot de passe actuel."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        """Only addresses of the host that was asked; not those of every host we answer for."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts={self.request.get_host()})

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address whose failures are counted together; requests over a socket file have none."""
        return request.META.get("REMOTE_ADDR") or "local"

    # Failures are counted by ours and not by allauth's limit: that one counts every attempt and takes successes
    # back, by way of a lock in the cache for which it waits a second. When a shift began, half of it stayed outside.

    @transaction.atomic
    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        return super().authenticate(request, **credentials)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        attempt = self._attempt(request, credentials)
        delay_response(request, attempt.delay_seconds(now()))
        attempt.wait_for_others()
        if attempt.is_one_too_many(now()):
            log.warning("sign-in refused: too many failures")
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        self._attempt(request, credentials).failed(now())
        log.info("sign-in refused")

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        # allauth's name for it: called once a new password was set by a link.
        self._attempt(request, credentials).forgive()

    def _attempt(self, request: HttpRequest, credentials: dict[str, Any]) -> LoginThrottle:
        return LoginThrottle(credentials.get("email", ""), self.get_client_ip(request))
