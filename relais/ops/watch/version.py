"""What runs here, and since when."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

import django
from django.utils import timezone

from relais.environment import ROOT
from relais.ops.watch import queries


@dataclass(frozen=True)
class Version:
    commit: str
    """Its first letters; empty where no repository is."""
    since: datetime
    python: str
    django: str
    postgresql: str


@cache
def version() -> Version:
    return Version(
        commit=_commit(ROOT / ".git")[:8],
        since=STARTED,
        python=platform.python_version(),
        django=django.get_version(),
        postgresql=queries.connections()[2],
    )


STARTED = timezone.now()


def _commit(repository: Path) -> str:
    """Read from its files, since git itself need not be there."""
    try:
        head = (repository / "HEAD").read_text().strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        if (repository / name).is_file():
            return (repository / name).read_text().strip()
        packed = (repository / "packed-refs").read_text().splitlines()
        return next((line.split(" ")[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""
