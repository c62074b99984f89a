"""The single-use address where a person sets a password: for a new user, and for one who forgot it."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from relais.accounts.models import User

log = logging.getLogger(__name__)


def password_link(user: User) -> str:
    """Good once, and for three days; a new password or e-mail, or a sign-in, ends it."""
    return password_address(user_pk_to_url_str(user), default_token_generator.make_token(user))


def password_address(uid: str, key: str) -> str:
    # The public address, whatever Host the request claims: the link goes out by e-mail.
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": key})
    return settings.PUBLIC_BASE_URL + path


def invite_by_email(user: User, link: str) -> bool:
    """Send the link in the person's language. False: no mail server, or none that took it; pass it on by hand."""
    with translation.override(user.language):
        try:
            get_adapter().send_mail("account/email/invitation", user.email, {"user": user, "link": link})
        except (OSError, SMTPException):
            log.exception("invitation not sent", extra={"user": user.pk})
            return False
    return "console" not in settings.EMAIL_BACKEND
