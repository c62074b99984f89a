"""The jobs of dead workers are retried."""

from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.ops.tasks import retry_stalled
from relais.periodic_jobs import PERIODIC_JOBS

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_that_cannot_be_retried_yet_does_not_block_the_others():
    """Two dead workers left one job each with the same queueing lock."""

    def defer_and_die(task, **options):
        app.configure_task(task, allow_unknown=True, **options).defer()
        with connection.cursor() as cursor:
            cursor.execute("update procrastinate_jobs set status = 'doing' where status = 'todo'")

    defer_and_die("wake", queueing_lock="wake")
    defer_and_die("wake", queueing_lock="wake")
    defer_and_die("bot")
    async_to_sync(retry_stalled.func)(SimpleNamespace(app=app), 0)
    retried = ProcrastinateJob.objects.filter(status="todo", task_name__in=["bot", "wake"])
    assert sorted(retried.values_list("task_name", flat=True)) == ["bot", "wake"]


def test_periodic_tasks_have_a_higher_priority_and_a_queueing_lock():
    tasks = [app.tasks[job.task] for job in PERIODIC_JOBS]
    assert len(tasks) >= 5
    assert [task.name for task in tasks if task.priority <= 0 or not task.queueing_lock] == []
