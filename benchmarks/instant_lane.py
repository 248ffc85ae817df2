"""Steel and reader of a bench lane: an arm that turns the moment it is unlocked, and a reader that shows the next code the
moment the lamp has answered the last one. So a lane is never waiting for a guest, and what is measured is the lane."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from resort.clock import Clock
from resort.ports import Sighting, TurnstileStatus


class InstantArm:
    """A `Turnstile` without a guest's slowness. `answered` is set with every verdict that the lamp shows."""

    def __init__(self) -> None:
        self.answered = asyncio.Event()
        self._counter_in = 0

    async def status(self) -> TurnstileStatus:
        """Always locked and well."""
        return TurnstileStatus(
            counter_in=self._counter_in,
            counter_out=0,
            unlocked=False,
            fault=False,
            tamper=False,
            fire_release=False,
            waiting=None,
            firmware=1,
        )

    async def pulse_entry(self) -> None:
        """Unlock and turn at once."""
        self._counter_in += 1

    async def show(self, indicator: str) -> None:
        """A verdict ends the guest's turn; going dark (`idle`) after a passage lets the next one come."""
        if indicator != "go":
            self.answered.set()

    async def close(self) -> None:
        """Nothing to free."""


class CodeQueue:
    """A `CodeSource` that shows one code after the other, each when the last one was answered."""

    def __init__(self, codes: Iterator[str], arm: InstantArm, clock: Clock) -> None:
        self.shown = 0
        self._codes = codes
        self._arm = arm
        self._clock = clock

    async def sightings(self) -> AsyncIterator[Sighting]:
        """The codes, until there are no more."""
        for code in self._codes:
            now = self._clock.now()
            self._arm.answered.clear()
            self.shown += 1
            yield Sighting(code, now, now)
            await self._arm.answered.wait()

    async def close(self) -> None:
        """Nothing to free."""
