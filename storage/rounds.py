"""Work on SQL that is repeated in the background, and is never cut off in the middle.

A cancelled call would leave its connection in the air (with SQLite: a thread that answers to a loop that is gone), so closing
waits for the round under way, which the time limits of the database bound.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable


class Rounds:
    """Calls `work` every `pause_s` from `start` until `close`. An error that escapes from `work` ends the rounds."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], pause_s: float) -> None:
        self._name = name
        self._work = work
        self._pause_s = pause_s
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; idempotent. Needs a running event loop; does nothing once closed."""
        if self._task is None and not self._closing.is_set():
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Finish the round under way and stop; idempotent."""
        self._closing.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s):
                    await self._closing.wait()
                return
            await self._work()
