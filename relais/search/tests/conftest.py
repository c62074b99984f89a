from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from relais.search import client_search, message_search, note_search, results
from relais.search.filters import parse_search
from relais.search.results import ResultPage


@pytest.fixture(autouse=True)
def no_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer for a few rows; the tests of the limits set their own."""
    for module in (client_search, note_search, results):
        monkeypatch.setattr(module, "TIME_LIMIT_MS", 60_000)
    monkeypatch.setattr(results, "CONTINUED_TIME_LIMIT_MS", 60_000)
    monkeypatch.setattr(message_search, "FIRST_STEP_TIME_LIMIT_MS", 60_000)


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
