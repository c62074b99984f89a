"""What the templates of a revision need: its drawing and its problems."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect

from relais.flows import check, engine
from relais.flows.drawing import draw
from relais.flows.engine import Problem
from relais.flows.execution_path import route
from relais.flows.labels import UNSUPPORTED_LABEL, WIDGET_TYPE_LABELS, initial_variables
from relais.flows.models import Revision
from relais.flows.parsed_revisions import parsed_flow

ICONS = sorted({icon for _label, icon in (*WIDGET_TYPE_LABELS.values(), UNSUPPORTED_LABEL)})


def revision_context(revision: Revision | None, *, path: list[str] | None = None) -> dict[str, Any]:
    """The context of `_drawing.html` and `_report.html`; without a drawing if the definition is no longer valid."""
    if revision is None:
        return {}
    report = _checked(revision.pk)
    problems_by_state: dict[str, list[Problem]] = defaultdict(list)
    for problem in report.problems:
        problems_by_state[problem.state].append(problem)
    context: dict[str, Any] = {
        "problems": report.problems,
        "verdicts": report.verdicts,
        "errors": sum(problem.level == "error" for problem in report.problems),
        "warnings": sum(problem.level == "warning" for problem in report.problems),
        "problems_of": dict(problems_by_state),
        "icons": ICONS,
    }
    try:
        flow = parsed_flow(revision)
    except engine.InvalidFlow:
        return context
    return context | drawing_context(flow, path)


def drawing_context(flow: engine.Flow, path: list[str] | None) -> dict[str, Any]:
    """The context of `_drawing.html`; with a `path`, its route is highlighted."""
    highlighted = route(flow, path) if path is not None else None
    return {
        "drawing": draw(flow, highlighted),
        "route": highlighted,
        "variables": initial_variables(flow),
    }


def has_errors(revision: Revision) -> bool:
    return any(problem.level == "error" for problem in _checked(revision.pk).problems)


def redirect_to_revision(revision: Revision) -> HttpResponse:
    address = redirect("flow", revision.flow_id)["Location"]
    return redirect(f"{address}?revision={revision.number}")


@lru_cache(maxsize=16)
def _checked(revision_id: int) -> check.Report:
    """Cached, since a revision never changes and each of its pages shows its problems."""
    return check.examine(Revision.objects.get(pk=revision_id).definition)
