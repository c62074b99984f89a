"""Housekeeping of the jobs themselves.

What is periodic, here and in the other rooms, has priority over all that waits: behind thousands of the bot's jobs the
jobs of a dead worker would hold their conversations up, and nobody would read Twilio's log.
"""

import logging
import time

from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation

from relais.ops.job_tracker import job_tracker

log = logging.getLogger(__name__)

SILENT = 15
"""Seconds without a heartbeat after which a worker counts as dead, and its jobs are run again."""


@app.periodic(cron="* * * * * */5")
@app.task(name="relais.ops.tasks.retry_stalled", queueing_lock="retry_stalled", priority=1, pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    """Jobs of dead workers, and those of living ones that nobody works at."""
    manager = context.app.job_manager
    stalled = list(await manager.get_stalled_jobs(seconds_since_heartbeat=SILENT))
    taken = await manager.list_jobs_async(status="doing")
    for job in [*stalled, *job_tracker.find_lost(taken, now=time.monotonic())]:
        if job_tracker.is_running(job.id):
            continue  # Its worker had to begin again and left the job to its thread.
        try:
            await manager.retry_job(job)
        except UniqueViolation:
            log.info("job waits: another one of its queueing lock is to come", extra={"job": job.id})
