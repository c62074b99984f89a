"""Who may see and edit which quick reply or macro.

Everyone edits his own. Those of a team are edited by its supervisors, by supervisors without a team, who supervise all,
and by admins; those for everyone by supervisors and above. An agent sees his own, those of his team and those for
everyone; supervisors and above see those of every team.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from relais.accounts.models import Team, User
from relais.action_errors import InvalidField
from relais.quick_replies.scopes import Scope
from relais.web.request_fields import parse_id

TEAM_PREFIX = "team:"


@dataclass(frozen=True)
class ScopeTarget:
    """For whom a reply or a macro is: a scope, with the team if it is a team's."""

    scope: Scope
    team: Team | None = None

    @property
    def key(self) -> str:
        """The value of the form field `scope`."""
        return f"{TEAM_PREFIX}{self.team.pk}" if self.team else self.scope.value

    @property
    def label(self) -> str:
        return str(self.team) if self.team else str(self.scope.label)


def visible_to(user: User) -> Q:
    own_and_shared = Q(scope=Scope.ALL) | Q(scope=Scope.MINE, owner=user.pk)
    if user.is_supervisor:
        return own_and_shared | Q(scope=Scope.TEAM)
    return own_and_shared | Q(scope=Scope.TEAM, team=user.team_id) if user.team_id else own_and_shared


def may_edit(user: User, scope: str, *, owner_id: int | None, team_id: int | None) -> bool:
    if scope == Scope.MINE:
        return owner_id == user.pk
    if scope == Scope.ALL:
        return user.is_supervisor
    return user.is_admin or (user.is_supervisor and user.team_id in (None, team_id))


def editable_teams(user: User) -> QuerySet[Team]:
    """The teams whose replies the user may edit."""
    if user.is_admin or (user.is_supervisor and user.team_id is None):
        return Team.objects.all()
    return Team.objects.filter(members=user) if user.is_supervisor else Team.objects.none()


def editable_targets(user: User) -> list[ScopeTarget]:
    """The choices of the field `scope`."""
    teams = [ScopeTarget(Scope.TEAM, team) for team in editable_teams(user)]
    everyone = [ScopeTarget(Scope.ALL)] if user.is_supervisor else []
    return [ScopeTarget(Scope.MINE), *teams, *everyone]


def parse_target(value: str, user: User) -> ScopeTarget:
    """From `mine`, `all`, `team` (the user's own) or `team:ID`; empty is `mine`. Raises InvalidField."""
    value = value.strip()
    if value in ("", Scope.MINE):
        return ScopeTarget(Scope.MINE)
    if value == Scope.ALL:
        return ScopeTarget(Scope.ALL)
    if value == Scope.TEAM:
        if user.team is None:
            raise InvalidField(
                "scope", _("Vous n'avez pas d'équipe. Choisissez-en une, ou un autre partage.")
            )
        return ScopeTarget(Scope.TEAM, user.team)
    if value.startswith(TEAM_PREFIX):
        team = Team.objects.filter(pk=parse_id(value.removeprefix(TEAM_PREFIX))).first()
        if team is not None:
            return ScopeTarget(Scope.TEAM, team)
    raise InvalidField("scope", _("Choisissez avec qui partager : vous seul, une équipe ou tout le monde."))
