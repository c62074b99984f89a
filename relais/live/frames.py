"""Frames as they go over the wire: one JSON object each."""

from __future__ import annotations

import json
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


def counts(numbers: dict[str, int]) -> Frame:
    return _frame({"kind": "counts", **numbers})


def position(where: str) -> Frame:
    """Of a page that polls: what it shows from now on, see `change_log`."""
    return _frame({"kind": "position", "position": where})


def part(change: Change, html: str) -> Frame:
    """A piece of a thread, which replaces what the page has under that id."""
    where = {"id": change.id, "conversation": change.conversation, "seq": change.seq, "rev": change.rev}
    return _frame({"kind": change.kind, **where, "html": html}, change.rev)


def row(thread: int, rev: int, html: str) -> Frame:
    """A thread's line in lists; empty when it is to be taken away."""
    return _frame({"kind": "row", "conversation": thread, "rev": rev, "html": html}, rev)


def as_array(frames: list[Frame]) -> str:
    return f"[{','.join(frame.text for frame in frames)}]"
