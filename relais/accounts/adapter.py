"""allauth's adapter: closed sign-up, rate limit of failed sign-ins, safe redirects."""

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
from relais.accounts.login_throttle import TOO_MANY_FAILURES, LoginThrottle

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("L'e-mail ou le mot de passe n'est pas le bon."),
        "too_many_login_attempts": TOO_MANY_FAILURES,
        "enter_current_password": _("Ce n'est pas votre mot de passe actuel."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str) -> bool:
        """Redirect to the host of the request only, not to every allowed host."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts={self.request.get_host()})

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that failures are counted by; a request over a UNIX socket has none."""
        return request.META.get("REMOTE_ADDR") or "local"

    # LoginThrottle replaces allauth's rate limit, which counts every attempt and takes successes back, under a lock in
    # the cache that it waits for one second: when a whole shift signed in at once, half of it was refused.

    @transaction.atomic
    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        return super().authenticate(request, **credentials)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        throttle = self._throttle(request, credentials)
        delay_response(request, throttle.delay_seconds(now()))
        throttle.lock()
        if throttle.is_exceeded(now()):
            log.warning("sign-in refused: too many failures")
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        self._throttle(request, credentials).record_failure(now())
        log.info("sign-in refused")

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        # allauth calls it after a password was set by a reset link.
        self._throttle(request, credentials).reset()

    def _throttle(self, request: HttpRequest, credentials: dict[str, Any]) -> LoginThrottle:
        return LoginThrottle(credentials.get("email", ""), self.get_client_ip(request))
