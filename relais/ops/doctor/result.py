"""What one look tells: how it is, in a sentence, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class Finding:
    state: State
    sentence: str
    advice: str = ""
    name: str = ""
    """Of the look that told it, unless it has one of its own."""


def ok(sentence: str) -> Finding:
    return Finding(State.OK, sentence)


def warning(sentence: str, advice: str) -> Finding:
    return Finding(State.WARNING, sentence, advice)


def failed(sentence: str, advice: str) -> Finding:
    return Finding(State.FAILED, sentence, advice)


def unverified(sentence: str, advice: str = "") -> Finding:
    return Finding(State.UNVERIFIED, sentence, advice)
