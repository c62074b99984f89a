"""The audit trail: one log line for each administrative action, with its actor and targets. Ids, never names."""

from __future__ import annotations

import logging

from django.db import transaction

log = logging.getLogger(__name__)
COMMAND_ACTOR = "command"
"""The actor of an action by the command line."""


def record(act: str, *, actor: int | str, **targets: int | str | None) -> None:
    """Log the action once the transaction commits; a rolled back change is not logged."""
    extra: dict[str, int | str | None] = {"act": act, "actor": actor}
    extra |= targets
    transaction.on_commit(lambda: log.info("administration", extra=extra))
