"""A thread for work that takes the processor, so that its actor's loop goes on answering. One piece after the other."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


class WorkThread:
    """Runs what it is given, in turn: first come, first served, but whoever waits for `later` comes after all others. `close`
    waits for the piece under way."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._taken = False
        self._soon: deque[asyncio.Future[None]] = deque()
        self._later: deque[asyncio.Future[None]] = deque()

    async def run(self, work: Callable[[], T]) -> T:
        """The outcome of `work`, or what it raises. A caller who gives up while it waits in line takes it out again."""
        async with self.turn():
            return await self.within(work)

    async def within(self, work: Callable[[], T]) -> T:
        """Likewise, for who has the turn."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    @asynccontextmanager
    async def turn(self, *, later: bool = False) -> AsyncIterator[None]:
        """Wait for the thread and hold it. Work that is given up goes on in the thread; the next one begins after it."""
        if self._taken:
            line = self._later if later else self._soon
            line.append(turn := asyncio.get_running_loop().create_future())
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._pass_on()  # the turn came in the very moment
                elif turn in line:
                    line.remove(turn)
                raise
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._soon or self._later:
            turn = (self._soon or self._later).popleft()
            if not turn.done():  # given up, and its caller has not noticed yet
                turn.set_result(None)
                return
        self._taken = False

    async def close(self) -> None:
        """End the thread; idempotent."""
        await asyncio.to_thread(self._pool.shutdown)
