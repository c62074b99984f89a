"""The jobs of the bot: which of them wait for slow hosts, and which do not."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from procrastinate.contrib.django import DjangoApp, app
from procrastinate.contrib.django.models import ProcrastinateJob

from relais import jobs
from relais.company import company_settings
from relais.db_connection import releasing_connection
from relais.emulator.testing import wait_for
from relais.flows import engine, host_limiter, http_client, http_limits, tasks
from relais.flows.host_limiter import HostBusy, HostLimiter
from relais.flows.models import Execution
from relais.flows.tests.builders import attempt, flow_of, posts, published, says, state, to
from relais.flows.tests.raw_host import ENDLESS, SLOW_HOSTS, raw_hosts
from relais.job_queues import QUEUE_CONCURRENCY
from relais.live.pool import conninfo
from relais.ops.workers import Workers
from tests.cast import MachineClock, messages_to_client

TIMEOUT_SECONDS = 30


def flow_with_request(url):
    """A bot that answers « vite » by itself, and calls a host for any other message."""
    condition = {
        "friendly_name": "",
        "arguments": ["{{trigger.message.Body}}"],
        "type": "equal_to",
        "value": "vite",
    }
    on = [to("match", "now", conditions=[condition]), to("noMatch", "ask")]
    split = state("split", "split-based-on", on, input="{{trigger.message.Body}}")
    return flow_of(
        split,
        says("now", "Tout de suite."),
        posts("ask", "/", "answered", failed="failed", host=url),
        says("answered", "Trouvé."),
        says("failed", "Plus tard."),
    )


@pytest.fixture
def clock():
    """The machine's clock, which jobs read."""
    return MachineClock()


@pytest.fixture
def limiter(monkeypatch):
    limiter = HostLimiter(http_limits.MAX_REQUESTS_PER_HOST)
    monkeypatch.setattr(host_limiter, "host_limiter", limiter)
    return limiter


def waiting_requests():
    return ProcrastinateJob.objects.filter(task_name=tasks.RUN_WITH_REQUESTS_TASK, status="todo")


# -- single jobs ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("is_on", [False, True])
def test_the_client_is_shown_that_a_response_takes_long(fatou_writes, clock, limiter, monkeypatch, is_on):
    company_settings.set_value(company_settings.TYPING_INDICATOR, is_on)
    published(flow_with_request("https://crm.example"), clock)
    conversation = fatou_writes("bonjour")
    tasks.run_bot(attempt(0), conversation.pk)
    show_waiting = ProcrastinateJob.objects.filter(task_name=tasks.show_waiting.name)
    assert show_waiting.count() == int(is_on)
    if not is_on:
        return
    [job] = show_waiting
    assert job.scheduled_at > clock.now
    tasks.show_waiting.func(**job.args)
    typing = ProcrastinateJob.objects.filter(task_name=tasks.SHOW_TYPING_TASK)
    [shown] = typing
    assert (shown.queue_name, shown.args["user_id"]) == ("typing", None)
    assert shown.args["conversation_id"] == conversation.pk
    monkeypatch.setattr(http_client, "fetch", lambda request: engine.RequestResult(request.ref, status=200))
    tasks.run_bot_with_requests(attempt(0), conversation.pk)
    tasks.show_waiting.func(**job.args)
    assert typing.count() == 1  # the response has come


@pytest.mark.django_db
def test_a_bot_with_a_request_continues_in_a_request_job(fatou_writes, clock, limiter, monkeypatch):
    published(flow_with_request("https://crm.example"), clock)
    conversation = fatou_writes("bonjour")
    monkeypatch.setattr(http_client, "fetch", None)
    tasks.run_bot(attempt(0), conversation.pk)
    tasks.run_bot(attempt(0), conversation.pk)
    [job] = waiting_requests()
    assert (job.queue_name, job.lock) == ("flow_requests", f"bot:{conversation.pk}")
    assert job.args == {"conversation_id": conversation.pk}
    monkeypatch.setattr(http_client, "fetch", lambda request: engine.RequestResult(request.ref, status=200))
    tasks.run_bot_with_requests(attempt(0), **job.args)
    assert messages_to_client(conversation) == ["Trouvé."]


@pytest.mark.django_db
def test_a_bot_without_requests_needs_no_request_job(fatou_writes, clock):
    published(flow_with_request("https://crm.example"), clock)
    conversation = fatou_writes("vite")
    tasks.run_bot(attempt(0), conversation.pk)
    assert messages_to_client(conversation) == ["Tout de suite."]
    assert not waiting_requests().exists()


@pytest.mark.django_db
def test_a_bot_whose_request_is_in_progress_is_not_woken(fatou_writes, clock):
    published(flow_with_request("https://crm.example"), clock)
    conversation = fatou_writes("bonjour")
    tasks.run_bot(attempt(0), conversation.pk)
    ProcrastinateJob.objects.filter(task_name=tasks.RUN_TASK).delete()
    Execution.objects.update(due_at=clock.now)
    tasks.wake_bots(int(clock.now.timestamp()) + 60)
    assert not ProcrastinateJob.objects.filter(task_name=tasks.RUN_TASK).exists()


@pytest.mark.django_db
def test_a_busy_host_is_retried_and_then_fails(fatou_writes, clock, limiter, monkeypatch):
    published(flow_with_request("https://crm.example"), clock)
    conversation = fatou_writes("bonjour")
    monkeypatch.setattr(host_limiter, "host_limiter", HostLimiter(0))
    tasks.run_bot(attempt(0), conversation.pk)
    for count in range(len(tasks.BUSY_HOST_DELAYS_SECONDS)):
        [job] = waiting_requests()
        assert job.args.get("busy_count", 0) == count
        assert messages_to_client(conversation) == []
        waiting_requests().delete()
        tasks.run_bot_with_requests(attempt(0), **job.args)
    [job] = waiting_requests()
    assert job.scheduled_at and job.lock == f"bot:{conversation.pk}"
    tasks.run_bot_with_requests(attempt(0), **job.args)
    assert messages_to_client(conversation) == ["Plus tard."]


@pytest.mark.django_db
def test_a_busy_host_does_not_fail_the_execution(fatou_writes, clock, monkeypatch):
    published(flow_with_request("https://crm.example"), clock)
    conversation = fatou_writes("bonjour")
    monkeypatch.setattr(host_limiter, "host_limiter", HostLimiter(0))
    tasks.run_bot_with_requests(attempt(tasks.MAX_ATTEMPTS), conversation.pk)
    assert conversation.executions.get().ended_at is None
    assert waiting_requests().exists()


def test_each_host_has_its_own_limit_of_concurrent_requests():
    limiter = HostLimiter(2)
    with limiter.request_to("https://crm.example/a"):
        with limiter.request_to("https://u:p@CRM.example.:8443/b"):
            with pytest.raises(HostBusy), limiter.request_to("http://crm.example/c"):
                pass
            with limiter.request_to("https://other.example/"):
                pass
        with pytest.raises(ZeroDivisionError), limiter.request_to("https://crm.example/"):
            raise ZeroDivisionError
    with limiter.request_to("https://crm.example/"), limiter.request_to("https://crm.example/"):
        pass


# -- running workers --------------------------------------------------------------------------------------


@contextmanager
def workers_at_work(monkeypatch):
    """Workers with the real queues and slots, for the bot's jobs only."""
    bots = DjangoApp(connector=app.connector)
    for task in (tasks.run_bot, tasks.run_bot_with_requests):
        monkeypatch.setattr(task, "func", releasing_connection()(task.func))
        bots.tasks[task.name] = task
    loop, stop, begun = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    parts = []

    async def work():
        loop.set_default_executor(ThreadPoolExecutor(jobs.JOB_THREADS))
        workers = Workers(bots, QUEUE_CONCURRENCY, conninfo=conninfo(), shutdown_timeout_seconds=5)
        parts.append(asyncio.ensure_future(workers.run(stop)))
        begun.set()
        await asyncio.wait(parts)

    def run():
        # It also ends the tasks that still record the outcome of a job.
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(work())

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        loop.call_soon_threadsafe(parts[0].cancel)
        thread.join(TIMEOUT_SECONDS)


@pytest.mark.django_db(transaction=True)
def test_slow_hosts_do_not_delay_bots_without_requests(fatou_writes, clock, limiter, monkeypatch):
    """With each kind of slow host, and more waiting conversations than there are slots in all queues."""
    monkeypatch.setattr(http_limits, "REQUEST_TIMEOUT_SECONDS", 2 * TIMEOUT_SECONDS)
    monkeypatch.setattr(http_limits, "MAX_REDIRECTS", ENDLESS)
    published(flow_with_request("{{trigger.message.Body}}"), clock)
    slots = QUEUE_CONCURRENCY[tasks.REQUEST_QUEUE]
    with workers_at_work(monkeypatch), raw_hosts() as host:
        urls = [host(behaviour) for behaviour in SLOW_HOSTS]
        company_settings.set_value(company_settings.FLOW_HOSTS, [urlsplit(url).hostname for url in urls])
        for n in range(4 + sum(QUEUE_CONCURRENCY.values())):
            fatou_writes(urls[n % len(urls)], address=f"whatsapp:+2126{n:08d}")
        in_progress = limiter._in_progress
        wait_for(lambda: in_progress.total() == slots, TIMEOUT_SECONDS, "all slots for requests to be taken")
        quick = fatou_writes("vite", address="whatsapp:+212700000000")
        wait_for(
            lambda: messages_to_client(quick) == ["Tout de suite."],
            TIMEOUT_SECONDS,
            "the other bot to answer",
        )
        assert max(in_progress.values()) <= http_limits.MAX_REQUESTS_PER_HOST
        ProcrastinateJob.objects.filter(status="todo").delete()
