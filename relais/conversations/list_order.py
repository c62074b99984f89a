"""Sort orders of the conversation lists: by activity, the longest wait, who needs an answer, or the window's end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Value, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from relais.conversations.service_window import SERVICE_WINDOW

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


LATEST_FIRST_AFTER_THESE = ExpressionWrapper(
    MIRROR + (MIRROR - F("last_activity_at")), output_field=DateTimeField()
)

BY_ACTIVITY = ListOrder("activity", "last_activity_at", newest_first=True)
BY_WAIT = ListOrder("wait", "transferred_at", newest_first=False)
"""« En attente »: who has waited longest comes first."""
BY_NEED = ListOrder(
    "need",
    "answer_before",
    newest_first=False,
    expression=Coalesce(F("unanswered_since"), LATEST_FIRST_AFTER_THESE),
)
"""« Les miennes »: first who waits for an answer, the longest wait first; then the others by last activity."""


def by_window(*, at: datetime) -> ListOrder:
    """Of open conversations: whose 24-hour window closes first; then those whose window is closed, by last activity.

    The order follows the clock, so that no index has it: the open conversations are sorted.
    """
    has_open_window = When(last_inbound_at__gt=at - SERVICE_WINDOW, then=F("last_inbound_at"))
    expression = Case(has_open_window, default=LATEST_FIRST_AFTER_THESE)
    return ListOrder("window", "window_rank", newest_first=False, expression=expression)


ORDER_LABELS: dict[str, Any] = {
    "need": _("À répondre d'abord"),
    "wait": _("La plus longue attente d'abord"),
    "time": _("Les plus récentes d'abord"),
    "window": _("Se ferment bientôt"),
}
"""What a user may choose, by the name that requests use."""


def find_order(name: str, *, at: datetime) -> ListOrder:
    """By the name of `ORDER_LABELS`."""
    return by_window(at=at) if name == "window" else {"need": BY_NEED, "wait": BY_WAIT}.get(name, BY_ACTIVITY)


def sort_time(conversation: Conversation) -> datetime:
    """The time of a row that moves live: `list_rules.js` sorts by it as these orders do."""
    waiting = conversation.situation.value == "waiting"
    return (waiting and conversation.transferred_at) or conversation.last_activity_at
