"""When the bot runs. Jobs carry ids and decide nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError
from django.utils import timezone
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from relais.flows.models import Execution

if TYPE_CHECKING:
    from relais.flows.engine import Answered
    from relais.flows.runner import Errand

TRIES = 6
AWAY = (OperationalError, InterfaceError)
"""The database's own trouble, which passes: no fault of the flow, and never counted against it."""
LONGEST_PAUSE = 64
RUN = "relais.flows.tasks.run_bot"


class UntilGivenUp(BaseRetryStrategy):
    """Whatever failed was rolled back: a later try finds the same message."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if _is_last(job, exception):
            return None
        return RetryDecision(retry_in={"seconds": min(LONGEST_PAUSE, 2 ** min(job.attempts + 1, 10))})


@app.task(name=RUN, retry=UntilGivenUp(), pass_context=True)
def run_bot(context: JobContext, conversation_id: int) -> None:
    from relais.flows import runner

    try:
        runner.run(conversation_id, fetch=_fetch)
    except Exception as error:
        # A person takes what the bot cannot: the client has written, and would be left alone.
        if _is_last(context.job, error):
            runner.give_up(conversation_id, at=timezone.now())
        raise


def _is_last(job: Job, error: BaseException) -> bool:
    return job.attempts + 1 >= TRIES and not isinstance(error, AWAY)


def _fetch(errand: Errand) -> Answered:
    from relais.flows import http

    return http.fetch(errand)


@app.periodic(cron="* * * * * */5")
@app.task(name="relais.flows.tasks.wake_bots", queueing_lock="wake_bots", priority=1)
def wake_bots(timestamp: int) -> None:
    """Executions that move by themselves, unless a job of theirs is under way or to be tried again."""
    under_way = ProcrastinateJob.objects.filter(task_name=RUN, status__in=["todo", "doing"])
    busy = set(under_way.values_list("lock", flat=True))
    due = Execution.objects.due(datetime.fromtimestamp(timestamp, UTC)).order_by("due_at")[:500]
    for conversation_id in due.values_list("conversation_id", flat=True):
        if (lock := f"bot:{conversation_id}") not in busy:
            run_bot.configure(lock=lock).defer(conversation_id=conversation_id)
