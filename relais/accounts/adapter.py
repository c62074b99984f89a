"""What allauth asks us: who may come in, how failures are counted, where it may lead people."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from relais.accounts.invitation import password_address


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

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # By account *and* address: else anyone who knows an agent's e-mail could keep him out.
        return f"{credentials.get('email', '').strip().lower()} {self.get_client_ip(request)}"

    def get_reset_password_from_key_url(self, key: str) -> str:
        return password_address(*key.split("-", 1))
