"""What people do with a conversation: find it within reach, one verb, one answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from relais.accounts.models import User
from relais.conversations.lifecycle import Refusal
from relais.conversations.models import Conversation, ConversationEvent, MessageDelivery
from relais.conversations.views import pages, responses
from relais.conversations.views.responses import AgentRequest, Unfit, signed_in
from relais.text import sanitize_for_postgres

LONGEST_REF = 64


@require_POST
@signed_in
def take_over(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    return _carried_out(request, conversation, lambda: conversation.take_over(request.user, at=now()))


@require_POST
@signed_in
def hand_back(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    reason = _text(request, "reason")[:500]
    return _carried_out(
        request,
        conversation,
        lambda: conversation.hand_back(request.user, at=now(), reason=reason),
        said=_("La conversation est rendue au bot."),
    )


@require_POST
@signed_in
def reassign(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    return _carried_out(
        request, conversation, lambda: conversation.reassign(_agent(request), by=request.user, at=now())
    )


@require_POST
@signed_in
def close(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    return _carried_out(
        request,
        conversation,
        lambda: conversation.close(request.user, at=now(), tell_client=_tell_client(request)),
        said=_("Conversation avec %(client)s clôturée.") % {"client": conversation.client_name},
        to=("active",),
    )


@require_POST
@signed_in
def send(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    text = _text(request, "message")
    try:
        delivery = conversation.say_as_agent(text, agent=request.user, at=now(), ref=_ref(request))
    except Refusal as refusal:
        if responses.wants_json(request):
            return responses.refused(request, refusal)
        # The page itself, not a way back to it: what was written must not be lost.
        return pages.chat_page(request, _within_reach(request, pk), draft=text, refusal=refusal)
    return _said(request, delivery)


@require_POST
@signed_in
def resend(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    return _about(
        request, conversation, lambda event: conversation.resend(event, agent=request.user, at=now())
    )


@require_POST
@signed_in
def arrived(request: AgentRequest, pk: int) -> HttpResponse:
    conversation = _within_reach(request, pk)
    return _about(
        request, conversation, lambda event: conversation.confirm_arrival(event, agent=request.user, at=now())
    )


@require_POST
@signed_in
def read(request: AgentRequest, pk: int) -> HttpResponse:
    """The holder's page is open before him, and something new came."""
    _within_reach(request, pk).read_by(request.user)
    return responses.done()


# -- the answers ------------------------------------------------------------------------------------------


def _carried_out(
    request: AgentRequest,
    conversation: Conversation,
    verb: Callable[[], None],
    said: str = "",
    to: tuple[str, ...] = (),
) -> HttpResponse:
    """Do it, and answer where the conversation stands now. `to` is the page after it, else the chat."""
    refusal = None
    try:
        verb()
    except Refusal as reason:
        refusal = reason
    if responses.wants_json(request):
        return responses.refused(request, refusal) if refusal else responses.done(**_standing(conversation))
    if request.htmx:
        return pages.situation_fragment(request, conversation, refusal)
    stays = refusal or not to
    return responses.back(request, *(("chat", conversation.pk) if stays else to), said=said, refusal=refusal)


def _standing(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversation_id": conversation.pk,
        "status": conversation.status,
        "agent": str(conversation.agent) if conversation.agent else None,
        "duration_seconds": conversation.duration_seconds,
    }


def _about(
    request: AgentRequest, conversation: Conversation, verb: Callable[[ConversationEvent], MessageDelivery]
) -> HttpResponse:
    try:
        return _said(request, verb(_event(request, conversation)))
    except MessageDelivery.DoesNotExist as missing:
        raise Http404 from missing
    except Refusal as refusal:
        if responses.wants_json(request):
            return responses.refused(request, refusal)
        return responses.back(request, "chat", conversation.pk, refusal=refusal)


def _said(request: AgentRequest, delivery: MessageDelivery) -> HttpResponse:
    if not responses.wants_json(request):
        return responses.back(request, "chat", delivery.conversation_id)
    return responses.done(
        event_id=delivery.event_id,
        delivery_id=delivery.pk,
        status=delivery.state,
        message_sid=delivery.sid,
        html=pages.message_fragment(delivery),
    )


# -- what was asked ---------------------------------------------------------------------------------------


def _within_reach(request: AgentRequest, pk: int) -> Conversation:
    conversation: Conversation = get_object_or_404(
        request.user.reachable_conversations().select_related("address", "client", "agent"), pk=pk
    )
    return conversation


def _text(request: AgentRequest, name: str) -> str:
    """A field of the form, or of a JSON object; always text that can be stored, whatever was sent."""
    return sanitize_for_postgres(_given(request, name))


def _given(request: AgentRequest, name: str) -> str:
    if request.content_type == "application/json":
        value = _json(request).get(name, "")
        return (
            value
            if isinstance(value, str)
            else ""
            if isinstance(value, dict | list) or value is None
            else str(value)
        )
    return request.POST.get(name, "")


def _json(request: AgentRequest) -> dict[str, Any]:
    try:
        said = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _ref(request: AgentRequest) -> str | None:
    ref = _text(request, "ref")
    if len(ref) > LONGEST_REF:
        raise Unfit("ref", _("La référence dépasse %(most)s caractères.") % {"most": LONGEST_REF})
    return ref or None


def _number(request: AgentRequest, name: str) -> int:
    """An id; 0, which no row has, when it is none."""
    text = _text(request, name).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _event(request: AgentRequest, conversation: Conversation) -> ConversationEvent:
    return get_object_or_404(conversation.events, pk=_number(request, "event"))


def _agent(request: AgentRequest) -> User:
    agent = User.objects.active().filter(pk=_number(request, "agent")).first()
    if agent is None:
        raise Unfit("agent", _("Choisissez un agent dans la liste."))
    return agent


def _tell_client(request: AgentRequest) -> bool | None:
    """None: as the conversation's situation suggests."""
    return {
        "1": True,
        "true": True,
        "True": True,
        "on": True,
        "0": False,
        "false": False,
        "False": False,
    }.get(_text(request, "tell_client"))
