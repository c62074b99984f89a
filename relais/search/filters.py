"""The parameters of a search in the query string. An invalid value is ignored and reported, as in the lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from relais.clients.search import clients_with_tag
from relais.conversations.list_filters import ConversationFilters, parse_filters
from relais.conversations.models import ConversationTag
from relais.conversations.querysets import ConversationQuerySet
from relais.conversations.tags import MAX_TAG_CHARACTERS, Tag
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
MAX_TAGGED_BY_ID = 2_000
"""Up to so many conversations or clients with a tag are looked up by id."""
NEWEST_FIRST, BEST_FIRST = "newest", "best"
ORDERS: dict[str, Any] = {NEWEST_FIRST: _("Les plus récents"), BEST_FIRST: _("Les plus pertinents")}


@dataclass(frozen=True)
class SearchFilters:
    text: str = ""
    kind: str = ""
    status: str = ""
    agent: int | None = None
    tag: str = ""
    """Of a conversation or of its client, as it is written there, or as the reader wrote an unknown one."""
    is_unknown_tag: bool = False
    """Neither a conversation nor a client has the tag: nothing can match."""
    since: date | None = None
    until: date | None = None
    order: str = NEWEST_FIRST
    after: str = ""
    """The cursor of the next page."""
    invalid_fields: list[str] = field(default_factory=list)

    @property
    def number_set(self) -> int:
        """How many filters are set besides the text."""
        ignored = ("text", "is_unknown_tag", "order", "after", "invalid_fields")
        return sum(getattr(self, f.name) not in ("", None) for f in fields(self) if f.name not in ignored)

    @property
    def limits_conversations(self) -> bool:
        return bool(self.status or self.agent is not None or self.tag)

    @property
    def tag_alone(self) -> str:
        """The tag, unless another filter asks for conversations of a kind."""
        return "" if self.status or self.agent is not None else self.tag

    @property
    def limits_dates(self) -> bool:
        return bool(self.since or self.until)

    def apply(self, conversations: ConversationQuerySet) -> ConversationQuerySet:
        conversations = ConversationFilters(status=self.status, agent=self.agent).apply(conversations)
        return conversations.filter(_has_tag(self.tag)) if self.tag else conversations

    def event_filters(self) -> EventFilters:
        return EventFilters(
            kind=self.kind,
            since=_midnight(self.since) if self.since else None,
            until=_midnight(self.until + timedelta(days=1)) if self.until else None,
        )


def parse_search(query: Mapping[str, str]) -> SearchFilters:
    of_lists = parse_filters(
        {name: value for name, value in query.items() if name not in ("q", "tag", "order")}
    )
    invalid = list(of_lists.invalid_fields)
    tag, is_unknown_tag = _parse_tag(query.get("tag", ""))
    return SearchFilters(
        text=sanitize_for_postgres(query.get("q", "")).lstrip()[:MAX_QUERY_CHARACTERS],
        kind=_parse_choice("type", KINDS, query, invalid),
        status=of_lists.status,
        agent=of_lists.agent,
        tag=tag,
        is_unknown_tag=is_unknown_tag,
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


def _parse_tag(value: str) -> tuple[str, bool]:
    """The tag, and whether nothing has it."""
    name = " ".join(sanitize_for_postgres(value).split())[:MAX_TAG_CHARACTERS]
    if not name:
        return "", False
    if tag := Tag.objects.named(name).first():
        return tag.name, False
    return name, not clients_with_tag(name).exists()


def _has_tag(name: str) -> Q:
    """Conversations with the tag, or whose client has it: by id, unless they are many."""
    of_conversations = ConversationTag.objects.filter(tag__in=Tag.objects.named(name))
    ids = list(of_conversations.values_list("conversation_id", flat=True)[: MAX_TAGGED_BY_ID + 1])
    client_ids = list(clients_with_tag(name).values_list("pk", flat=True)[: MAX_TAGGED_BY_ID + 1])
    tagged = Q(pk__in=ids)
    if len(ids) > MAX_TAGGED_BY_ID:
        tagged = Q(Exists(of_conversations.filter(conversation=OuterRef("pk"))))
    if len(client_ids) > MAX_TAGGED_BY_ID:
        return tagged | Q(Exists(clients_with_tag(name).filter(pk=OuterRef("client"))))
    return tagged | Q(client__in=client_ids)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
