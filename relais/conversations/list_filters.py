"""The lists: which conversations each shows, in which order, and what the filters of the long one mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from relais.accounts.models import User
from relais.conversations.keyset_pagination import Order
from relais.conversations.lifecycle import Status
from relais.conversations.models import Conversations, DeliveryState, MessageDelivery

BY_ACTIVITY = Order("last_activity_at", newest_first=True)
BY_WAIT = Order("transferred_at", newest_first=False)
LONGEST_SEARCH = 100


@dataclass(frozen=True)
class Tab:
    key: str
    """The list's own rule, as `list.js` knows it."""
    label: Any
    empty: Any
    hint: Any


TABS = (
    Tab(
        "active",
        _("Toutes"),
        _("Aucune conversation en cours."),
        _("Quand un client écrit, sa conversation apparaît ici."),
    ),
    Tab(
        "mine",
        _("Mes conversations"),
        _("Vous ne tenez aucune conversation."),
        _("Prenez en charge un client en attente, ou une conversation du bot."),
    ),
    Tab(
        "bot",
        _("Avec le bot"),
        _("Le bot ne parle avec personne."),
        _("Les clients qui écrivent commencent avec lui."),
    ),
    Tab(
        "held",
        _("Avec un agent"),
        _("Aucun agent ne tient de conversation."),
        _("Les conversations prises en charge apparaissent ici."),
    ),
)


def tab_named(key: str) -> Tab:
    return next((tab for tab in TABS if tab.key == key), TABS[0])


def of_tab(tab: Tab, user: User) -> Conversations:
    conversations: Conversations = user.reachable_conversations()
    return {
        "active": conversations.attended,
        "mine": lambda: conversations.held_by(user),
        "bot": conversations.with_bot,
        "held": conversations.held,
    }[tab.key]()


STATUSES: dict[str, Any] = {
    "open": _("Ouvertes"),
    "active": _("Avec le bot"),
    "waiting": _("En attente d'un agent"),
    "held": _("Avec un agent"),
    "ended": _("Terminées, toutes"),
    "completed": _("Terminées par clôture"),
    "timeout": _("Sans suite"),
    "abandoned": _("Abandonnées"),
    "trouble": _("Avec un message en échec"),
}


@dataclass(frozen=True)
class Filters:
    """What was asked in the address bar; what makes no sense there is left out, never an error."""

    status: str = ""
    agent: int | None = None
    since: date | None = None
    until: date | None = None
    text: str = ""
    unread: list[str] = field(default_factory=list)
    """The fields that made no sense."""

    @property
    def is_set(self) -> bool:
        return any(getattr(self, f.name) not in ("", None) for f in fields(self) if f.name != "unread")

    def apply(self, conversations: Conversations) -> Conversations:
        found = _with_status(conversations, self.status)
        if self.agent is not None:
            found = found.filter(agent=self.agent)
        if self.since:
            found = found.filter(last_activity_at__gte=_midnight(self.since))
        if self.until:
            found = found.filter(last_activity_at__lt=_midnight(self.until + timedelta(days=1)))
        return found.matching(self.text) if self.text else found


def filters_from(asked: Mapping[str, str]) -> Filters:
    bad: list[str] = []
    return Filters(
        status=_status(asked.get("status", ""), bad),
        agent=_number(asked.get("agent", ""), bad),
        since=_day("from", asked, bad),
        until=_day("to", asked, bad),
        text=asked.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH],
        unread=bad,
    )


def _with_status(conversations: Conversations, status: str) -> Conversations:
    if status == "trouble":
        return troubled(conversations)
    named = {
        "open": conversations.open,
        "ended": conversations.ended,
        "active": conversations.with_bot,
        "waiting": conversations.waiting,
        "held": conversations.held,
    }
    if status in named:
        return named[status]()
    return conversations.filter(status=status) if status else conversations


def troubled(conversations: Conversations) -> Conversations:
    """Open, with a message that did not arrive, or of which nobody knows, and that was not said again."""
    trouble = MessageDelivery.objects.filter(
        conversation=OuterRef("pk"),
        state__in=[DeliveryState.FAILED, DeliveryState.UNCERTAIN],
        event__resends=None,
    )
    return conversations.open().filter(Exists(trouble))


def _status(asked: str, bad: list[str]) -> str:
    if asked in STATUSES or asked in Status.values:
        return asked
    if asked:
        bad.append("status")
    return ""


def _number(asked: str, bad: list[str]) -> int | None:
    if asked.isascii() and asked.isdigit() and len(asked) < 19:
        return int(asked)
    if asked:
        bad.append("agent")
    return None


def _day(name: str, asked: Mapping[str, str], bad: list[str]) -> date | None:
    text = asked.get(name, "").strip()
    if text == "today":
        return timezone.localdate()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if 1970 <= day.year < 9999:  # Beyond that, a day has no midnight in every zone.
        return day
    if text:
        bad.append(name)
    return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
