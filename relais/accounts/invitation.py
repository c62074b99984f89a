"""Single-use links to set a password: the invitation of a new user, and the password reset."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from relais.accounts.backends import may_sign_in
from relais.accounts.models import User

log = logging.getLogger(__name__)


def password_link(user: User) -> str:
    """Valid once and for three days (`link_lifetime.py`).

    A new password or e-mail, or a sign-in, invalidates it.
    """
    url_arguments = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    # The public URL and not the Host header, which the client controls: the link is sent by e-mail.
    return settings.PUBLIC_BASE_URL + reverse("account_reset_password_from_key", kwargs=url_arguments)


def invite_by_email(user: User, link: str) -> bool:
    """Send the link in the user's language. False when no mail server accepted it: it must be passed on by hand."""
    with translation.override(user.language):
        try:
            get_adapter().send_mail("account/email/invitation", user.email, {"user": user, "link": link})
        except (OSError, SMTPException):
            log.exception("invitation not sent", extra={"user": user.pk})
            return False
    return "console" not in settings.EMAIL_BACKEND


def send_password_reset_email(user: User) -> None:
    """Send a link in the user's language. Raises OSError or SMTPException when the mail server fails."""
    if may_sign_in(user):
        with translation.override(user.language):
            context = {"user": user, "password_reset_url": password_link(user)}
            get_adapter().render_mail("account/email/password_reset_key", user.email, context).send()
