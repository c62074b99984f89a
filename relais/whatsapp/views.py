"""Pictures and documents, shown to those who may see the conversation they came in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from relais.conversations.models import Media, MediaState
from relais.whatsapp.media import SHOWN_INLINE, path_of


@login_required
@require_safe
def media(request: HttpRequest, pk: int) -> FileResponse:
    found = get_object_or_404(
        Media,
        pk=pk,
        state=MediaState.STORED,
        event__conversation__in=request.user.reachable_conversations(),  # type: ignore[union-attr]
    )
    try:
        content = path_of(found).open("rb")
    except OSError as error:
        raise Http404 from error
    inline = found.content_type in SHOWN_INLINE
    answer = FileResponse(
        content,
        content_type=found.content_type if inline else "application/octet-stream",
        as_attachment=not inline,
        filename="" if inline else f"document-{found.pk}",
    )
    answer["X-Content-Type-Options"] = "nosniff"
    # A PDF may hold scripts of its own: it is shown, and can reach nothing.
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["Cache-Control"] = "private, max-age=86400, immutable"
    return answer
