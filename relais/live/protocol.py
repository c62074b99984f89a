"""What `live` asks of whoever knows the domain: what changed, who may see it, and how it looks."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from relais.live.pool import Database

Place: TypeAlias = Hashable
"""Where a thread stands, as far as reach goes; only the source understands it."""


class Viewer(Protocol):
    """Who looks. Two are equal when nothing that matters here differs."""

    @property
    def id(self) -> int: ...
    @property
    def password(self) -> str: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def language(self) -> str: ...
    @property
    def reach(self) -> Hashable:
        """What decides where he may look; a socket does not outlive a change of it."""
        ...


@dataclass(frozen=True, slots=True)
class Head:
    """How far a thread has come."""

    rev: int
    place: Place
    read: int = 0
    """How far it was read, which raises no rev."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to be shown, not yet rendered: `id` is unique within `kind`."""

    kind: str
    id: int
    thread: int
    seq: int
    rev: int


@dataclass(frozen=True, slots=True)
class Changes:
    head: Head
    marks: Sequence[Mark]
    """In order of `rev`."""
    until: int
    """All up to this rev is among `marks`."""

    @property
    def is_all(self) -> bool:
        return self.until >= self.head.rev


class Tally(Protocol):
    def of(self, viewer: Viewer) -> dict[str, int]: ...


class Source(Protocol):
    changed: str
    """The channel that tells which threads changed: ids with commas, or `*`."""
    moved: str
    """The channel that tells where a thread stood before it was moved."""

    def moved_from(self, payload: str) -> tuple[int, Place]: ...
    def may_see(self, viewer: Viewer, place: Place) -> bool: ...
    async def viewers(self, db: Database, ids: Collection[int]) -> Mapping[int, Viewer]: ...
    async def heads(self, db: Database, threads: Collection[int]) -> Mapping[int, Head]: ...
    async def latest(self, db: Database) -> Mapping[int, Head]:
        """The threads that moved last; a net under the notifications, for lists."""
        ...

    async def changes(self, db: Database, since: Mapping[int, int], most: int) -> Mapping[int, Changes]:
        """What each thread shows that is newer than the rev given, as of one moment: the first `most` or so."""
        ...

    async def tally(self, db: Database) -> Tally: ...
    def render(self, marks: Sequence[Mark]) -> Sequence[str]:
        """Their HTML in the active language, empty for what cannot be shown. Called in a thread."""
        ...
