"""When the bot runs. Jobs carry ids and decide nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import connection
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.flows.models import Execution

if TYPE_CHECKING:
    from relais.flows.engine import Answered
    from relais.flows.runner import Errand

TRIES = RetryStrategy(max_attempts=6, exponential_wait=2)
"""Whatever failed was rolled back: a later try finds the same message."""
RUN = "relais.flows.tasks.run_bot"


@app.task(name=RUN, retry=TRIES)
def run_bot(conversation_id: int) -> None:
    from relais.flows import runner

    runner.run(conversation_id, fetch=_fetch)


def _fetch(errand: Errand) -> Answered:
    """A slow host keeps a job waiting, never one of the database's few connections."""
    from relais.flows import http

    if not connection.in_atomic_block:
        connection.close()
    return http.fetch(errand)


@app.periodic(cron="* * * * * */5")
@app.task(name="relais.flows.tasks.wake_bots", queueing_lock="wake_bots")
def wake_bots(timestamp: int) -> None:
    """Executions that move by themselves, unless a job of theirs is under way or to be tried again."""
    under_way = ProcrastinateJob.objects.filter(task_name=RUN, status__in=["todo", "doing"])
    busy = set(under_way.values_list("lock", flat=True))
    due = Execution.objects.due(datetime.fromtimestamp(timestamp, UTC)).order_by("due_at")[:500]
    for conversation_id in due.values_list("conversation_id", flat=True):
        if (lock := f"bot:{conversation_id}") not in busy:
            run_bot.configure(lock=lock).defer(conversation_id=conversation_id)
