"""Media files, shown to those who may see their conversation, and the reading of templates on request."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.timezone import now
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from relais.conversations import fragments
from relais.conversations.media_types import INLINE_CONTENT_TYPES
from relais.conversations.models import ConversationEvent, Media
from relais.conversations.states import MediaState
from relais.web.errors import wants_json
from relais.web.not_found import get_or_404
from relais.web.responses import (
    AgentRequest,
    agent_required,
    redirect_with_message,
    refusal_response,
    success_response,
)
from relais.whatsapp import client
from relais.whatsapp.content import template_sync
from relais.whatsapp.media import download
from relais.whatsapp.media.content_disposition import build_content_disposition
from relais.whatsapp.media.files import read_content

CHUNK_BYTES = 4096
"""Of this size a bounded number waits for a slow reader: `SEND_QUEUE_CHUNKS` in `http_server/django_bridge.py`."""


@require_POST
@agent_required
def retry_media(request: AgentRequest, pk: int) -> HttpResponse:
    """Retry a download that was given up; a second click finds it under way."""
    within_reach = Media.objects.filter(event__conversation__in=request.user.reachable_conversations())
    media = get_or_404(within_reach.select_related("event__conversation"), pk=pk)
    if media.is_retryable:
        download.retry(media)
    if wants_json(request):
        return success_response(html=fragments.message(ConversationEvent.objects.get(pk=media.event_id)))
    return redirect_with_message(request, "chat", media.event.conversation_id)


@require_POST
@agent_required
def sync_templates(request: AgentRequest) -> HttpResponse:
    """Read the account's templates now. For administrators."""
    if not request.user.is_admin:
        raise PermissionDenied
    refusal, count = None, 0
    try:
        count = template_sync.sync_templates(at=now(), retry_pauses=client.QUICK_PAGE_RETRY_PAUSES_SECONDS)
    except template_sync.TemplatesNotRead as error:
        refusal = error
    if wants_json(request):
        return refusal_response(refusal) if refusal else success_response(count=count)
    message = ngettext("%(count)s modèle lu.", "%(count)s modèles lus.", count) % {"count": count}
    return redirect_with_message(request, "templates", message=message, refusal=refusal)


@login_required
@require_safe
def show_media(request: HttpRequest, pk: int) -> HttpResponseBase:
    media = get_or_404(
        Media.objects.select_related("event", "file"),
        pk=pk,
        state=MediaState.STORED,
        event__conversation__in=request.user.reachable_conversations(),  # type: ignore[union-attr]
    )
    try:
        content = read_content(media, chunk_bytes=CHUNK_BYTES)
    except OSError as error:
        raise Http404 from error
    is_inline = media.content_type in INLINE_CONTENT_TYPES
    response = StreamingHttpResponse(
        content, content_type=media.content_type if is_inline else "application/octet-stream"
    )
    response["Content-Length"] = str(media.size)
    response["Content-Disposition"] = build_content_disposition(
        "inline" if is_inline else "attachment", media.download_name
    )
    response["X-Content-Type-Options"] = "nosniff"
    # A PDF may contain scripts: the sandbox lets them reach nothing.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, max-age=86400, immutable"
    return response
