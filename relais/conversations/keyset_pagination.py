"""Keyset pagination (cursor pagination), forward and back: as fast at row 900,000 as at row 1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from relais.conversations.list_order import ListOrder
from relais.conversations.models import Conversation
from relais.conversations.querysets import ConversationQuerySet

PAGE_SIZE = 50
"""Rows of a conversation list."""
SIDEBAR_SIZE = 30
"""Rows of each list on the dashboard and beside a conversation."""
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Page:
    rows: list[Conversation]
    previous: str
    """The cursor for `before`; empty on the first page."""
    next: str
    """The cursor for `after`; empty on the last page."""


def paginate(
    conversations: ConversationQuerySet,
    order: ListOrder,
    *,
    size: int,
    after: str = "",
    before: str = "",
    at: str = "",
) -> Page:
    """The page after one cursor, before another, or that begins at one. An invalid cursor gives the first page."""
    if order.expression:
        conversations = conversations.annotate(**{order.field: order.expression})
    start, end = _parse_cursor(at or after), _parse_cursor(before)
    if end:
        rows = _fetch(
            conversations.filter(_past_cursor(end, order, order.newest_first)),
            order,
            not order.newest_first,
            size,
        )
        more_before, more_after = len(rows) > size, True
        rows = rows[:size][::-1]
        if len(rows) < size:  # Fewer rows than a page are left: show the full first page.
            return paginate(conversations, order, size=size)
    else:
        if start:
            past = _past_cursor(start, order, not order.newest_first, is_inclusive=bool(at))
            conversations = conversations.filter(past)
        rows = _fetch(conversations, order, order.newest_first, size)
        more_before, more_after = bool(start), len(rows) > size
        rows = rows[:size]
    return Page(
        rows,
        previous=_cursor(rows[0], order) if rows and more_before else "",
        next=_cursor(rows[-1], order) if rows and more_after else "",
    )


def _fetch(
    conversations: ConversationQuerySet, order: ListOrder, newest_first: bool, size: int
) -> list[Conversation]:
    sign = "-" if newest_first else ""
    ordered = conversations.order_by(f"{sign}{order.field}", f"{sign}pk")
    if order.expression:
        # No index has this order: sort the conversations alone, and join what their rows show to one page of them.
        ordered = ordered.filter(pk__in=ordered.values("pk")[: size + 1])
    return list(ordered[: size + 1])


def _past_cursor(
    cursor: tuple[datetime, int], order: ListOrder, later: bool, is_inclusive: bool = False
) -> Q:
    """Rows past the cursor. The first condition is redundant: it is the one that PostgreSQL can use an index for."""
    moment, pk = cursor
    lookup = "gt" if later else "lt"
    return Q(**{f"{order.field}__{lookup}e": moment}) & (
        Q(**{f"{order.field}__{lookup}": moment}) | Q(**{f"pk__{lookup}{'e' * is_inclusive}": pk})
    )


def _cursor(conversation: Conversation, order: ListOrder) -> str:
    moment: datetime = getattr(conversation, order.field)
    return f"{(moment - UNIX_EPOCH) // MICROSECOND}-{conversation.pk}"


def _parse_cursor(cursor: str) -> tuple[datetime, int] | None:
    moment, _, pk = cursor.partition("-")
    if not (moment.isdigit() and pk.isdigit() and cursor.isascii() and len(cursor) < 40):
        return None
    try:
        return UNIX_EPOCH + int(moment) * MICROSECOND, int(pk)
    except OverflowError:
        return None
