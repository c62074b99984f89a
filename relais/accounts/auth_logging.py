"""Who comes and goes, for the journal: by number, never by name or e-mail."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.signals import password_changed, password_reset
from django.contrib.auth.signals import user_logged_in, user_logged_out

log = logging.getLogger(__name__)


def came(sender: Any, *, user: Any, **rest: Any) -> None:
    log.info("signed in", extra={"user": user.pk})


def went(sender: Any, *, user: Any, **rest: Any) -> None:
    if user is not None:
        log.info("signed out", extra={"user": user.pk})


def changed_password(sender: Any, *, user: Any, **rest: Any) -> None:
    log.info("password changed", extra={"user": user.pk})


def listen() -> None:
    for signal in (password_changed, password_reset):
        signal.connect(changed_password, dispatch_uid="journal")
    user_logged_in.connect(came, dispatch_uid="journal")
    user_logged_out.connect(went, dispatch_uid="journal")
