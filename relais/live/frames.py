"""Frames of the live protocol: one JSON object each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from relais.live.protocol import Change


@dataclass(frozen=True, slots=True)
class Frame:
    kind: str
    text: str
    rev: int = 0


def _frame(fields: dict[str, Any], rev: int = 0) -> Frame:
    return Frame(fields["kind"], json.dumps(fields, ensure_ascii=False, separators=(",", ":")), rev)


REFRESH = _frame({"kind": "refresh"})


def caught_up(rev: int) -> Frame:
    return _frame({"kind": "caught-up", "rev": rev}, rev)


def counts(open_counts: dict[str, int]) -> Frame:
    return _frame({"kind": "counts", **open_counts})


def presence(conversation: int, viewers: Sequence[Mapping[str, Any]]) -> Frame:
    """Who is on a conversation now; without a rev, since it is no change of it."""
    return _frame({"kind": "presence", "conversation": conversation, "viewers": viewers})


def viewers(names: Mapping[int, Mapping[int, str]], *, is_all: bool) -> Frame:
    """Who looks at which conversation, for lists. `is_all`: and nobody at any other."""
    listed = [
        {"conversation": conversation, "viewers": [{"id": id, "name": name} for id, name in each.items()]}
        for conversation, each in names.items()
    ]
    return _frame({"kind": "viewers", "all": is_all, "conversations": listed})


def position(current: str) -> Frame:
    """The position from which a polling page asks next, see `change_log`."""
    return _frame({"kind": "position", "position": current})


def change(change: Change, html: str) -> Frame:
    """HTML that replaces what the page has under that id."""
    ids = {"id": change.id, "conversation": change.conversation, "seq": change.seq, "rev": change.rev}
    return _frame({"kind": change.kind, **ids, "html": html}, change.rev)


def row(conversation: int, rev: int, html: str) -> Frame:
    """A conversation's row in lists. Empty HTML removes it."""
    return _frame({"kind": "row", "conversation": conversation, "rev": rev, "html": html}, rev)


def as_array(frames: list[Frame]) -> str:
    return f"[{','.join(frame.text for frame in frames)}]"
