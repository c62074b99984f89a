"""The demo's users. Their password is public: outside a demo they cannot sign in."""

from __future__ import annotations

from django.db import transaction

from relais.accounts.models import User
from relais.accounts.roles import Role

DEMO_PASSWORD = "relais-demo"  # noqa: S105
DEMO_USERS = (
    ("admin@relais.test", "Nadia Benali", Role.SUPER_ADMIN),
    ("superviseur@relais.test", "Mariam Traoré", Role.SUPERVISOR),
    ("agent1@relais.test", "Awa Diop", Role.AGENT),
    ("agent2@relais.test", "Koffi Mensah", Role.AGENT),
)


@transaction.atomic
def create_demo_users() -> list[User]:
    """Create the missing users; existing ones keep what a visitor changed."""
    existing = {
        user.email: user for user in User.objects.filter(email__in=[email for email, *_ in DEMO_USERS])
    }
    return [
        existing.get(email)
        or User.objects.create_user(email, DEMO_PASSWORD, full_name=name, role=role, is_demo=True)
        for email, name, role in DEMO_USERS
    ]
