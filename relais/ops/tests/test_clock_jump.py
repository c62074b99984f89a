"""A clock that jumps backwards does not stop periodic jobs."""

import asyncio
import time

import pytest
from django.db import connection

from relais.ops import clock_jump


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(clock_jump, "CHECK_INTERVAL_SECONDS", 0.01)


def set_by(seconds, monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)


async def run_work(step, monkeypatch):
    """How the work ends when the clock is set by so many seconds meanwhile: cancelled, or completed."""
    outcomes = []

    async def work():
        try:
            await asyncio.sleep(0.05)
            set_by(step, monkeypatch)
            await asyncio.sleep(0.2)
            outcomes.append("completed")
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    await clock_jump.cancel_on_clock_jump(work())
    return outcomes


def test_the_work_is_cancelled_when_the_clock_jumps_backwards(quick, monkeypatch):
    assert asyncio.run(run_work(-3600, monkeypatch)) == ["cancelled"]


@pytest.mark.parametrize("step", [0, -2, 3600])
def test_it_goes_on_when_the_clock_is_corrected_or_set_forward(quick, monkeypatch, step):
    assert asyncio.run(run_work(step, monkeypatch)) == ["completed"]


def test_an_error_of_the_work_is_raised(quick):
    async def work():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(clock_jump.cancel_on_clock_jump(work()))


def test_cancelling_the_guard_cancels_the_work(quick):
    async def scene():
        started, ended = asyncio.Event(), []

        async def work():
            started.set()
            try:
                await asyncio.sleep(10)
            finally:
                ended.append(True)

        guarded = asyncio.create_task(clock_jump.cancel_on_clock_jump(work()))
        await started.wait()
        guarded.cancel()
        await asyncio.wait({guarded})
        return guarded.cancelled(), ended

    assert asyncio.run(scene()) == (True, [True])


@pytest.mark.django_db
def test_future_timestamps_are_removed():
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

        asyncio.run(clock_jump.reset_future_timestamps(execute))
        cursor.execute("select count(*) from procrastinate_periodic_defers where task_name = 't'")
        assert cursor.fetchone() == (1,)
        cursor.execute("select count(*) from procrastinate_workers where last_heartbeat > now()")
        assert cursor.fetchone() == (0,)
