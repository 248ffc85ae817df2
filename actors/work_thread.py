"""A thread for work that takes the processor, so that its actor's loop goes on answering. One piece after the other."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class WorkThread:
    """Runs what it is given, in turn. `close` waits for the piece under way."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """The outcome of `work`, or what it raises. A caller who gives up while it waits in line takes it out again."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def close(self) -> None:
        """End the thread; idempotent."""
        await asyncio.to_thread(self._pool.shutdown)
