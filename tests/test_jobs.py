"""The jobs process: slow jobs do not starve the heartbeat, and the periodic jobs name tasks that exist."""

import asyncio
import os
import signal
import threading
import time

from procrastinate.contrib.django import app

from relais import jobs
from relais.job_queues import QUEUE_CONCURRENCY
from relais.periodic_jobs import PERIODIC_JOBS


def test_slow_jobs_leave_a_thread_for_the_heartbeats(monkeypatch):
    finished, heartbeats = threading.Event(), []

    class Sender:
        def run(self):
            finished.wait(60)

        def stop(self):
            finished.set()

    async def slow_jobs(stop):
        await asyncio.gather(*(asyncio.to_thread(finished.wait, 60) for _ in range(jobs.MAX_RUNNING_JOBS)))

    def write_heartbeat(sender):
        heartbeats.append(time.monotonic())
        if len(heartbeats) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr("relais.whatsapp.outbound.sender.Sender", Sender)
    monkeypatch.setattr(jobs, "_run_workers", slow_jobs)
    monkeypatch.setattr(jobs, "_write_heartbeat", write_heartbeat)
    monkeypatch.setattr("relais.ops.health.HEARTBEAT_INTERVAL_SECONDS", 0.05)
    started_at = time.monotonic()
    assert asyncio.run(jobs._run()) == 0
    assert heartbeats[-1] - started_at < 30


def test_each_periodic_job_names_a_task_that_exists():
    assert [job.task for job in PERIODIC_JOBS if job.task not in app.tasks] == []
    assert len({job.task for job in PERIODIC_JOBS}) == len(PERIODIC_JOBS) >= 5


def test_nothing_is_periodic_that_is_not_in_the_list():
    assert not app.periodic_registry.periodic_tasks


def test_each_task_belongs_to_a_queue_that_has_a_worker():
    tasks = {name: task.queue for name, task in app.tasks.items() if name.startswith("relais.")}
    assert {name: queue for name, queue in tasks.items() if queue not in QUEUE_CONCURRENCY} == {}
