"""List filters: the tabs of the active list, and the filter form of the full list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.fields.json import KT
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from relais.accounts.models import User
from relais.conversations.event_types import EventType
from relais.conversations.lifecycle import MAX_CLOSE_REASON_CHARACTERS
from relais.conversations.list_order import BY_ACTIVITY, ListOrder, by_window, find_order
from relais.conversations.list_search import MAX_SEARCH_CHARACTERS
from relais.conversations.models import Conversation, ConversationEvent, ConversationTag, MessageDelivery
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.states import DeliveryState, Situation, Status
from relais.conversations.tags import Tag
from relais.text import parse_primary_key

MAX_CONVERSATIONS_BY_ID = 2_000
"""Up to so many conversations with a tag, or closed for a reason, are looked up by id."""


@dataclass(frozen=True)
class Tab:
    key: str
    """Which conversations it lists. `list_rules.js` applies the same rule to live rows."""
    label: Any
    empty_message: Any
    empty_hint: Any
    count: str = ""
    """The key of its number in `list_counts.py` and in live `counts` frames."""


TABS = (
    Tab(
        "mine",
        _("Les miennes"),
        _("Vous ne tenez aucune conversation."),
        _("Prenez en charge un client en attente, ou une conversation du bot."),
        count="mine",
    ),
    Tab(
        "pending",
        _("En attente"),
        _("Personne n'attend."),
        _("Les demandes d'agent apparaissent ici."),
        count="pending",
    ),
    Tab(
        "bot",
        _("Avec le bot"),
        _("Le bot ne parle avec personne."),
        _("Les clients qui écrivent commencent avec lui."),
        count="bot",
    ),
    Tab(
        "all",
        _("Toutes"),
        _("Aucune conversation en cours."),
        _("Quand un client écrit, sa conversation apparaît ici."),
        count="open",
    ),
)
LINKED_TABS = (
    Tab(
        "snoozed",
        _("En pause"),
        _("Aucune de vos conversations n'est en pause."),
        _("Une conversation mise en pause revient au moment choisi, ou dès que le client écrit."),
    ),
    Tab(
        "held",
        _("Avec un agent"),
        _("Aucun agent ne tient de conversation."),
        _("Les conversations prises en charge apparaissent ici."),
    ),
    Tab(
        "active",
        _("En cours"),
        _("Aucune conversation en cours."),
        _("Quand un client écrit, sa conversation apparaît ici."),
    ),
)
"""Reached by a link: of the dashboard's numbers, or one that someone kept."""
DEFAULT_TAB = TABS[-1]


def find_tab(key: str) -> Tab | None:
    return next((tab for tab in (*TABS, *LINKED_TABS) if tab.key == key), None)


def tab_of(conversation: Conversation, user: User) -> Tab:
    """The first tab that lists it for this user."""
    keys = {
        Situation.BOT: "bot",
        Situation.WAITING: "pending",
        Situation.HELD: "mine" if conversation.agent_id == user.pk else "all",
        Situation.ENDED: "mine",
    }
    return find_tab(keys[conversation.situation]) or DEFAULT_TAB


def conversations_in_tab(tab: Tab, user: User) -> ConversationQuerySet:
    conversations: ConversationQuerySet = user.reachable_conversations()
    return {
        "mine": lambda: conversations.held_by(user).not_snoozed(),
        "snoozed": lambda: conversations.held_by(user).snoozed(),
        "pending": conversations.waiting,
        "bot": conversations.with_bot,
        "all": conversations.open,
        "held": conversations.held,
        "active": conversations.attended,
    }[tab.key]()


def orders_of_tab(tab_key: str) -> tuple[str, ...]:
    """The names of the orders that a user may choose for it; the first is its own."""
    own = {"mine": ("need", "time"), "pending": ("wait",)}
    return (*own.get(tab_key, ("time",)), "window")


def chosen_order(tab_key: str, user: User) -> str:
    orders = orders_of_tab(tab_key)
    chosen = user.list_orders.get(tab_key)
    return chosen if chosen in orders else orders[0]


def order_of_tab(tab_key: str, user: User, *, at: datetime) -> ListOrder:
    return find_order(chosen_order(tab_key, user), at=at)


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
class ConversationFilters:
    """The filters in the query string. An invalid value is ignored and reported, never an error."""

    status: str = ""
    agent: int | None = None
    tag: str = ""
    """The name of an existing tag."""
    reason: str = ""
    """Why it was closed: of the company's list, or free text."""
    since: date | None = None
    until: date | None = None
    text: str = ""
    order: str = ""
    """`window`, of open conversations; empty: by last activity."""
    invalid_fields: list[str] = field(default_factory=list)

    @property
    def is_set(self) -> bool:
        others = ("invalid_fields", "order")
        return any(getattr(self, f.name) not in ("", None) for f in fields(self) if f.name not in others)

    def list_order(self, *, at: datetime) -> ListOrder:
        return by_window(at=at) if self.order == "window" else BY_ACTIVITY

    def apply(self, conversations: ConversationQuerySet) -> ConversationQuerySet:
        conversations = _with_status(conversations, self.status)
        if self.order == "window":
            conversations = conversations.open()
        if self.agent is not None:
            conversations = conversations.filter(agent=self.agent)
        if self.tag:
            tagged = ConversationTag.objects.filter(tag__name=self.tag)
            conversations = _among(conversations, tagged)
        if self.reason:
            conversations = _among(conversations.ended(), _closings_for(self.reason))
        if self.since:
            conversations = conversations.filter(last_activity_at__gte=_midnight(self.since))
        if self.until:
            conversations = conversations.filter(
                last_activity_at__lt=_midnight(self.until + timedelta(days=1))
            )
        return conversations.search(self.text) if self.text else conversations


def parse_filters(query: Mapping[str, str]) -> ConversationFilters:
    invalid: list[str] = []
    return ConversationFilters(
        status=_parse_status(query.get("status", ""), invalid),
        agent=_parse_agent(query.get("agent", ""), invalid),
        tag=_parse_tag(query.get("tag", ""), invalid),
        reason=query.get("reason", "").replace("\x00", "").strip()[:MAX_CLOSE_REASON_CHARACTERS],
        since=_parse_day("from", query, invalid),
        until=_parse_day("to", query, invalid),
        text=query.get("q", "").replace("\x00", "").strip()[:MAX_SEARCH_CHARACTERS],
        order=_parse_order(query.get("order", ""), invalid),
        invalid_fields=invalid,
    )


def _with_status(conversations: ConversationQuerySet, status: str) -> ConversationQuerySet:
    if status == "trouble":
        return with_failed_messages(conversations)
    querysets = {
        "open": conversations.open,
        "ended": conversations.ended,
        "active": conversations.with_bot,
        "waiting": conversations.waiting,
        "held": conversations.held,
    }
    if status in querysets:
        return querysets[status]()
    return conversations.filter(status=status) if status else conversations


def _closings_for(reason: str) -> QuerySet[ConversationEvent]:
    closings = ConversationEvent.objects.filter(
        event_type=EventType.CONVERSATION_CLOSED, metadata__has_key="reason"
    )
    return closings.alias(close_reason=KT("metadata__reason")).filter(close_reason=reason)


def _among(conversations: ConversationQuerySet, rows: QuerySet[Any]) -> ConversationQuerySet:
    """Those of the rows: by id, unless they are so many that going through the list in its order is faster."""
    ids = list(rows.values_list("conversation_id", flat=True)[: MAX_CONVERSATIONS_BY_ID + 1])
    if len(ids) <= MAX_CONVERSATIONS_BY_ID:
        return conversations.filter(pk__in=ids)
    return conversations.filter(Exists(rows.filter(conversation=OuterRef("pk"))))


def with_failed_messages(conversations: ConversationQuerySet) -> ConversationQuerySet:
    """Open conversations with a failed or uncertain message that was not resent."""
    failed = MessageDelivery.objects.filter(
        conversation=OuterRef("pk"),
        state__in=[DeliveryState.FAILED, DeliveryState.UNCERTAIN],
        event__resends=None,
    )
    return conversations.open().filter(Exists(failed))


def _parse_status(value: str, invalid: list[str]) -> str:
    if value in STATUSES or value in Status.values:
        return value
    if value:
        invalid.append("status")
    return ""


def _parse_order(value: str, invalid: list[str]) -> str:
    if value not in ("", "window"):
        invalid.append("order")
        return ""
    return value


def _parse_agent(value: str, invalid: list[str]) -> int | None:
    agent = parse_primary_key(value)
    if value and agent is None:
        invalid.append("agent")
    return agent


def _parse_tag(value: str, invalid: list[str]) -> str:
    """Its name as it is written now, whatever accents and case the query has."""
    name = value.replace("\x00", "").strip()
    tag = Tag.objects.named(name).first() if name else None
    if name and tag is None:
        invalid.append("tag")
    return tag.name if tag else ""


def _parse_day(name: str, query: Mapping[str, str], invalid: list[str]) -> date | None:
    text = query.get(name, "").strip()
    if text == "today":
        return timezone.localdate()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if 1970 <= day.year < 9999:  # Outside of this range, midnight overflows in some time zones.
        return day
    if text:
        invalid.append(name)
    return None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
