"""Maintenance of the job queues.

Periodic tasks, here and in the other rooms, have a higher priority than all others. Otherwise, behind thousands of jobs
of the bot, the jobs of a dead worker would block their conversations, and Twilio's log would not be reconciled.
"""

import logging
import time

from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation

from relais.ops.health import STALE_AFTER_SECONDS
from relais.ops.job_tracker import job_tracker

log = logging.getLogger(__name__)


@app.task(name="relais.ops.tasks.retry_stalled", queueing_lock="retry_stalled", priority=1, pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Retry the jobs of dead workers, and the jobs of living workers that are not running."""
    manager = context.app.job_manager
    stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=STALE_AFTER_SECONDS))
    doing = await manager.list_jobs_async(status="doing")
    for job in [*stalled, *job_tracker.find_lost(doing, now=time.monotonic())]:
        if job_tracker.is_running(job.id):
            continue  # Its worker restarted and left the job in its thread.
        try:
            await manager.retry_job(job)
        except UniqueViolation:
            log.info("job not retried, another one of its queueing lock is queued", extra={"job": job.id})
