"""The navigation in the sidebar: its sections, and which of them a user's role may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from relais.accounts import permissions
from relais.accounts.models import User
from relais.accounts.roles import Role


@dataclass(frozen=True)
class Section:
    path: str
    label: Any
    icon: str
    role: Role = Role.AGENT
    count: str = ""
    """The key in the live `counts` frames of the number shown beside it."""
    in_menu_on_narrow: bool = False
    """On narrow screens it is in the account menu, for want of room in the bar."""
    has_alert: bool = False
    """Whether it may show the red alert dot."""

    @property
    def is_in_menu(self) -> bool:
        """On narrow screens it moves into the account menu, as all sections do that agents do not have."""
        return self.in_menu_on_narrow or self.role != Role.AGENT


SECTIONS = (
    Section("/dashboard", _("Tableau de bord"), "layout-dashboard"),
    Section("/dashboard/pending", _("En attente"), "hourglass", count="pending"),
    Section("/dashboard/active", _("En cours"), "messages-square", count="active"),
    Section("/dashboard/conversations", _("Conversations"), "inbox"),
    Section("/dashboard/search", _("Recherche"), "search", in_menu_on_narrow=True),
    Section("/dashboard/clients", _("Clients"), "contact-round", in_menu_on_narrow=True),
    Section("/dashboard/quick-replies", _("Réponses"), "message-square-quote", in_menu_on_narrow=True),
    Section("/dashboard/macros", _("Macros"), "list-checks", in_menu_on_narrow=True),
    Section("/dashboard/flows", _("Parcours"), "workflow", permissions.MANAGE_FLOWS),
    Section("/dashboard/users", _("Utilisateurs"), "users", permissions.MANAGE_USERS),
    Section("/dashboard/state", _("État"), "activity", permissions.SEE_STATE, has_alert=True),
    Section("/dashboard/settings", _("Réglages"), "settings", permissions.CHANGE_SETTINGS),
)


def sections_for(user: User) -> list[Section]:
    return [section for section in SECTIONS if user.is_at_least(section.role)]


def section_at(path: str) -> str:
    """The path of the section that a page belongs to; empty when it belongs to none."""
    inner = (s.path for s in SECTIONS[1:] if path == s.path or path.startswith(s.path + "/"))
    return next(inner, "/dashboard" if path.rstrip("/") == "/dashboard" else "")
