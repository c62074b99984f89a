"""The way the bot took a client, drawn: for whoever may see the conversation."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from relais.conversations.views.responses import AgentRequest, agent_required
from relais.flows import engine
from relais.flows.drawing import draw
from relais.flows.execution_path import route
from relais.flows.labels import texts
from relais.flows.models import Execution
from relais.flows.runner import parsed
from relais.flows.views import ICONS

LAST = 20


@require_safe
@agent_required
def path(request: AgentRequest, pk: int) -> HttpResponse:
    reachable = request.user.reachable_conversations().select_related("address", "client")
    conversation = get_object_or_404(reachable, pk=pk)
    executions = conversation.executions.select_related("revision__flow").order_by("-pk")[:LAST]
    execution = _asked(list(executions), request.GET.get("run", ""))
    shown: dict[str, Any] = {
        "conversation": conversation,
        "executions": executions,
        "execution": execution,
        "icons": ICONS,
    }
    try:
        flow = parsed(execution.revision)
    except engine.BadFlow:
        return render(request, "flows/path.html", shown)
    way = route(flow, execution.path)
    numbers = {name: number for number, name in enumerate(flow.widgets)}
    told = [(flow.widgets[name], numbers[name]) for name in way.told]
    shown |= {"drawing": draw(flow, way), "route": way, "texts": texts(flow), "told": told}
    return render(request, "flows/path.html", shown)


def _asked(executions: list[Execution], sid: str) -> Execution:
    found = next((execution for execution in executions if not sid or execution.sid == sid), None)
    if found is None:
        raise Http404
    return found
