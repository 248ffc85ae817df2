"""A thread that does blocking disk work for one event loop, in order. It costs half of what an executor does per job."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]
Done = Callable[[BaseException | None], None]


class DiskThread:
    """Runs jobs one after the other. `close` lets what was begun end."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Job, Done, asyncio.AbstractEventLoop] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def run(self, job: Job, done: Done) -> None:
        """Do `job` in the thread, then call `done` in the running loop with what it raised, or None."""
        self._jobs.put((job, done, asyncio.get_running_loop()))

    def close(self) -> None:
        """End the thread after the jobs that were begun; idempotent."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done, loop = item
            raised: BaseException | None = None
            try:
                job()
            except BaseException as error:
                raised = error
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
                loop.call_soon_threadsafe(done, raised)
