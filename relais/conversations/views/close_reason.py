"""The reason of a closing: the company's list and free text."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from relais.company import company_settings
from relais.conversations.lifecycle import MAX_CLOSE_REASON_CHARACTERS
from relais.web.request_fields import text_list_field
from relais.web.responses import AgentRequest, agent_required


def close_reason_context() -> dict[str, Any]:
    """`close_reasons` and `close_reason_required`, for `_close_reason.html`."""
    return company_settings.get_values(company_settings.CLOSE_REASONS, company_settings.CLOSE_REASON_REQUIRED)


@require_safe
@agent_required
def close_reasons(request: AgentRequest) -> HttpResponse:
    """The fields of the closing dialog, loaded when it is first opened."""
    return render(
        request, "conversations/_close_reason.html", {**close_reason_context(), "id": "close-reason"}
    )


def close_reason_field(request: AgentRequest) -> str:
    """The last of the values that is not empty: what was typed, else what was chosen in the list."""
    values = [value.strip() for value in text_list_field(request, "reason")]
    return next((value for value in reversed(values) if value), "")[:MAX_CLOSE_REASON_CHARACTERS]
