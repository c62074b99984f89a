"""A clock that is set back does not stop what is periodic."""

import asyncio
import time

import pytest
from django.db import connection

from relais.ops import clock_jump


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(clock_jump, "LOOK_EVERY", 0.01)


def set_by(seconds, monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


async def worked(step, monkeypatch):
    """How a worker ended, under whom the clock is set by that many seconds: broken off, or as it wanted."""
    ended = []

    async def work():
        try:
            await asyncio.sleep(0.05)
            set_by(step, monkeypatch)
            await asyncio.sleep(0.2)
            ended.append("by itself")
        except asyncio.CancelledError:
            ended.append("broken off")
            raise

    await clock_jump.as_long_as_time_goes_on(work())
    return ended


def test_the_work_begins_again_when_the_clock_is_set_back(quick, monkeypatch):
    assert asyncio.run(worked(-3600, monkeypatch)) == ["broken off"]


@pytest.mark.parametrize("step", [0, -2, 3600])
def test_it_goes_on_when_the_clock_is_only_corrected_or_set_forward(quick, monkeypatch, step):
    assert asyncio.run(worked(step, monkeypatch)) == ["by itself"]


def test_a_failure_of_the_work_is_its_own(quick):
    async def work():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(clock_jump.as_long_as_time_goes_on(work()))


def test_who_is_told_to_end_ends_the_work(quick):
    async def scene():
        begun, ended = asyncio.Event(), []

        async def work():
            begun.set()
            try:
                await asyncio.sleep(10)
            finally:
                ended.append(True)

        going = asyncio.create_task(clock_jump.as_long_as_time_goes_on(work()))
        await begun.wait()
        going.cancel()
        await asyncio.wait({going})
        return going.cancelled(), ended

    assert asyncio.run(scene()) == (True, [True])


@pytest.mark.django_db
def test_what_lies_in_the_future_is_forgotten():
    with connection.cursor() as cursor:
        for ahead in (-60, 3600):
            cursor.execute(
                "insert into procrastinate_periodic_defers (task_name, defer_timestamp)"
                " values ('t', extract(epoch from now())::bigint + %s)",
                [ahead],
            )
            cursor.execute(
                "insert into procrastinate_workers (last_heartbeat) values (now() + %s * interval '1 second')",
                [ahead],
            )

        async def execute(query):
            cursor.execute(query)

        asyncio.run(clock_jump.forget_the_future(execute))
        cursor.execute("select count(*) from procrastinate_periodic_defers where task_name = 't'")
        assert cursor.fetchone() == (1,)
        cursor.execute("select count(*) from procrastinate_workers where last_heartbeat > now()")
        assert cursor.fetchone() == (0,)
