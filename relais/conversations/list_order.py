"""Sort orders of the conversation lists: by last activity, or « En attente » by the longest wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relais.conversations.models import Conversation


@dataclass(frozen=True)
class ListOrder:
    """By a timestamp column and, where two rows have the same one, by id."""

    field: str
    newest_first: bool


BY_ACTIVITY = ListOrder("last_activity_at", newest_first=True)
BY_WAIT = ListOrder("transferred_at", newest_first=False)
"""« En attente »: who has waited longest comes first."""


def sort_time(conversation: Conversation) -> datetime:
    """The time of a row that moves live: `conversation_list.js` sorts by it as these orders do."""
    waiting = conversation.situation.value == "waiting"
    return (waiting and conversation.transferred_at) or conversation.last_activity_at
