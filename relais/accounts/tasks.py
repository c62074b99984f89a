"""Mail that leaves beside the pages. Jobs carry ids and decide nothing."""

from __future__ import annotations

import logging

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 6
RETRY = RetryStrategy(max_attempts=MAX_ATTEMPTS, exponential_wait=4)
"""Seconds 4, 16, 64, 256 and 1,024: enough for a mail server that is away, and no link comes hours late."""


@app.task(name="relais.accounts.tasks.send_password_reset", retry=RETRY)
def send_password_reset(user_id: int | None) -> None:
    """An unknown address defers a job for nobody, so that the page does the same for it as for a known one."""
    from relais.accounts.invitation import send_reset_mail
    from relais.accounts.models import User

    if user_id is None:
        return
    for user in User.objects.active().filter(pk=user_id):
        send_reset_mail(user)
        log.info("reset link sent", extra={"user": user.pk})
