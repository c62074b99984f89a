"""The parameters of a search in the query string. An invalid value is ignored and reported, as in the lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from relais.conversations.list_filters import ConversationFilters, parse_filters
from relais.conversations.querysets import ConversationQuerySet
from relais.search.message_search import EventFilters
from relais.search.query import MAX_QUERY_CHARACTERS
from relais.text import sanitize_for_postgres

KINDS: dict[str, Any] = {
    "message": _("Messages"),
    "file": _("Pièces jointes"),
    "choice": _("Choix et réponses au bot"),
    "note": _("Notes"),
    "client": _("Clients"),
}
NEWEST_FIRST, BEST_FIRST = "newest", "best"
ORDERS: dict[str, Any] = {NEWEST_FIRST: _("Les plus récents"), BEST_FIRST: _("Les plus pertinents")}


@dataclass(frozen=True)
class SearchFilters:
    text: str = ""
    kind: str = ""
    status: str = ""
    agent: int | None = None
    since: date | None = None
    until: date | None = None
    order: str = NEWEST_FIRST
    after: str = ""
    """The cursor of the next page."""
    invalid_fields: list[str] = field(default_factory=list)

    @property
    def number_set(self) -> int:
        """How many filters are set besides the text."""
        ignored = ("text", "order", "after", "invalid_fields")
        return sum(getattr(self, f.name) not in ("", None) for f in fields(self) if f.name not in ignored)

    @property
    def limits_conversations(self) -> bool:
        return bool(self.status or self.agent is not None)

    @property
    def limits_dates(self) -> bool:
        return bool(self.since or self.until)

    def apply(self, conversations: ConversationQuerySet) -> ConversationQuerySet:
        return ConversationFilters(status=self.status, agent=self.agent).apply(conversations)

    def event_filters(self) -> EventFilters:
        return EventFilters(
            kind=self.kind,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
        )


def parse_search(query: Mapping[str, str]) -> SearchFilters:
    of_lists = parse_filters({name: value for name, value in query.items() if name != "q"})
    invalid = list(of_lists.invalid_fields)
    return SearchFilters(
        text=sanitize_for_postgres(query.get("q", "")).lstrip()[:MAX_QUERY_CHARACTERS],
        kind=_parse_choice("type", KINDS, query, invalid),
        status=of_lists.status,
        agent=of_lists.agent,
        since=of_lists.since,
        until=of_lists.until,
        order=_parse_choice("order", ORDERS, query, invalid) or NEWEST_FIRST,
        after=query.get("after", ""),
        invalid_fields=invalid,
    )


def _parse_choice(name: str, choices: Mapping[str, Any], query: Mapping[str, str], invalid: list[str]) -> str:
    value = query.get(name, "")
    if value in choices:
        return value
    if value:
        invalid.append(name)
    return ""


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
