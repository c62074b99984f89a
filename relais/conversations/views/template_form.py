"""What the form of a template shows, in the dialog of a conversation and on the page of a new one."""

from __future__ import annotations

import secrets
from typing import Any

from relais.clients.models import Client
from relais.content_templates.models import ContentTemplate
from relais.conversations.template_variables import suggested_values, variable_fields
from relais.web.request_fields import text_field, text_object_field
from relais.web.responses import AgentRequest


def template_form_context(
    request: AgentRequest, template: ContentTemplate, client: Client | None
) -> dict[str, Any]:
    """The context of `_template_fields.html`, with what was typed, else with what is suggested."""
    values = suggested_values(client, request.user)
    typed = text_object_field(request, "variables")
    fields = [(field, typed.get(field.name, field.value)) for field in variable_fields(template, values)]
    return {
        "template": template,
        "fields": fields,
        "card": values,
        "content": template.parsed,
        "preview": template.parsed.fill({field.name: value for field, value in fields if value}),
        # The idempotency key: a double click sends it once, even without scripts.
        "ref": text_field(request, "ref") or secrets.token_urlsafe(16),
    }
