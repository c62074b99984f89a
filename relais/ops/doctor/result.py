"""The result of a check: its state, a sentence, and advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    UNVERIFIED = "unverified"


@dataclass(frozen=True)
class CheckResult:
    state: State
    sentence: str
    advice: str = ""
    name: str = ""
    """The check's name, unless the result has one of its own."""


def ok(sentence: str) -> CheckResult:
    return CheckResult(State.OK, sentence)


def warning(sentence: str, advice: str) -> CheckResult:
    return CheckResult(State.WARNING, sentence, advice)


def failed(sentence: str, advice: str) -> CheckResult:
    return CheckResult(State.FAILED, sentence, advice)


def unverified(sentence: str, advice: str = "") -> CheckResult:
    return CheckResult(State.UNVERIFIED, sentence, advice)
