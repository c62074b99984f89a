"""The roles of users, once for all code. Pure Python: the command line offers them without starting Django."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """In ascending order: each role has all permissions of the roles before it."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    SUPER_ADMIN = "super_admin"


def roles_at_least(minimum: Role) -> list[Role]:
    roles = list(Role)
    return roles[roles.index(minimum) :]


def is_at_least(role: str, minimum: Role) -> bool:
    """Whether `role` has the permissions of `minimum`. Raises ValueError for an unknown role."""
    return Role(role) in roles_at_least(minimum)
