"""The batcher: items that arrive while a batch is processed form the next one. No database is involved."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from relais.emulator.testing import wait_for
from relais.whatsapp.inbound.batcher import Batcher, BatchResource, Overloaded, _Pending


class Store:
    """Processes batches of words, and can be blocked in the middle of one."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.poison: set[str] = set()

    def __call__(self, words):
        self.batches.append(list(words))
        assert self.may_go_on.wait(30)
        for word in words:
            if word in self.poison:
                raise ValueError(word)
        return [f"{word}!" for word in words]


class Unavailable(Exception):
    pass


class FakeResource(BatchResource):
    """Counts what the batcher does with it."""

    def __init__(self) -> None:
        self.is_used, self.acquired, self.released = False, 0, 0
        self.was_aborted = threading.Event()

    def is_unavailable(self, error):
        return isinstance(error, Unavailable)

    def is_reused(self):
        return self.is_used

    def acquire(self):
        self.acquired += 1

    def release(self):
        self.released += 1
        self.is_used = False

    def abort(self):
        self.was_aborted.set()


@pytest.fixture
def store():
    store = Store()
    yield store
    store.may_go_on.set()


@pytest.fixture
def make_batcher(store):
    """Makes a batcher that is stopped after the test."""
    made = []

    def make(process=store, **options):
        made.append(Batcher(process, **options))
        return made[-1]

    yield make
    store.may_go_on.set()
    for batcher in made:
        batcher.stop()


async def submit_all(batcher, *words):
    return await asyncio.gather(*(batcher.submit(word) for word in words), return_exceptions=True)


async def until(condition):
    """Waits without blocking the event loop."""
    await asyncio.to_thread(wait_for, condition, 30)


def test_a_single_item_does_not_wait_for_others(store, make_batcher):
    assert asyncio.run(submit_all(make_batcher(), "a")) == ["a!"]
    assert store.batches == [["a"]]


def test_items_that_arrive_meanwhile_form_the_next_batch_in_order(store, make_batcher):
    async def story():
        batcher = make_batcher(max_batch_size=4)
        store.may_go_on.clear()
        first = asyncio.create_task(batcher.submit("a"))
        await until(lambda: store.batches)
        others = asyncio.create_task(submit_all(batcher, *"bcdefg"))
        await until(lambda: batcher.queued_count == 6)
        store.may_go_on.set()
        return [await first, *await others]

    assert asyncio.run(story()) == [f"{word}!" for word in "abcdefg"]
    assert store.batches == [["a"], list("bcde"), list("fg")]


def test_a_failed_batch_is_retried_individually_so_that_an_invalid_item_fails_alone(store, make_batcher):
    async def story():
        batcher = make_batcher()
        store.may_go_on.clear()
        store.poison = {"c"}
        first = asyncio.create_task(batcher.submit("a"))
        await until(lambda: store.batches)
        others = asyncio.create_task(submit_all(batcher, "b", "c", "d"))
        await until(lambda: batcher.queued_count == 3)
        store.may_go_on.set()
        return [await first, *await others]

    a, b, c, d = asyncio.run(story())
    assert (a, b, d) == ("a!", "b!", "d!")
    assert isinstance(c, ValueError)
    assert store.batches == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]], "individually, and in their order"


class Locked(Exception):
    pass


class ContendedResource(BatchResource):
    def is_contended(self, error):
        return isinstance(error, Locked)


def test_a_contended_item_is_retried_and_delays_no_other(store, make_batcher):
    tries = []
    locked = threading.Event()

    def process(words):
        if "locked" in words:
            tries.append(list(words))
            if not locked.is_set():
                raise Locked
        return store(words)

    async def story():
        batcher = make_batcher(process, resource=ContendedResource())
        first = asyncio.create_task(batcher.submit("locked"))
        await until(lambda: len(tries) > 2)
        assert await submit_all(batcher, "a", "b") == ["a!", "b!"]
        assert not first.done()
        locked.set()
        return await first

    assert asyncio.run(story()) == "locked!"
    assert [words for words in tries if words != ["locked"]] == [], (
        "never together with others, once it is known to be contended"
    )


def test_a_contended_item_fails_when_its_time_to_retry_is_over(make_batcher):
    def process(words):
        raise Locked

    batcher = make_batcher(process, resource=ContendedResource(), max_wait_seconds=0.3)
    [result] = asyncio.run(submit_all(batcher, "locked"))
    assert isinstance(result, Locked)


def test_the_number_of_contended_items_is_bounded(make_batcher, monkeypatch):
    monkeypatch.setattr("relais.whatsapp.inbound.batcher.MAX_CONTENDED", 3)

    tried = []

    def process(words):
        tried.extend(words)
        raise Locked

    batcher = make_batcher(process, resource=ContendedResource(), max_wait_seconds=4)
    refused = asyncio.run(submit_all(batcher, *"abcdefgh"))
    assert [type(result) for result in refused] == [Locked] * 8
    retried = {word for word in "abcdefgh" if tried.count(word) > 2}
    assert 1 <= len(retried) <= 4, "three, and perhaps the first, which was a batch of its own"


def test_stopping_fails_contended_items(make_batcher):
    tried = threading.Event()

    def process(words):
        tried.set()
        raise Locked

    async def story():
        batcher = make_batcher(process, resource=ContendedResource())
        result = asyncio.create_task(batcher.submit("locked"))
        await until(tried.is_set)
        await asyncio.to_thread(batcher.stop)
        return (await asyncio.gather(result, return_exceptions=True))[0]

    assert isinstance(asyncio.run(story()), Locked)


def test_an_unavailable_resource_fails_the_batch_without_individual_retries(store, make_batcher):
    calls = []

    def unavailable(words):
        calls.append(words)
        store.may_go_on.wait(30)
        raise Unavailable

    async def story():
        batcher = make_batcher(unavailable, resource=FakeResource())
        store.may_go_on.clear()
        first = asyncio.create_task(submit_all(batcher, "a"))
        await until(lambda: calls)
        others = asyncio.create_task(submit_all(batcher, "b", "c"))
        await until(lambda: batcher.queued_count == 2)
        store.may_go_on.set()
        return [*await first, *await others]

    assert all(isinstance(result, Unavailable) for result in asyncio.run(story()))
    assert calls == [["a"], ["b", "c"]]


def test_a_reused_resource_that_broke_between_batches_is_replaced_once(store, make_batcher):
    resource = FakeResource()
    resource.is_used = True

    def process(words):
        if resource.is_used:
            raise Unavailable
        return store(words)

    assert asyncio.run(submit_all(make_batcher(process, resource=resource), "a")) == ["a!"]
    assert (resource.acquired, resource.released) == (2, 1)


def test_a_full_queue_raises_overloaded(store, make_batcher):
    async def story():
        batcher = make_batcher(max_queued=2)
        store.may_go_on.clear()
        first = asyncio.create_task(batcher.submit("a"))
        await until(lambda: store.batches)
        results = asyncio.create_task(submit_all(batcher, "b", "c", "d"))
        await until(lambda: batcher.queued_count == 2)
        with pytest.raises(Overloaded):
            await batcher.submit("e")
        store.may_go_on.set()
        return [await first, *await results]

    a, b, c, d = asyncio.run(story())
    assert (a, b, c) == ("a!", "b!", "c!")
    assert isinstance(d, Overloaded)


def test_a_hanging_batch_fails_its_callers_and_is_aborted(store, make_batcher):
    resource = FakeResource()

    async def story():
        batcher = make_batcher(resource=resource, batch_timeout_seconds=0.05)
        next_batch = batcher._next_batch
        batcher._next_batch = lambda: (next_batch(), time.sleep(0.01))[
            0
        ]  # The batch starts after its caller did.
        store.may_go_on.clear()
        results = await submit_all(batcher, "a")
        await until(resource.was_aborted.is_set)
        results += await submit_all(batcher, "b")
        store.may_go_on.set()
        return results

    assert [type(result) for result in asyncio.run(story())] == [Overloaded, Overloaded]
    wait_for(lambda: store.batches == [["a"], ["b"]], what="the queued items to be processed all the same")


def test_a_queued_item_does_not_fail_while_batches_go_on(make_batcher):
    """Each batch is slow and none hangs; the last item waits longer than one batch may take."""

    def slow(words):
        time.sleep(0.1)
        return [f"{word}!" for word in words]

    batcher = make_batcher(slow, max_batch_size=1, batch_timeout_seconds=1, max_wait_seconds=30)
    results = asyncio.run(submit_all(batcher, *"abcdefghijklmn"))
    assert results == [f"{word}!" for word in "abcdefghijklmn"]


def test_no_item_waits_longer_than_its_deadline(store, make_batcher):
    async def story():
        batcher = make_batcher(batch_timeout_seconds=30, max_wait_seconds=0.05)
        batcher._on_timeout(pending := _Pending("a", asyncio.get_running_loop().create_future(), 0.0))
        with pytest.raises(Overloaded):
            await pending.future

    asyncio.run(story())


def test_stopping_processes_queued_items_and_rejects_later_ones(store, make_batcher):
    async def story():
        batcher = make_batcher()
        store.may_go_on.clear()
        first = asyncio.create_task(batcher.submit("a"))
        await until(lambda: store.batches)
        others = asyncio.create_task(submit_all(batcher, "b", "c"))
        await until(lambda: batcher.queued_count == 2)
        stopping = asyncio.create_task(asyncio.to_thread(batcher.stop))
        await until(lambda: batcher.is_closed)
        with pytest.raises(Overloaded):
            await batcher.submit("late")
        store.may_go_on.set()
        await stopping
        return [await first, *await others]

    assert asyncio.run(story()) == ["a!", "b!", "c!"]
    assert store.batches == [["a"], ["b", "c"]]


def test_callers_in_several_event_loops_each_get_their_results(make_batcher):
    batcher = make_batcher()

    def caller(n):
        return asyncio.run(submit_all(batcher, *(f"{n}.{word}" for word in range(20))))

    with ThreadPoolExecutor(5) as callers:
        results = list(callers.map(caller, range(5)))
    assert results == [[f"{n}.{word}!" for word in range(20)] for n in range(5)]


def test_a_cancelled_caller_delays_no_other(store, make_batcher):
    async def story():
        batcher = make_batcher()
        store.may_go_on.clear()
        cancelled = asyncio.create_task(batcher.submit("a"))
        await until(lambda: store.batches)
        cancelled.cancel()
        other = asyncio.create_task(batcher.submit("b"))
        await until(lambda: batcher.queued_count == 1)
        store.may_go_on.set()
        return await other

    assert asyncio.run(story()) == "b!"
