"""The demo's users. Their password is public: outside a demo they cannot sign in."""

from __future__ import annotations

from django.db import transaction

from relais.accounts.models import User
from relais.accounts.roles import Role
from relais.demo_accounts import DEMO_ACCOUNTS, DEMO_PASSWORD

DEMO_NAMES_AND_ROLES = (
    ("Nadia Benali", Role.SUPER_ADMIN),
    ("Mariam Traoré", Role.SUPERVISOR),
    ("Awa Diop", Role.AGENT),
    ("Koffi Mensah", Role.AGENT),
)
"""In the order of DEMO_ACCOUNTS."""


@transaction.atomic
def create_demo_users() -> list[User]:
    """Create the missing users; existing ones keep what a visitor changed."""
    existing = {user.email: user for user in User.objects.filter(email__in=DEMO_ACCOUNTS)}
    return [
        existing.get(email)
        or User.objects.create_user(email, DEMO_PASSWORD, full_name=name, role=role, is_demo=True)
        for email, (name, role) in zip(DEMO_ACCOUNTS, DEMO_NAMES_AND_ROLES, strict=True)
    ]
