"""Pages of a long list by the last row seen, forward and back: as quick at row 900,000 as at row 1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from relais.conversations.models import Conversation, Conversations

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Order:
    """By a moment and, where two are the same, by id."""

    field: str
    newest_first: bool


@dataclass(frozen=True)
class Page:
    rows: list[Conversation]
    previous: str
    """The cursor for `before`, or the empty string on the first page."""
    next: str
    """The cursor for `after`, or the empty string on the last."""


def page_of(
    conversations: Conversations, order: Order, *, size: int, after: str = "", before: str = ""
) -> Page:
    """The rows after one cursor, or before another; a cursor that is none means the beginning."""
    here, back = _place(after), _place(before)
    if back:
        rows = _take(
            conversations.filter(_beyond(back, order, order.newest_first)),
            order,
            not order.newest_first,
            size,
        )
        more_before, more_after = len(rows) > size, True
        rows = rows[:size][::-1]
        if len(rows) < size:  # Less than a page is left there: show the first one whole.
            return page_of(conversations, order, size=size)
    else:
        wanted = conversations.filter(_beyond(here, order, not order.newest_first)) if here else conversations
        rows = _take(wanted, order, order.newest_first, size)
        more_before, more_after = bool(here), len(rows) > size
        rows = rows[:size]
    return Page(
        rows,
        previous=_cursor(rows[0], order) if rows and more_before else "",
        next=_cursor(rows[-1], order) if rows and more_after else "",
    )


def _take(conversations: Conversations, order: Order, newest_first: bool, size: int) -> list[Conversation]:
    sign = "-" if newest_first else ""
    return list(conversations.order_by(f"{sign}{order.field}", f"{sign}pk")[: size + 1])


def _beyond(place: tuple[datetime, int], order: Order, later: bool) -> Q:
    """Rows past that place. The first condition alone is what the index can be asked."""
    moment, pk = place
    than = "gt" if later else "lt"
    return Q(**{f"{order.field}__{than}e": moment}) & (
        Q(**{f"{order.field}__{than}": moment}) | Q(**{f"pk__{than}": pk})
    )


def _cursor(conversation: Conversation, order: Order) -> str:
    moment: datetime = getattr(conversation, order.field)
    return f"{(moment - EPOCH) // MICROSECOND}-{conversation.pk}"


def _place(cursor: str) -> tuple[datetime, int] | None:
    moment, _, pk = cursor.partition("-")
    if not (moment.isdigit() and pk.isdigit() and cursor.isascii() and len(cursor) < 40):
        return None
    try:
        return EPOCH + int(moment) * MICROSECOND, int(pk)
    except OverflowError:
        return None
