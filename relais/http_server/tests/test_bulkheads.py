"""Bulkheads: whose request waits, in which order threads are passed on, and what is shed."""

import asyncio

import pytest

from relais.http_server.bulkheads import Bulkhead, ClientDisconnected, Overloaded


async def never():
    await asyncio.Event().wait()


def make_bulkhead(**bounds):
    return Bulkhead("test", **{"threads": 1, "max_waiting": 2} | bounds)


async def let_tasks_run():
    """Until each task waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(scenario):
    asyncio.run(scenario())


def test_threads_are_passed_on_in_order():
    async def scenario():
        bulkhead, order = make_bulkhead(), []

        async def acquire(name):
            await bulkhead.acquire("a", never)
            order.append(name)

        tasks = []
        for name in "abc":
            tasks.append(asyncio.create_task(acquire(name)))
            await let_tasks_run()
        assert (order, bulkhead.free, bulkhead.waiting) == (["a"], 0, 2)
        for _ in range(3):
            bulkhead.release()
            await let_tasks_run()
        assert (order, bulkhead.free, bulkhead.waiting) == (["a", "b", "c"], 1, 0)

    run(scenario)


def test_a_full_queue_refuses_at_once():
    async def scenario():
        bulkhead = make_bulkhead(max_waiting=1)
        await bulkhead.acquire("a", never)
        waiting = asyncio.create_task(bulkhead.acquire("a", never))
        await let_tasks_run()
        with pytest.raises(Overloaded):
            await bulkhead.acquire("a", never)
        bulkhead.release()
        await waiting
        assert bulkhead.waiting == 0

    run(scenario)


def test_the_address_that_fills_the_queue_makes_room_for_another():
    async def scenario():
        bulkhead = make_bulkhead(max_waiting=3)
        await bulkhead.acquire("greedy", never)
        greedy = [asyncio.create_task(bulkhead.acquire("greedy", never)) for _ in range(3)]
        await let_tasks_run()
        modest = asyncio.create_task(bulkhead.acquire("modest", never))
        await let_tasks_run()
        with pytest.raises(Overloaded):
            await greedy[2]
        assert (bulkhead.waiting, modest.done()) == (3, False)
        bulkhead.release()
        bulkhead.release()  # To each address in turn.
        await let_tasks_run()
        assert (greedy[0].done(), greedy[1].done(), modest.done()) == (True, False, True)
        greedy[1].cancel()

    run(scenario)


def test_who_goes_away_is_not_served_and_disconnect_no_gap():
    async def scenario():
        bulkhead, disconnect = make_bulkhead(), asyncio.Event()
        await bulkhead.acquire("a", never)
        disconnected = asyncio.create_task(bulkhead.acquire("a", disconnect.wait))
        waiting = asyncio.create_task(bulkhead.acquire("a", never))
        await let_tasks_run()
        disconnect.set()
        with pytest.raises(ClientDisconnected):
            await disconnected
        bulkhead.release()
        await waiting
        assert (bulkhead.free, bulkhead.waiting) == (0, 0)

    run(scenario)


def test_a_request_that_waits_too_long_is_refused():
    async def scenario():
        bulkhead = make_bulkhead(max_wait_seconds=0.01)
        await bulkhead.acquire("a", never)
        with pytest.raises(Overloaded):
            await bulkhead.acquire("a", never)
        bulkhead.release()
        assert (bulkhead.free, bulkhead.waiting) == (1, 0)

    run(scenario)


def test_a_cancelled_request_passes_its_thread_on():
    async def scenario():
        bulkhead = make_bulkhead()
        await bulkhead.acquire("a", never)
        cancelled = asyncio.create_task(bulkhead.acquire("a", never))
        await let_tasks_run()
        bulkhead.release()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert (bulkhead.free, bulkhead.waiting) == (1, 0)

    run(scenario)
