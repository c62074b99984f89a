"""E-mail sent by jobs. Jobs carry ids only."""

from __future__ import annotations

import logging

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 6
RETRY_POLICY = RetryStrategy(max_attempts=MAX_ATTEMPTS, exponential_wait=4)
"""Exponential backoff of 4 to 1,024 seconds: outlasts an outage of the mail server, and sends no link hours late."""


@app.task(name="relais.accounts.tasks.send_password_reset", retry=RETRY_POLICY)
def send_password_reset(user_id: int | None) -> None:
    """Send a reset link. None is an unknown address, which defers a job too, so that the page does the same work."""
    from relais.accounts.invitation import send_password_reset_email
    from relais.accounts.models import User

    if user_id is None:
        return
    for user in User.objects.active().filter(pk=user_id):
        send_password_reset_email(user)
        log.info("reset link sent", extra={"user": user.pk})
