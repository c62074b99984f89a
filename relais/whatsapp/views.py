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
from relais.conversations.picture_gallery import neighbour_picture
from relais.conversations.states import MediaState
from relais.conversations.views.responses import dialog_response
from relais.files.byte_ranges import content_range, requested_range
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

THUMBNAIL_MAX_AGE_SECONDS = 3600
MAX_OPEN_RANGE_BYTES = 1024 * 1024
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
    """The file itself, or the range that a player asks for; with `?save` under a name to keep it by."""
    media = _get_media(request, pk)
    size = media.size or 0
    start, length = 0, size
    is_inline = media.content_type in INLINE_CONTENT_TYPES and "save" not in request.GET
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": build_content_disposition(
            "inline" if is_inline else "attachment",
            media.saved_name if "save" in request.GET else media.download_name,
        ),
        # A PDF may contain scripts: the sandbox lets them reach nothing.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        **_cache_headers(f"{media.file.sha256 if media.file else media.pk}", max_age=0),
    }
    if _is_known(request, headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    if "range" in request.headers and request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        span = _bounded_range(request.headers["range"], size)
        if span is None:
            return HttpResponse(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
        start, length = span
    try:
        content = read_content(media, start=start, length=length, chunk_bytes=CHUNK_BYTES)
    except OSError as error:
        raise Http404 from error
    if length < size:
        headers["Content-Range"] = content_range(start, length, size)
    return StreamingHttpResponse(
        content,
        status=206 if length < size else 200,
        content_type=media.content_type if is_inline else "application/octet-stream",
        headers=headers | {"Content-Length": str(length)},
    )


@login_required
@require_safe
def show_thumbnail(request: HttpRequest, pk: int) -> HttpResponseBase:
    media = _get_media(request, pk)
    thumbnail = media.file.thumbnail if media.file else None
    if thumbnail is None:
        raise Http404
    headers = _cache_headers(thumbnail.sha256, max_age=THUMBNAIL_MAX_AGE_SECONDS)
    if _is_known(request, headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    try:
        content = thumbnail.read(chunk_bytes=CHUNK_BYTES)
    except OSError as error:
        raise Http404 from error
    return StreamingHttpResponse(
        content,
        content_type=thumbnail.content_type,
        headers=headers | {"Content-Length": str(thumbnail.size)},
    )


@require_safe
@agent_required
def show_picture(request: AgentRequest, pk: int) -> HttpResponse:
    """The viewer: alone for `dialog_link.js`, else as a page."""
    media = _get_media(request, pk)
    if media.family != "image":
        raise Http404
    conversation = media.event.conversation
    context = {
        "media": media,
        "conversation": conversation,
        "previous": neighbour_picture(media, step=-1),
        "next": neighbour_picture(media, step=1),
    }
    return dialog_response(request, "whatsapp/_picture_viewer.html", context)


def _get_media(request: HttpRequest, pk: int) -> Media:
    media = get_or_404(
        Media.objects.select_related(
            "event__conversation__client", "event__conversation__address", "file__thumbnail"
        ),
        pk=pk,
        state=MediaState.STORED,
        event__conversation__in=request.user.reachable_conversations(),  # type: ignore[union-attr]
    )
    if media.file and media.file.infection:
        raise Http404
    return media


def _bounded_range(header: str, size: int) -> tuple[int, int] | None:
    """A player that asks for all that follows gets a part and asks again: a paused one would hold a thread."""
    span = requested_range(header, size)
    is_open = header.strip().endswith("-")
    return (span[0], min(span[1], MAX_OPEN_RANGE_BYTES)) if span and is_open else span


def _cache_headers(tag: str, *, max_age: int) -> dict[str, str]:
    """For this session alone: another one on the same computer, with other rights, has to ask."""
    lifetime = f"max-age={max_age}" if max_age else "no-cache"
    return {
        "ETag": f'"{tag}"',
        "Cache-Control": f"private, {lifetime}",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Cookie",
    }


def _is_known(request: HttpRequest, tag: str) -> bool:
    return tag in [
        each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")
    ]
