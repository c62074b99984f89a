from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from relais.search import results
from relais.search.filters import parse_search
from relais.search.results import ResultPage


@pytest.fixture
def found(mariam: Any) -> Callable[..., ResultPage]:
    """The page that a user gets for a query; a supervisor's if no user is given."""

    def search(text: str, user: Any = None, **parameters: str) -> ResultPage:
        return results.search(parse_search({"q": text, **parameters}), user or mariam)

    return search


@pytest.fixture
def events_found(found: Callable[..., ResultPage]) -> Callable[..., list[str]]:
    """The bodies of the events found, in their order."""
    from relais.conversations.models import ConversationEvent

    def search(text: str, user: Any = None, **parameters: str) -> list[str]:
        ids = [hit.event for hit in found(text, user, **parameters).messages]
        return [ConversationEvent.objects.get(pk=id).body for id in ids]

    return search
