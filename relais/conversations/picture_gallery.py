"""The pictures of a conversation in their order, for the viewer."""

from __future__ import annotations

from django.db.models import Q

from relais.conversations.models import Media
from relais.conversations.states import MediaState


def neighbour_picture(media: Media, *, step: int) -> Media | None:
    """The next picture of the conversation (`step` 1), or the one before (-1)."""
    seq, position = media.event.seq, media.position
    pictures = Media.objects.filter(
        event__conversation=media.event.conversation_id,
        event__metadata__has_key="media",  # There is an index of these.
        state=MediaState.STORED,
        content_type__startswith="image/",
    )
    if step > 0:
        later = pictures.filter(Q(event__seq__gt=seq) | Q(event__seq=seq, position__gt=position))
        return later.order_by("event__seq", "position").first()
    earlier = pictures.filter(Q(event__seq__lt=seq) | Q(event__seq=seq, position__lt=position))
    return earlier.order_by("-event__seq", "-position").first()
