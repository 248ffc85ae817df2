"""Whose turn it is at the thread: first come, first served, those who wait for later last, and nobody who gave up."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.work_thread import WorkThread


@pytest_asyncio.fixture
async def thread() -> AsyncIterator[WorkThread]:
    """Closed at the end."""
    made = WorkThread("work")
    yield made
    await made.close()


class Line:
    """Callers who note their names when their turn comes."""

    def __init__(self, thread: WorkThread) -> None:
        self.came: list[str] = []
        self._thread = thread
        self._first = asyncio.Event()
        self.go_on = asyncio.Event()

    async def call(self, name: str, *, later: bool = False) -> None:
        """Take a turn."""
        async with self._thread.turn(later=later):
            self.came.append(name)
            if name == "first":
                await self.go_on.wait()


async def line_of(thread: WorkThread, *names: str) -> tuple[Line, dict[str, asyncio.Task[None]]]:
    """A first who holds the turn, and those who wait; who is called `later...` waits for that."""
    line, tasks = Line(thread), {}
    for name in ("first", *names):
        tasks[name] = asyncio.create_task(line.call(name, later=name.startswith("later")))
        await asyncio.sleep(0)
    return line, tasks


async def test_who_waits_for_later_comes_last(thread: WorkThread) -> None:
    line, tasks = await line_of(thread, "later 1", "a", "later 2", "b")
    line.go_on.set()
    await asyncio.gather(*tasks.values())
    assert line.came == ["first", "a", "b", "later 1", "later 2"]


@pytest.mark.parametrize("gone", ["later 1", "a"])
async def test_who_gives_up_is_out_of_the_line(thread: WorkThread, gone: str) -> None:
    line, tasks = await line_of(thread, "later 1", "a", "b")
    tasks[gone].cancel()
    line.go_on.set()  # in the same moment: the turn may be passed to who gave up before he knows
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert line.came == [name for name in ("first", "a", "b", "later 1") if name != gone]
    assert await thread.run(lambda: 1) == 1


async def test_a_turn_that_comes_as_its_caller_gives_up_is_passed_on(thread: WorkThread) -> None:
    line, tasks = await line_of(thread, "a", "b")
    tasks["first"].cancel()
    await asyncio.sleep(0)  # the turn is with a now, who has not run yet
    tasks["a"].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert line.came == ["first", "b"]


async def test_work_that_was_given_up_ends_before_the_next_begins(thread: WorkThread) -> None:
    going, ended, order = threading.Event(), threading.Event(), []

    def long() -> None:
        going.set()
        ended.wait()
        order.append("long")

    given_up = asyncio.create_task(thread.run(long))
    await asyncio.to_thread(going.wait)
    given_up.cancel()
    await asyncio.wait([given_up])
    after = asyncio.create_task(thread.run(lambda: order.append("after")))
    await asyncio.sleep(0)
    ended.set()
    await after
    assert order == ["long", "after"]
