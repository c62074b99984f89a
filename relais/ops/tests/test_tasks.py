"""Jobs of dead workers are run again."""

from types import SimpleNamespace

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from relais.ops.tasks import retry_stalled

pytestmark = pytest.mark.django_db(transaction=True)


def test_one_that_cannot_be_run_again_yet_keeps_no_other_from_it():
    """Two dead workers left a job of one queueing lock each."""

    def dies_in(task, **how):
        app.configure_task(task, allow_unknown=True, **how).defer()
        with connection.cursor() as cursor:
            cursor.execute("update procrastinate_jobs set status = 'doing' where status = 'todo'")

    dies_in("wake", queueing_lock="wake")
    dies_in("wake", queueing_lock="wake")
    dies_in("bot")
    async_to_sync(retry_stalled.func)(SimpleNamespace(app=app), 0)
    again = ProcrastinateJob.objects.filter(status="todo", task_name__in=["bot", "wake"])
    assert sorted(again.values_list("task_name", flat=True)) == ["bot", "wake"]


def test_what_is_periodic_goes_before_whatever_waits():
    periodic = [each.task for each in app.periodic_registry.periodic_tasks.values()]
    ours = [task for task in periodic if task.name.startswith("relais.")]
    assert len(ours) >= 5
    assert all(task.priority > 0 for task in ours), [task.name for task in ours]
