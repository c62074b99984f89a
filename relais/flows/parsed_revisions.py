"""Parsed flows of revisions, cached per process: a revision never changes."""

from __future__ import annotations

from functools import lru_cache

from relais.flows import engine
from relais.flows.models import Execution, Flow, Revision


def parsed_flow(revision: Revision) -> engine.Flow:
    """Raises InvalidFlow if the definition can no longer be parsed."""
    return _parsed_flow(revision.pk)


@lru_cache(maxsize=32)
def _parsed_flow(revision_id: int) -> engine.Flow:
    return engine.parse(Revision.objects.values_list("definition", flat=True).get(pk=revision_id))


def published_subflows(flow: engine.Flow) -> dict[str, engine.Flow]:
    """The published revisions of the flows that `flow` runs, by SID."""
    return {sid: _parsed_flow(pk) for sid, pk in Flow.published_revision_ids(flow.subflows()).items()}


def subflows_of(execution: Execution) -> dict[str, engine.Flow]:
    """The sub-flows as published when the execution started, like its own revision; without deleted ones."""
    if execution.subflows is None:
        return published_subflows(parsed_flow(execution.revision))
    revisions = Revision.objects.filter(pk__in=execution.subflows.values())
    existing = set(revisions.values_list("pk", flat=True))
    return {sid: _parsed_flow(pk) for sid, pk in execution.subflows.items() if pk in existing}
