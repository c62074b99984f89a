"""One action on several conversations at once.

Each is changed in a transaction of its own, in id order: one that is refused does not hold back the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from relais.accounts.models import Team, User
from relais.action_errors import ActionRefused, InvalidField
from relais.conversations.models import Conversation
from relais.conversations.tags import MAX_TAG_CHARACTERS, Tag
from relais.conversations.views.action_fields import notify_client_field, recipient_field, transfer_note_field
from relais.conversations.views.close_reason import close_reason_context, close_reason_field
from relais.conversations.views.responses import refusal_code
from relais.conversations.views.tags import filled_values
from relais.text import parse_primary_key
from relais.web import responses
from relais.web.errors import wants_json
from relais.web.request_fields import text_field, text_list_field
from relais.web.responses import AgentRequest, agent_required

MAX_CONVERSATIONS = 100
MAX_LISTED_REFUSALS = 10
ACTIONS: dict[str, Any] = {
    "take-over": gettext_lazy("Prendre en charge"),
    "tag": gettext_lazy("Étiqueter"),
    "transfer": gettext_lazy("Transférer"),
    "close": gettext_lazy("Clôturer"),
}
Action = Callable[[Conversation], object]


@require_http_methods(["GET", "HEAD", "POST"])
@agent_required
def bulk(request: AgentRequest) -> HttpResponse:
    if request.method != "POST":
        return _dialog(request)
    try:
        ids, action = _ids(request), _action(request)
    except InvalidField as refusal:
        if wants_json(request):
            return responses.refusal_response(refusal)
        messages.error(request, str(refusal))
        return redirect(_next_url(request))
    done, refused = _perform(request, ids, action)
    if wants_json(request):
        return responses.success_response(done=done, refused=refused)
    _show_result(request, done, refused)
    return redirect(_next_url(request))


@require_safe
@agent_required
def bulk_bar(request: AgentRequest) -> HttpResponse:
    """The actions on chosen rows, for the list beside a conversation."""
    return render(request, "conversations/_bulk.html", {"next": _next_url(request)})


def _perform(
    request: AgentRequest, ids: list[int | str], action: Action
) -> tuple[list[int], list[dict[str, Any]]]:
    done: list[int] = []
    refused: list[dict[str, Any]] = []
    not_found = _("Cette conversation n'existe pas, ou n'est pas à votre portée.")
    for id in ids:
        reachable = request.user.reachable_conversations().select_related(
            "address", "client", "agent", "team"
        )
        conversation = reachable.filter(pk=id).first() if isinstance(id, int) else None
        if conversation is None:
            refused.append({"id": id, "code": "not_found", "error": not_found})
            continue
        try:
            action(conversation)
        except ActionRefused as refusal:
            refused.append({"id": id, "code": refusal_code(request, refusal), "error": str(refusal)})
        else:
            done.append(conversation.pk)
    return done, refused


def _ids(request: AgentRequest) -> list[int | str]:
    """Distinct, in order; what is no id comes last and is refused like an unknown one."""
    texts = [text.strip() for text in text_list_field(request, "ids")]
    if not texts:
        raise InvalidField("ids", _("Choisissez au moins une conversation."))
    if len(texts) > MAX_CONVERSATIONS:
        raise InvalidField(
            "too_many",
            _("Choisissez au plus %(most)s conversations à la fois.") % {"most": MAX_CONVERSATIONS},
        )
    ids = {text: parse_primary_key(text) for text in texts}
    numbers = sorted({id for id in ids.values() if id is not None})
    return [*numbers, *(text for text, id in ids.items() if id is None)]


def _action(request: AgentRequest) -> Action:
    """The verb with its fields, those of the single call. Raises InvalidField."""
    user, name = request.user, text_field(request, "action")
    if name == "take-over":
        return lambda conversation: conversation.take_over(user, at=now())
    if name == "close":
        reason, tell_client = close_reason_field(request), notify_client_field(request)
        return lambda conversation: conversation.close(user, at=now(), tell_client=tell_client, reason=reason)
    if name == "tag":
        add, remove = filled_values(request, "add"), filled_values(request, "remove")
        return lambda conversation: conversation.change_tags(add=add, remove=remove, by=user, at=now())
    if name == "transfer":
        to, note = recipient_field(request), transfer_note_field(request)
        return lambda conversation: conversation.transfer(to, by=user, at=now(), note=note)
    raise InvalidField("action", _("Choisissez une action de la liste."))


# -- pages ------------------------------------------------------------------------------------------------


def _dialog(request: AgentRequest) -> HttpResponse:
    """The fields of one action, or without scripts of each, for the conversations that were chosen."""
    is_fragment = request.headers.get("X-Requested-With") == "fetch"
    chosen = request.GET.get("action", "")
    ids = [id for text in request.GET.getlist("ids")[:MAX_CONVERSATIONS] if (id := parse_primary_key(text))]
    reachable = request.user.reachable_conversations().select_related("address", "client")
    context = {
        "actions": {key: label for key, label in ACTIONS.items() if chosen in ("", key)},
        "conversations": reachable.filter(pk__in=ids).order_by("pk"),
        "next": _next_url(request),
        "tags": Tag.objects.in_order(),
        "max_tag_characters": MAX_TAG_CHARACTERS,
        "agents": User.objects.active(),
        "teams": Team.objects.all(),
        **close_reason_context(),
        "is_fragment": is_fragment,
    }
    template = "conversations/_bulk_dialog.html" if is_fragment else "conversations/bulk.html"
    return render(request, template, context)


def _show_result(request: AgentRequest, done: list[int], refused: list[dict[str, Any]]) -> None:
    if done:
        messages.success(
            request,
            ngettext("%(n)s conversation traitée.", "%(n)s conversations traitées.", len(done))
            % {"n": len(done)},
        )
    reachable = request.user.reachable_conversations().select_related("address", "client")
    ids = [each["id"] for each in refused if isinstance(each["id"], int)]
    names = {conversation.pk: conversation.client_name for conversation in reachable.filter(pk__in=ids)}
    for each in refused[:MAX_LISTED_REFUSALS]:
        name = names.get(each["id"])
        messages.error(
            request,
            _("%(client)s : %(reason)s") % {"client": name, "reason": each["error"]}
            if name
            else each["error"],
        )


def _next_url(request: AgentRequest) -> str:
    """The list that the choice was made on: this desk's own addresses only."""
    url = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)
    return url if is_ours else "/dashboard/active"
