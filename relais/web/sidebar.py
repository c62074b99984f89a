"""The sections of the rail. Addresses are those of the contract, so that a section can be named before it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from relais.accounts.models import User
from relais.accounts.roles import Role


@dataclass(frozen=True)
class Section:
    path: str
    label: Any
    icon: str
    role: Role = Role.AGENT
    count: str = ""
    """The name of the figure beside it in the `counts` frames."""
    light: bool = False
    """Whether a red dot may stand beside it."""

    @property
    def is_for_few(self) -> bool:
        """Where room is short it moves into the account menu."""
        return self.role != Role.AGENT


SECTIONS = (
    Section("/dashboard", _("Tableau de bord"), "layout-dashboard"),
    Section("/dashboard/pending", _("En attente"), "hourglass", count="pending"),
    Section("/dashboard/active", _("En cours"), "messages-square", count="active"),
    Section("/dashboard/conversations", _("Conversations"), "inbox"),
    Section("/dashboard/flows", _("Parcours"), "workflow", Role.ADMIN),
    Section("/dashboard/users", _("Utilisateurs"), "users", Role.SUPER_ADMIN),
    Section("/dashboard/state", _("État"), "activity", Role.ADMIN, light=True),
    Section("/dashboard/settings", _("Réglages"), "settings", Role.ADMIN),
)


def sections_for(user: User) -> list[Section]:
    return [section for section in SECTIONS if user.is_at_least(section.role)]


def section_at(path: str) -> str:
    """The path of the section a page belongs to, or an empty text."""
    inner = (s.path for s in SECTIONS[1:] if path == s.path or path.startswith(s.path + "/"))
    return next(inner, "/dashboard" if path.rstrip("/") == "/dashboard" else "")
