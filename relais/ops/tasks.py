"""Housekeeping of the jobs themselves."""

from procrastinate import JobContext
from procrastinate.contrib.django import app

SILENT = 15
"""Seconds without a heartbeat after which a worker counts as dead, and its jobs are run again."""


@app.periodic(cron="* * * * * */5")
@app.task(name="relais.ops.tasks.retry_stalled", queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=SILENT):
        await manager.retry_job(job)
