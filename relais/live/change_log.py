"""The latest list notifications this process received, numbered.

A page carries the number (position) of the last one received before its rows were read, and its socket is sent what
changed since. This is exact, because PostgreSQL notifies after the commit: what a number stands for was visible to
every query that started after it.
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from relais.live.protocol import TeamScope

MAX_ENTRIES = 2_000
POSITION = re.compile(r"([0-9a-f]{16})\.([0-9]{1,18})", re.ASCII)

ChangedConversations: TypeAlias = dict[int, set[TeamScope]]
"""By conversation: the scopes it had before it was moved, if it was."""


@dataclass(frozen=True, slots=True)
class ChangeLogEntry:
    number: int
    conversation: int
    previous_scopes: tuple[TeamScope, ...]


@dataclass
class ChangeLog:
    process: str = field(default_factory=lambda: secrets.token_hex(8))
    number: int = 0
    complete_since: int = 0
    """For positions before this one it is unknown what changed."""
    entries: deque[ChangeLogEntry] = field(default_factory=deque)
    viewer_changes: dict[int, int] = field(default_factory=dict)
    """By user: the number of the last change, which may have changed what the user may see."""

    @property
    def position(self) -> str:
        """Also read by the threads of pages, so `number` is raised only after its entry is stored."""
        return f"{self.process}.{self.number}"

    def record(self, conversations: Iterable[int], previous_scopes: tuple[TeamScope, ...] = ()) -> None:
        for conversation in conversations:
            self.entries.append(ChangeLogEntry(self.number + 1, conversation, previous_scopes))
            if len(self.entries) > MAX_ENTRIES:
                self.complete_since = self.entries.popleft().number
            self.number += 1

    def record_viewer(self, user: int) -> None:
        self.viewer_changes[user] = self.number + 1
        self.number += 1

    def invalidate(self) -> None:
        """Notifications may have been lost: no position issued so far can be answered."""
        self.entries.clear()
        self.viewer_changes.clear()
        self.number += 1
        self.complete_since = self.number

    def changes_since(self, position: str, user: int) -> ChangedConversations | None:
        """What changed after `position`. None if that is unknown, or if the user changed."""
        match = POSITION.fullmatch(position)
        if match is None or match[1] != self.process:
            return None
        number = int(match[2])
        if not self.complete_since <= number <= self.number or self.viewer_changes.get(user, 0) > number:
            return None
        changed: ChangedConversations = {}
        for entry in reversed(self.entries):
            if entry.number <= number:
                break
            changed.setdefault(entry.conversation, set()).update(entry.previous_scopes)
        return changed


_current: ChangeLog | None = None


@contextmanager
def issue_positions_of(log: ChangeLog) -> Iterator[None]:
    """Meanwhile the pages of this process carry the positions of `log`."""
    global _current
    _current = log
    try:
        yield
    finally:
        if _current is log:
            _current = None


def current_position() -> str:
    """Read it before the first row of a page. Empty if no log of this process is running."""
    return _current.position if _current else ""
