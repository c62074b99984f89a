"""The port through which `live` reads the domain: what changed, who may see it, its HTML. The desk implements it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from relais.live.pool import Database

TeamScope: TypeAlias = Hashable
"""What decides which viewers reach a conversation. Opaque here; only the source understands it."""


class Viewer(Protocol):
    """The user behind a socket. Two are equal when nothing that matters to `live` differs."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def is_active(self) -> bool: ...
    @property
    def language(self) -> str: ...
    @property
    def reach(self) -> Hashable:
        """What decides which conversations the viewer may see. A socket does not outlive a change of it."""
        ...


@dataclass(frozen=True, slots=True)
class ConversationVersion:
    """The latest revision of a conversation, and who may see it."""

    rev: int
    scope: TeamScope
    read_seq: int = 0
    """The last event that was read. Reading raises no rev."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something to show that is not rendered yet. `id` is unique within `kind`."""

    kind: str
    id: int
    conversation: int
    seq: int
    rev: int


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Changes of one conversation, up to a limit."""

    version: ConversationVersion
    changes: Sequence[Change]
    """In order of `rev`."""
    until_rev: int
    """Every change up to this rev is in `changes`."""

    @property
    def is_complete(self) -> bool:
        return self.until_rev >= self.version.rev


class OpenCounts(Protocol):
    """How many conversations are open."""

    def for_viewer(self, viewer: Viewer) -> dict[str, int]: ...


class LiveSource(Protocol):
    changed_channel: str
    """The NOTIFY channel that names the changed conversations: ids separated by commas, or `*`."""
    moved_channel: str
    """The NOTIFY channel that names the scope a conversation had before it was moved to another."""

    def parse_moved(self, payload: str) -> tuple[int, TeamScope]: ...
    def may_see(self, viewer: Viewer, scope: TeamScope) -> bool: ...
    async def viewers(self, db: Database, ids: Collection[int]) -> Mapping[int, Viewer]: ...
    async def versions(self, db: Database, ids: Collection[int]) -> Mapping[int, ConversationVersion]: ...
    async def latest_versions(self, db: Database) -> Mapping[int, ConversationVersion]:
        """The conversations that changed last. Lists poll this in case a notification is lost."""
        ...

    async def changes(self, db: Database, since: Mapping[int, int], limit: int) -> Mapping[int, ChangeBatch]:
        """What each conversation shows that is newer than the given rev, in one snapshot: about `limit` of each."""
        ...

    async def open_counts(self, db: Database) -> OpenCounts: ...
    def render(self, changes: Sequence[Change]) -> Sequence[str]:
        """Their HTML in the active language, empty for what cannot be shown. Called in a thread."""
        ...
