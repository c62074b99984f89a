"""When the download of a media file is retried, and when it is given up."""

from __future__ import annotations

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

MAX_PAUSE_SECONDS = 3600
MAX_ATTEMPTS = 31
"""With pauses of 3, 9, 27 … seconds up to an hour each: a day in all."""


class MediaRetryStrategy(BaseRetryStrategy):
    """Exponential backoff; a longer Retry-After takes precedence."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if job.attempts >= MAX_ATTEMPTS:
            return None
        pause: float = min(MAX_PAUSE_SECONDS, 3 ** min(job.attempts + 1, 10))
        retry_after = getattr(exception, "retry_after_seconds", None) or 0.0
        return RetryDecision(retry_in={"seconds": int(max(pause, retry_after))})
