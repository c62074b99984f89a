"""The path that the bot took in a conversation, drawn; for whoever may see the conversation."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relais.flows import engine
from relais.flows.models import Execution
from relais.flows.parsed_revisions import parsed_flow
from relais.flows.views.revision_context import ICONS, drawing_context
from relais.web.not_found import get_or_404
from relais.web.responses import AgentRequest, agent_required

MAX_EXECUTIONS = 20
"""Older executions of the conversation are not listed."""


@require_safe
@agent_required
def execution_path(request: AgentRequest, pk: int) -> HttpResponse:
    reachable = request.user.reachable_conversations().select_related("address", "client")
    conversation = get_or_404(reachable, pk=pk)
    executions = conversation.executions.select_related("revision__flow").order_by("-pk")[:MAX_EXECUTIONS]
    execution = _requested_execution(list(executions), request.GET.get("run", ""))
    context: dict[str, Any] = {
        "conversation": conversation,
        "executions": executions,
        "execution": execution,
        "icons": ICONS,
    }
    try:
        flow = parsed_flow(execution.revision)
    except engine.InvalidFlow:
        return render(request, "flows/path.html", context)
    context |= drawing_context(flow, execution.path)
    numbers = {name: number for number, name in enumerate(flow.widgets)}
    context["steps"] = [(flow.widgets[name], numbers[name]) for name in context["route"].recorded]
    return render(request, "flows/path.html", context)


def _requested_execution(executions: list[Execution], sid: str) -> Execution:
    execution = next((execution for execution in executions if not sid or execution.sid == sid), None)
    if execution is None:
        raise Http404
    return execution
