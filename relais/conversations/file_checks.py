"""What happens to a file of a message after its download, in jobs: the virus scan, then the preview.

A file that waits for its scan is `scanning` and is not served; nothing serves an infected one ever.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from relais.conversations.models import Media
from relais.conversations.states import MediaState
from relais.files import previews, virus_scanner
from relais.files.models import StoredFile, quarantine

log = logging.getLogger(__name__)
MAX_PREVIEW_ATTEMPTS = 6
MAX_PAUSE_SECONDS = 300
OVERDUE = timedelta(minutes=10)
OVERDUE_SLICE = 200


class ScanRetryStrategy(BaseRetryStrategy):
    """Without end: a file is not served before it was scanned, and the scanner will be back."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        return RetryDecision(retry_in={"seconds": min(MAX_PAUSE_SECONDS, 5 * 2 ** min(job.attempts, 6))})


def state_after_download(stored: StoredFile) -> tuple[str, str]:
    """The state of media with this file, and its error."""
    if stored.infection:
        return MediaState.INFECTED, stored.infection
    is_scanned = bool(settings.ENVIRONMENT.clamav_url)
    return (MediaState.SCANNING if is_scanned else MediaState.STORED), ""


def scan(media_id: int) -> None:
    """Idempotent. Raises ScannerUnavailable, OSError and what the storage raises: then the file waits."""
    media = Media.objects.filter(pk=media_id, state=MediaState.SCANNING).first()
    if media is None or media.file is None:
        return
    url = settings.ENVIRONMENT.clamav_url
    # Without a scanner, the administrator has turned it off meanwhile.
    signature = media.file.infection or (virus_scanner.scan(url, media.file.read()) if url else "")
    if not signature:
        media.record_download(MediaState.STORED)
        return
    quarantine(media.file, signature)
    others = Media.objects.filter(file=media.file).exclude(Q(state=MediaState.INFECTED) | Q(pk=media.pk))
    # This one last: if the process is killed, the job is run again and finds it.
    for each in [*others.order_by("pk"), media]:
        log.warning("infected file quarantined", extra={"media": each.pk, "file": media.file.pk})
        each.record_download(MediaState.INFECTED, error=signature)


def preview(media_id: int, *, at: datetime) -> None:
    """Idempotent. Raises OSError, and what the storage raises."""
    media = Media.objects.filter(pk=media_id, state=MediaState.STORED).first()
    if media is None or media.file is None:
        return
    previews.make_preview(media.file, at=at)
    media.record_preview()


@transaction.atomic
def defer_overdue_previews(*, at: datetime) -> None:
    """Of files that were received before there were previews, and of those whose job was lost."""
    missing = Media.objects.filter(
        state=MediaState.STORED, file__previewed_at=None, file__stored_at__lt=at - OVERDUE
    )
    for media in missing.order_by("-pk")[:OVERDUE_SLICE]:
        media.defer_next_job()
