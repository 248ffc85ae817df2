"""A connection that is made again and again: back-off between attempts, and the log told of its edges. Knows no bytes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


class KeptConnection:
    """`start`, then `close`. In between `receive` connects and takes what comes until the device is gone, over and over.

    `receive` answers why it is gone, or raises one of `faults` for it, and calls `made` once it is connected and `heard` for
    whatever the device says. A device that is away is no error: `connected` and the log tell.
    """

    def __init__(
        self,
        name: str,
        receive: Callable[[], Awaitable[str]],
        log: logging.Logger,
        faults: tuple[type[Exception], ...] = (OSError,),  # TimeoutError is one
    ) -> None:
        self.connected = False
        self._name = name  # as logs may show it: without a password
        self._receive = receive
        self._log = log
        self._faults = faults
        self._heard = False  # on this connection
        self._told_away = False
        self._task: asyncio.Task[None] | None = None

    def start(self, gone: Callable[[], None] | None = None) -> None:
        """Begin. Idempotent. `gone` is called when no more attempts are made."""
        if self._task is None:
            self._task = asyncio.create_task(self._receive_for_ever(), name=self._name)
            if gone is not None:
                self._task.add_done_callback(lambda _ended: gone())

    def made(self) -> None:
        """It is connected. Idempotent."""
        if self._told_away:
            self._log.info("%s is back", self._name)
        self.connected, self._told_away = True, False

    def heard(self) -> None:
        """It says something, so after its loss it is hurried back to."""
        self._heard = True

    def check(self) -> None:
        """Attempts never end by themselves; should a mistake of ours have ended them, that error is raised here."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Hang up. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self.connected = False

    async def _receive_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            self._heard = False
            try:
                problem = await self._receive()
            except self._faults as error:
                problem = f"{type(error).__name__} {error}".strip()
            self.connected = False
            if not self._told_away:
                self._log.warning("%s is away: %s", self._name, problem)
                self._told_away = True
            if self._heard:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
