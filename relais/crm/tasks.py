"""The job that runs an import of clients, a chunk at a time."""

from __future__ import annotations

from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from relais.crm import client_import

MAX_ATTEMPTS = 20
RETRY_WAIT_SECONDS = 5


@app.task(
    name=client_import.RUN_TASK, retry=RetryStrategy(max_attempts=MAX_ATTEMPTS, wait=RETRY_WAIT_SECONDS)
)
def run_import(import_id: int) -> None:
    """A chunk is a job of its own: a restart of the process waits for one chunk at most."""
    if client_import.run_chunk(import_id, at=timezone.now()):
        client_import.defer_chunk(import_id)
