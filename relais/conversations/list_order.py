"""Sort orders of the conversation lists: by last activity, by the longest wait, or by who needs an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.db.models.functions import Coalesce

from relais.accounts.models import User

if TYPE_CHECKING:
    from relais.conversations.models import Conversation


MIRROR = Value(datetime(4000, 1, 1, tzinfo=UTC), DateTimeField())
"""Later than any time of ours. Mirrored at it, the latest time becomes the earliest of those after it."""


@dataclass(frozen=True)
class ListOrder:
    """By a timestamp and, where two rows have the same one, by id."""

    key: str
    """`list_rules.js` orders live rows by the rule with this name."""
    field: str
    newest_first: bool
    expression: Any = None
    """What to compute `field` from, if it is no column."""


BY_ACTIVITY = ListOrder("activity", "last_activity_at", newest_first=True)
BY_WAIT = ListOrder("wait", "transferred_at", newest_first=False)
"""« En attente »: who has waited longest comes first."""
BY_NEED = ListOrder(
    "need",
    "answer_before",
    newest_first=False,
    expression=Coalesce(
        F("unanswered_since"),
        ExpressionWrapper(MIRROR + (MIRROR - F("last_activity_at")), output_field=DateTimeField()),
    ),
)
"""« Les miennes »: first who waits for an answer, the longest wait first; then the others by last activity."""


def order_of_own(user: User) -> ListOrder:
    return BY_ACTIVITY if user.sorts_by_time else BY_NEED


def sort_time(conversation: Conversation) -> datetime:
    """The time of a row that moves live: `list_rules.js` sorts by it as these orders do."""
    waiting = conversation.situation.value == "waiting"
    return (waiting and conversation.transferred_at) or conversation.last_activity_at
