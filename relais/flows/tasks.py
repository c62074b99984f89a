"""When the bot runs. Jobs carry ids and decide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
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
RUN_WITH_REQUESTS = "relais.flows.tasks.run_bot_with_requests"
REQUEST_QUEUE = "flow_requests"
BUSY_PAUSES_SECONDS = (1, 2, 4, 8)
"""How long a request waits for a busy host, each time, before it has failed."""


class UntilGivenUp(BaseRetryStrategy):
    """Whatever failed was rolled back: a later try finds the same message."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if _is_last(job, exception):
            return None
        return RetryDecision(retry_in={"seconds": min(LONGEST_PAUSE, 2 ** min(job.attempts + 1, 10))})


@app.task(name=RUN, retry=UntilGivenUp(), pass_context=True)
def run_bot(context: JobContext, conversation_id: int) -> None:
    """Never asks a foreign host itself: the bots that ask nobody must not wait for those that do."""
    from relais.flows import runner

    with _giving_up_at_last(context.job, conversation_id):
        if runner.run(conversation_id, fetch=None) and not _request_is_waiting(conversation_id):
            run_bot_with_requests.configure(lock=_lock(conversation_id)).defer(
                conversation_id=conversation_id
            )


@app.task(name=RUN_WITH_REQUESTS, queue=REQUEST_QUEUE, retry=UntilGivenUp(), pass_context=True)
def run_bot_with_requests(context: JobContext, conversation_id: int, busy_count: int = 0) -> None:
    """The same in a slot for requests; `busy_count` is how often the host was found busy before."""
    from relais.flows import runner
    from relais.flows.host_limits import HostBusy

    tries_left = len(BUSY_PAUSES_SECONDS) - busy_count
    try:
        with _giving_up_at_last(context.job, conversation_id):
            runner.run(conversation_id, fetch=partial(_fetch, waits_if_busy=tries_left > 0))
    except HostBusy:
        later = run_bot_with_requests.configure(
            lock=_lock(conversation_id), schedule_in={"seconds": BUSY_PAUSES_SECONDS[busy_count]}
        )
        later.defer(conversation_id=conversation_id, busy_count=busy_count + 1)


def _request_is_waiting(conversation_id: int) -> bool:
    """Of two jobs with one lock only one is at work, so nobody defers another meanwhile."""
    jobs = ProcrastinateJob.objects.filter(task_name=RUN_WITH_REQUESTS, status="todo")
    return jobs.filter(lock=_lock(conversation_id)).exists()


def _lock(conversation_id: int) -> str:
    return f"bot:{conversation_id}"


@contextmanager
def _giving_up_at_last(job: Job, conversation_id: int) -> Iterator[None]:
    from relais.flows import runner
    from relais.flows.host_limits import HostBusy

    try:
        yield
    except HostBusy:
        raise
    except Exception as error:
        # A person takes what the bot cannot: the client has written, and would be left alone.
        if _is_last(job, error):
            runner.give_up(conversation_id, at=timezone.now())
        raise


def _is_last(job: Job, error: BaseException) -> bool:
    return job.attempts + 1 >= TRIES and not isinstance(error, AWAY)


def _fetch(errand: Errand, *, waits_if_busy: bool) -> Answered:
    """Raises HostBusy when it is worth waiting for the host; after that the flow takes its branch for a failure."""
    from relais.flows import http_client
    from relais.flows.engine import Answered
    from relais.flows.host_limits import HostBusy, host_limiter

    try:
        with host_limiter.request_to(errand.url):
            return http_client.fetch(errand)
    except HostBusy:
        if waits_if_busy:
            raise
        return Answered.failed(errand.ref, "too many requests to this host are under way")


@app.periodic(cron="* * * * * */5")
@app.task(name="relais.flows.tasks.wake_bots", queueing_lock="wake_bots", priority=1)
def wake_bots(timestamp: int) -> None:
    """Executions that move by themselves, unless a job of theirs is under way or to be tried again."""
    tasks = [RUN, RUN_WITH_REQUESTS]
    under_way = ProcrastinateJob.objects.filter(task_name__in=tasks, status__in=["todo", "doing"])
    busy = set(under_way.values_list("lock", flat=True))
    due = Execution.objects.due(datetime.fromtimestamp(timestamp, UTC)).order_by("due_at")[:500]
    for conversation_id in due.values_list("conversation_id", flat=True):
        if (lock := _lock(conversation_id)) not in busy:
            run_bot.configure(lock=lock).defer(conversation_id=conversation_id)
