"""The versions that run, and the start time of this process, for the foot of the status page."""

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
    """Abbreviated hash; empty outside of a git repository."""
    started_at: datetime
    python: str
    django: str
    postgresql: str


@cache
def version() -> Version:
    return Version(
        commit=_commit(ROOT / ".git")[:8],
        started_at=STARTED_AT,
        python=platform.python_version(),
        django=django.get_version(),
        postgresql=queries.server_status().version,
    )


STARTED_AT = timezone.now()


def _commit(repository: Path) -> str:
    """The hash of HEAD, read from the files of the repository: git may not be installed."""
    try:
        head = (repository / "HEAD").read_text().strip()
        ref = head.removeprefix("ref: ")
        if ref == head:  # Detached HEAD: a hash, no ref.
            return head
        if (repository / ref).is_file():
            return (repository / ref).read_text().strip()
        packed_refs = (repository / "packed-refs").read_text().splitlines()
        return next((line.split(" ")[0] for line in packed_refs if line.endswith(f" {ref}")), "")
    except OSError:
        return ""
