"""What arrives while a batch is being stored makes the next one; nothing here knows of a database."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from relais.emulator.testing import wait_for
from relais.whatsapp.inbound.batcher import Gather, Line, NotTaken, _Waiting


class Desk:
    """Carries out batches of words, and can be held up in the middle of one."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.poison: set[str] = set()

    def __call__(self, words):
        self.batches.append(list(words))
        assert self.may_go_on.wait(10)
        for word in words:
            if word in self.poison:
                raise ValueError(word)
        return [f"{word}!" for word in words]


class Gone(Exception):
    pass


class WornLine(Line):
    """A line that breaks when it has been used; `breaks` says how often in a row."""

    def __init__(self, breaks: int = 0) -> None:
        self.breaks, self.used, self.held, self.left, self.was_cut = breaks, False, 0, 0, threading.Event()

    def is_away(self, error):
        return isinstance(error, Gone)

    def is_worn(self):
        return self.used

    def hold(self):
        self.held += 1

    def leave(self):
        self.left += 1
        self.used = False

    def cut(self):
        self.was_cut.set()


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.may_go_on.set()


@pytest.fixture
def gathered(desk):
    """Makes a gatherer that is stopped after the test."""
    made = []

    def gather(work=desk, **options):
        made.append(Gather(work, **options))
        return made[-1]

    yield gather
    desk.may_go_on.set()
    for one in made:
        one.stop()


async def answers(gather, *words):
    return await asyncio.gather(*(gather.take(word) for word in words), return_exceptions=True)


async def until(condition):
    """Waits without holding the loop up."""
    await asyncio.to_thread(wait_for, condition, 10)


def test_one_alone_does_not_wait_for_others(desk, gathered):
    assert asyncio.run(answers(gathered(), "a")) == ["a!"]
    assert desk.batches == [["a"]]


def test_what_arrives_meanwhile_makes_the_next_batch_in_order(desk, gathered):
    async def story():
        gather = gathered(most=4)
        desk.may_go_on.clear()
        first = asyncio.create_task(gather.take("a"))
        await until(lambda: desk.batches)
        others = asyncio.create_task(answers(gather, *"bcdefg"))
        await until(lambda: gather.waiting == 6)
        desk.may_go_on.set()
        return [await first, *await others]

    assert asyncio.run(story()) == [f"{word}!" for word in "abcdefg"]
    assert desk.batches == [["a"], list("bcde"), list("fg")]


def test_one_that_cannot_be_stored_harms_no_other(desk, gathered):
    async def story():
        gather = gathered()
        desk.may_go_on.clear()
        desk.poison = {"c"}
        first = asyncio.create_task(gather.take("a"))
        await until(lambda: desk.batches)
        others = asyncio.create_task(answers(gather, "b", "c", "d"))
        await until(lambda: gather.waiting == 3)
        desk.may_go_on.set()
        return [await first, *await others]

    a, b, c, d = asyncio.run(story())
    assert (a, b, d) == ("a!", "b!", "d!")
    assert isinstance(c, ValueError)
    assert desk.batches == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]], "alone, and in their order"


class Locked(Exception):
    pass


class LockingLine(Line):
    def is_contended(self, error):
        return isinstance(error, Locked)


def test_what_somebody_else_holds_is_tried_again_and_holds_nobody_up(desk, gathered):
    tries = []
    held = threading.Event()

    def work(words):
        if "held" in words:
            tries.append(list(words))
            if not held.is_set():
                raise Locked
        return desk(words)

    async def story():
        gather = gathered(work, line=LockingLine())
        first = asyncio.create_task(gather.take("held"))
        await until(lambda: len(tries) > 2)
        assert await answers(gather, "a", "b") == ["a!", "b!"]
        assert not first.done()
        held.set()
        return await first

    assert asyncio.run(story()) == "held!"
    assert [words for words in tries if words != ["held"]] == [], "never with others, once it is known"


def test_what_stays_held_is_refused_when_it_was_waited_for_long_enough(gathered):
    def work(words):
        raise Locked

    gather = gathered(work, line=LockingLine(), max_wait_seconds=0.3)
    [answer] = asyncio.run(answers(gather, "held"))
    assert isinstance(answer, Locked)


def test_where_everything_is_held_only_so_much_waits(gathered, monkeypatch):
    monkeypatch.setattr("relais.whatsapp.inbound.batcher.MAX_CONTENDED", 3)

    tried = []

    def work(words):
        tried.extend(words)
        raise Locked

    gather = gathered(work, line=LockingLine(), max_wait_seconds=4)
    refused = asyncio.run(answers(gather, *"abcdefgh"))
    assert [type(answer) for answer in refused] == [Locked] * 8
    again = {word for word in "abcdefgh" if tried.count(word) > 2}
    assert 1 <= len(again) <= 4, "three, and perhaps the first, which was alone"


def test_at_the_end_what_is_held_is_refused(gathered):
    tried = threading.Event()

    def work(words):
        tried.set()
        raise Locked

    async def story():
        gather = gathered(work, line=LockingLine())
        answer = asyncio.create_task(gather.take("held"))
        await until(tried.is_set)
        await asyncio.to_thread(gather.stop)
        return (await asyncio.gather(answer, return_exceptions=True))[0]

    assert isinstance(asyncio.run(story()), Locked)


def test_when_nothing_can_be_stored_nothing_is_tried_alone(desk, gathered):
    calls = []

    def gone(words):
        calls.append(words)
        desk.may_go_on.wait(10)
        raise Gone

    async def story():
        gather = gathered(gone, line=WornLine())
        desk.may_go_on.clear()
        first = asyncio.create_task(answers(gather, "a"))
        await until(lambda: calls)
        others = asyncio.create_task(answers(gather, "b", "c"))
        await until(lambda: gather.waiting == 2)
        desk.may_go_on.set()
        return [*await first, *await others]

    assert all(isinstance(answer, Gone) for answer in asyncio.run(story()))
    assert calls == [["a"], ["b", "c"]]


def test_a_line_that_broke_while_nobody_called_is_replaced_once(desk, gathered):
    line = WornLine()
    line.used = True

    def work(words):
        if line.used:
            raise Gone
        return desk(words)

    assert asyncio.run(answers(gathered(work, line=line), "a")) == ["a!"]
    assert (line.held, line.left) == (2, 1)


def test_beyond_its_bound_it_takes_nothing(desk, gathered):
    async def story():
        gather = gathered(bound=2)
        desk.may_go_on.clear()
        first = asyncio.create_task(gather.take("a"))
        await until(lambda: desk.batches)
        told = asyncio.create_task(answers(gather, "b", "c", "d"))
        await until(lambda: gather.waiting == 2)
        with pytest.raises(NotTaken):
            await gather.take("e")
        desk.may_go_on.set()
        return [await first, *await told]

    a, b, c, d = asyncio.run(story())
    assert (a, b, c) == ("a!", "b!", "c!")
    assert isinstance(d, NotTaken)


def test_who_waits_too_long_is_told_so_and_what_hangs_is_cut(desk, gathered):
    line = WornLine()

    async def story():
        gather = gathered(line=line, patience=0.05)
        begin = gather._next_batch
        gather._next_batch = lambda: (begin(), time.sleep(0.01))[0]  # It begins after its caller did.
        desk.may_go_on.clear()
        told = await answers(gather, "a")
        await until(line.was_cut.is_set)
        told += await answers(gather, "b")
        desk.may_go_on.set()
        return told

    assert [type(answer) for answer in asyncio.run(story())] == [NotTaken, NotTaken]
    wait_for(lambda: desk.batches == [["a"], ["b"]], what="what was taken in to be carried out all the same")


def test_who_waits_while_batches_go_on_is_not_refused(gathered):
    """Each batch takes its time, none of them hangs; the last waits longer than one may take."""

    def slow(words):
        time.sleep(0.1)
        return [f"{word}!" for word in words]

    gather = gathered(slow, most=1, patience=1, max_wait_seconds=30)
    told = asyncio.run(answers(gather, *"abcdefghijklmn"))
    assert told == [f"{word}!" for word in "abcdefghijklmn"]


def test_nobody_waits_for_ever(desk, gathered):
    async def story():
        gather = gathered(patience=30, max_wait_seconds=0.05)
        gather._too_long(waiting := _Waiting("a", asyncio.get_running_loop().create_future(), 0.0))
        with pytest.raises(NotTaken):
            await waiting.future

    asyncio.run(story())


def test_at_the_end_what_was_taken_is_carried_out_and_the_rest_refused(desk, gathered):
    async def story():
        gather = gathered()
        desk.may_go_on.clear()
        first = asyncio.create_task(gather.take("a"))
        await until(lambda: desk.batches)
        others = asyncio.create_task(answers(gather, "b", "c"))
        await until(lambda: gather.waiting == 2)
        stopping = asyncio.create_task(asyncio.to_thread(gather.stop))
        await until(lambda: gather.is_closed)
        with pytest.raises(NotTaken):
            await gather.take("late")
        desk.may_go_on.set()
        await stopping
        return [await first, *await others]

    assert asyncio.run(story()) == ["a!", "b!", "c!"]
    assert desk.batches == [["a"], ["b", "c"]]


def test_loops_of_several_threads_are_each_answered(gathered):
    gather = gathered()

    def caller(n):
        return asyncio.run(answers(gather, *(f"{n}.{word}" for word in range(20))))

    with ThreadPoolExecutor(5) as callers:
        told = list(callers.map(caller, range(5)))
    assert told == [[f"{n}.{word}!" for word in range(20)] for n in range(5)]


def test_who_gave_up_holds_nobody_up(desk, gathered):
    async def story():
        gather = gathered()
        desk.may_go_on.clear()
        given_up = asyncio.create_task(gather.take("a"))
        await until(lambda: desk.batches)
        given_up.cancel()
        other = asyncio.create_task(gather.take("b"))
        await until(lambda: gather.waiting == 1)
        desk.may_go_on.set()
        return await other

    assert asyncio.run(story()) == "b!"
