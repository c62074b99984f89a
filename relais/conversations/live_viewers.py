"""The users of live sockets as rows of the database, and which conversations they see."""

from __future__ import annotations

from dataclasses import dataclass

from relais.accounts.roles import Role, is_at_least

VIEWERS_SQL = """
select id, coalesce(nullif(trim(full_name), ''), email) as name, password,
       is_active and (not is_demo or %s) as is_active, language, role, team_id
  from users where id = any(%s)
"""


@dataclass(frozen=True)
class Viewer:
    id: int
    name: str
    password: str
    is_active: bool
    language: str
    role: str
    team_id: int | None

    @property
    def reach(self) -> tuple[str, int | None]:
        return self.role, self.team_id


def may_see(viewer: Viewer, team_id: int | None) -> bool:
    """Whether this user may see a conversation of that team. Must agree with `User.reachable_conversations()`."""
    return viewer.is_active and (
        is_at_least(viewer.role, Role.SUPERVISOR) or team_id is None or team_id == viewer.team_id
    )
