"""Log sign-ins, sign-outs and password changes: by user id, never by name or e-mail."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.signals import password_changed, password_reset
from django.contrib.auth.signals import user_logged_in, user_logged_out

log = logging.getLogger(__name__)


def log_sign_in(sender: Any, *, user: Any, **kwargs: Any) -> None:
    log.info("signed in", extra={"user": user.pk})


def log_sign_out(sender: Any, *, user: Any, **kwargs: Any) -> None:
    if user is not None:
        log.info("signed out", extra={"user": user.pk})


def log_password_change(sender: Any, *, user: Any, **kwargs: Any) -> None:
    log.info("password changed", extra={"user": user.pk})


def connect_signals() -> None:
    user_logged_in.connect(log_sign_in, dispatch_uid="auth_logging")
    user_logged_out.connect(log_sign_out, dispatch_uid="auth_logging")
    for signal in (password_changed, password_reset):
        signal.connect(log_password_change, dispatch_uid="auth_logging")
