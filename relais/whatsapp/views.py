"""Pictures and documents, shown to those who may see the conversation they came in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST, require_safe

from relais.conversations import fragments
from relais.conversations.models import ConversationEvent, Media, MediaState
from relais.conversations.views.responses import AgentRequest, back, done, signed_in, wants_json
from relais.whatsapp.media import download as fetching
from relais.whatsapp.media.content_disposition import content_disposition
from relais.whatsapp.media.download import SHOWN_INLINE, path_of


@require_POST
@signed_in
def try_again(request: AgentRequest, pk: int) -> HttpResponse:
    """Fetch once more what was given up; a second click finds it under way."""
    within_reach = Media.objects.filter(event__conversation__in=request.user.reachable_conversations())
    found = get_object_or_404(within_reach.select_related("event__conversation"), pk=pk)
    if found.may_be_tried_again:
        fetching.try_again(found)
    if wants_json(request):
        return done(html=fragments.message(ConversationEvent.objects.get(pk=found.event_id)))
    return back(request, "chat", found.event.conversation_id)


@login_required
@require_safe
def media(request: HttpRequest, pk: int) -> FileResponse:
    found = get_object_or_404(
        Media.objects.select_related("event"),
        pk=pk,
        state=MediaState.STORED,
        event__conversation__in=request.user.reachable_conversations(),  # type: ignore[union-attr]
    )
    try:
        content = path_of(found).open("rb")
    except OSError as error:
        raise Http404 from error
    inline = found.content_type in SHOWN_INLINE
    answer = FileResponse(content, content_type=found.content_type if inline else "application/octet-stream")
    answer["Content-Disposition"] = content_disposition(
        "inline" if inline else "attachment", found.download_name
    )
    answer["X-Content-Type-Options"] = "nosniff"
    # A PDF may hold scripts of its own: it is shown, and can reach nothing.
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "private, max-age=86400, immutable"
    return answer
