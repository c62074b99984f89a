"""The latest list notifications this process heard, numbered: a page names the last one heard before its rows were
read, and its socket is told what changed since. Exact, because PostgreSQL notifies after the commit: what a number
stands for was visible to every query that began after it.
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

ChangedThreads: TypeAlias = dict[int, set[TeamScope]]
"""By thread: where it stood before it was moved, if it was."""


@dataclass(frozen=True, slots=True)
class ChangeLogEntry:
    number: int
    thread: int
    left: tuple[TeamScope, ...]


@dataclass
class ChangeLog:
    process: str = field(default_factory=lambda: secrets.token_hex(8))
    number: int = 0
    complete_since: int = 0
    """Of positions before this one it is not known what changed."""
    entries: deque[ChangeLogEntry] = field(default_factory=deque)
    viewers: dict[int, int] = field(default_factory=dict)
    """When each user last changed: his reach may have become another."""

    @property
    def position(self) -> str:
        """Also read by the threads of pages: `number` is raised after everything it stands for is noted."""
        return f"{self.process}.{self.number}"

    def note(self, threads: Iterable[int], left: tuple[TeamScope, ...] = ()) -> None:
        for thread in threads:
            self.entries.append(ChangeLogEntry(self.number + 1, thread, left))
            if len(self.entries) > MAX_ENTRIES:
                self.complete_since = self.entries.popleft().number
            self.number += 1

    def note_viewer(self, user: int) -> None:
        self.viewers[user] = self.number + 1
        self.number += 1

    def forget(self) -> None:
        """Anything may have changed unheard: no position given out so far can be answered."""
        self.entries.clear()
        self.viewers.clear()
        self.number += 1
        self.complete_since = self.number

    def since(self, position: str, user: int) -> ChangedThreads | None:
        """What changed after `position`; None when that cannot be known, or when the user did."""
        given = POSITION.fullmatch(position)
        if given is None or given[1] != self.process:
            return None
        number = int(given[2])
        if not self.complete_since <= number <= self.number or self.viewers.get(user, 0) > number:
            return None
        changed: ChangedThreads = {}
        for entry in reversed(self.entries):
            if entry.number <= number:
                break
            changed.setdefault(entry.thread, set()).update(entry.left)
        return changed


_current: ChangeLog | None = None


@contextmanager
def given_out(log: ChangeLog) -> Iterator[None]:
    """Let the pages of this process carry the positions of `log` meanwhile."""
    global _current
    _current = log
    try:
        yield
    finally:
        if _current is log:
            _current = None


def current_position() -> str:
    """To be read before the first row of a page is; empty where nobody would understand it."""
    return _current.position if _current else ""
