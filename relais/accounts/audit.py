"""The audit trail: one line of the log for each act of administration, with who acted on what. Ids, never names."""

from __future__ import annotations

import logging

from django.db import transaction

log = logging.getLogger(__name__)
COMMAND = "command"
"""The actor when someone on the machine itself ran a command."""


def record(act: str, *, actor: int | str, **targets: int | str | None) -> None:
    """Write the line once the change is committed; a change that is rolled back leaves none."""
    extra: dict[str, int | str | None] = {"act": act, "actor": actor}
    extra |= targets
    transaction.on_commit(lambda: log.info("administration", extra=extra))
