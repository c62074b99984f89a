"""The single-use address where a person sets a password: for a new user, and for one who forgot it."""

from __future__ import annotations

from allauth.account.adapter import get_adapter
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from relais.accounts.models import User


def password_link(user: User) -> str:
    """Good once, and for three days; a change of the password or e-mail, or a sign-in, ends it."""
    return password_address(user_pk_to_url_str(user), default_token_generator.make_token(user))


def password_address(uid: str, key: str) -> str:
    # The public address, whatever Host the request claims: the link goes out by e-mail.
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": key})
    return settings.PUBLIC_BASE_URL + path


def send_invitation(user: User, *, brand: str) -> str:
    """E-mail the link in the person's language, and give it back for whoever invites to pass on by hand."""
    link = password_link(user)
    with translation.override(user.language):
        get_adapter().send_mail(
            "account/email/invitation", user.email, {"user": user, "link": link, "brand": brand}
        )
    return link
