"""Tags of a conversation, and all tags as the tag picker lists them."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_safe

from relais.action_errors import ActionRefused
from relais.conversations.tagging import may_make_tags
from relais.conversations.tags import MAX_TAG_CHARACTERS, Tag
from relais.conversations.views import pages
from relais.conversations.views.responses import (
    dialog_response,
    get_conversation,
    refusal_response,
)
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import text_list_field
from relais.web.responses import AgentRequest, agent_required


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def change_tags(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = get_conversation(request, pk)
    if request.method != "POST":
        context = {
            "conversation": conversation,
            "tags": conversation.tag_labels(),
            "max_characters": MAX_TAG_CHARACTERS,
        }
        return dialog_response(request, "conversations/_tags_dialog.html", context)
    names: list[str] = []
    refusal: ActionRefused | None = None
    try:
        names = conversation.change_tags(
            add=filled_values(request, "add"),
            remove=filled_values(request, "remove"),
            by=request.user,
            at=now(),
        )
    except ActionRefused as error:
        refusal = error
    if wants_json(request):
        return refusal_response(request, refusal) if refusal else responses.success_response(tags=names)
    if request.htmx:
        return pages.panels_fragment(request, conversation, refusal)
    return responses.redirect_with_message(request, "chat", conversation.pk, refusal=refusal)


@require_safe
@agent_required
def tags(request: AgentRequest) -> HttpResponse:
    all_tags = Tag.objects.in_order().values("name", "color")
    return responses.success_response(results=list(all_tags), may_make=may_make_tags(request.user))


def filled_values(request: AgentRequest, name: str) -> list[str]:
    """The values of a repeatable field, without the empty ones that a form sends."""
    return [value for value in text_list_field(request, name) if value.strip()]
