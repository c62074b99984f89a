"""The jobs of the bot: when it runs, and how failures are retried. Jobs carry ids and decide nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from django.db import InterfaceError, OperationalError
from django.utils import timezone
from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.jobs import Job

from relais.company.company_settings import TYPING_INDICATOR, get_value
from relais.flows import host_limiter, runner
from relais.flows.engine import RequestResult
from relais.flows.host_limiter import HostBusy
from relais.flows.http_limits import BUSY_HOST_DELAYS_SECONDS
from relais.flows.models import Execution
from relais.flows.outbound_request import OutboundRequest

RUN_TASK = "relais.flows.tasks.run_bot"
RUN_WITH_REQUESTS_TASK = "relais.flows.tasks.run_bot_with_requests"
REQUEST_QUEUE = "flow_requests"
SHOW_TYPING_TASK = "relais.whatsapp.tasks.show_typing"
SHOW_WAITING_AFTER_SECONDS = 2
"""Most responses come earlier."""
MAX_WOKEN_EXECUTIONS = 500
"""How many executions one periodic job wakes at most."""

# -- retries ----------------------------------------------------------------------------------------------

MAX_ATTEMPTS = 6
MAX_RETRY_DELAY_SECONDS = 64
DATABASE_ERRORS = (OperationalError, InterfaceError)
"""Temporary failures of the database: retried without limit, since the flow is not at fault."""


class RetryWithBackoff(BaseRetryStrategy):
    """Exponential backoff up to MAX_ATTEMPTS. A failed job was rolled back: the retry finds the same message."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if _is_last_attempt(job, exception):
            return None
        return RetryDecision(
            retry_in={"seconds": min(MAX_RETRY_DELAY_SECONDS, 2 ** min(job.attempts + 1, 10))}
        )


def _is_last_attempt(job: Job, error: BaseException) -> bool:
    return job.attempts + 1 >= MAX_ATTEMPTS and not isinstance(error, DATABASE_ERRORS)


@contextmanager
def _fails_execution_at_last(job: Job, conversation_id: int) -> Iterator[None]:
    """After the last attempt, hand the conversation to an agent: the client has written and awaits an answer."""
    try:
        yield
    except HostBusy:
        raise
    except Exception as error:
        if _is_last_attempt(job, error):
            runner.fail_execution(conversation_id, at=timezone.now())
        raise


# -- jobs -------------------------------------------------------------------------------------------------


@app.task(name=RUN_TASK, retry=RetryWithBackoff(), pass_context=True)
def run_bot(context: JobContext, conversation_id: int) -> None:
    """Run the bot up to its next request: bots without requests must not wait for slow hosts."""
    with _fails_execution_at_last(context.job, conversation_id):
        if runner.run(conversation_id, fetch=None) and not _has_waiting_request_job(conversation_id):
            run_bot_with_requests.configure(lock=_lock(conversation_id)).defer(
                conversation_id=conversation_id
            )
            if get_value(TYPING_INDICATOR):
                show_waiting.configure(schedule_in={"seconds": SHOW_WAITING_AFTER_SECONDS}).defer(
                    conversation_id=conversation_id
                )


@app.task(name=RUN_WITH_REQUESTS_TASK, queue=REQUEST_QUEUE, retry=RetryWithBackoff(), pass_context=True)
def run_bot_with_requests(context: JobContext, conversation_id: int, busy_count: int = 0) -> None:
    """Run the bot with its requests, in a slot for requests; `busy_count` is how often the host was busy before."""
    retries_left = len(BUSY_HOST_DELAYS_SECONDS) - busy_count
    try:
        with _fails_execution_at_last(context.job, conversation_id):
            runner.run(conversation_id, fetch=partial(_fetch, raises_if_busy=retries_left > 0))
    except HostBusy:
        retry = run_bot_with_requests.configure(
            lock=_lock(conversation_id), schedule_in={"seconds": BUSY_HOST_DELAYS_SECONDS[busy_count]}
        )
        retry.defer(conversation_id=conversation_id, busy_count=busy_count + 1)


@app.task(name="relais.flows.tasks.show_waiting")
def show_waiting(conversation_id: int) -> None:
    """If the response is still awaited, the client sees that an answer is being written."""
    if Execution.objects.filter(conversation=conversation_id, ended_at=None, pending__isnull=False).exists():
        # By name: this room does not know WhatsApp.
        app.configure_task(SHOW_TYPING_TASK, queue="typing").defer(
            conversation_id=conversation_id, user_id=None, reported_at=timezone.now().isoformat()
        )


def _has_waiting_request_job(conversation_id: int) -> bool:
    """Free of races: of two jobs with one lock only one runs, so nobody else defers one meanwhile."""
    jobs = ProcrastinateJob.objects.filter(task_name=RUN_WITH_REQUESTS_TASK, status="todo")
    return jobs.filter(lock=_lock(conversation_id)).exists()


def _lock(conversation_id: int) -> str:
    return f"bot:{conversation_id}"


def _fetch(request: OutboundRequest, *, raises_if_busy: bool) -> RequestResult:
    """Send the request. Raises HostBusy if it shall be retried later; without retries it fails in the flow."""
    # Imported here because aiohttp takes long to import, and the web process makes no requests.
    from relais.flows import http_client

    try:
        with host_limiter.host_limiter.request_to(request.url):
            return http_client.fetch(request)
    except HostBusy:
        if raises_if_busy:
            raise
        return RequestResult.failed(request.ref, "too many requests to this host are under way")


@app.task(name="relais.flows.tasks.wake_bots", queueing_lock="wake_bots", priority=1)
def wake_bots(timestamp: int) -> None:
    """Run the executions that are due, unless a job of theirs is running or waiting for a retry."""
    tasks = [RUN_TASK, RUN_WITH_REQUESTS_TASK]
    unfinished = ProcrastinateJob.objects.filter(task_name__in=tasks, status__in=["todo", "doing"])
    busy_locks = set(unfinished.values_list("lock", flat=True))
    due = Execution.objects.due(datetime.fromtimestamp(timestamp, UTC)).order_by("due_at")
    for conversation_id in due.values_list("conversation_id", flat=True)[:MAX_WOKEN_EXECUTIONS]:
        if (lock := _lock(conversation_id)) not in busy_locks:
            run_bot.configure(lock=lock).defer(conversation_id=conversation_id)
