"""Steel and readers of bench lanes: an arm that turns the moment it is unlocked, and readers that show the next code the
moment the lamp has answered the last one. So a lane is never waiting for a guest, and what is measured is the lane."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from resort.clock import Clock
from resort.ports import ArmWay, Sighting, Turnstile, TurnstileStatus


class InstantArm:
    """A `Turnstile` without a guest's slowness."""

    def __init__(self) -> None:
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

    async def turn(self, way: ArmWay) -> None:
        """It has no other way."""

    async def show(self, indicator: str) -> None:
        """Nobody looks."""

    async def close(self) -> None:
        """Nothing to free."""


class WatchedArm:
    """A `Turnstile` whose lamp tells the bench where the guest is: `on_verdict` is called with each verdict, and `answered` is
    set when the lane is free for the next guest (a refusal, or dark again after a passage)."""

    def __init__(self, inner: Turnstile, on_verdict: Callable[[], None] | None = None) -> None:
        self.answered = asyncio.Event()
        self._inner = inner
        self._on_verdict = on_verdict
        self._admitted = False
        self.status = inner.status
        self.pulse_entry = inner.pulse_entry
        self.turn = inner.turn

    async def show(self, indicator: str) -> None:
        """Pass it on and look at it."""
        await self._inner.show(indicator)
        if indicator == "idle":
            if self._admitted:
                self._admitted = False
                self.answered.set()
            return
        self._admitted = indicator == "go"
        if self._on_verdict is not None:
            self._on_verdict()
        if not self._admitted:
            self.answered.set()

    async def close(self) -> None:
        """The bench closes what it opened."""


class CodeQueue:
    """A `CodeSource` that shows one code after the other, each when the last one was answered."""

    def __init__(self, codes: Iterator[str], arm: WatchedArm, clock: Clock) -> None:
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


class GuestLine:
    """A `CodeSource` that guests join when they come, whether or not the lane is free. `waits_ms` has, for each verdict, the
    time since that guest was due: waiting behind others counts, and so does the bench's own lateness."""

    def __init__(self, inner: Turnstile, clock: Clock) -> None:
        self.arm = WatchedArm(inner, self._note)
        self.waits_ms: list[float] = []
        self._clock = clock
        self._line: deque[tuple[str, int]] = deque()
        self._came = asyncio.Event()
        self._due_ns = 0

    @property
    def waiting(self) -> int:
        """Guests without a verdict yet, but for the one at the reader."""
        return len(self._line)

    def join(self, code: str, due_ns: int) -> None:
        """A guest who was due at that monotonic time."""
        self._line.append((code, due_ns))
        self._came.set()

    async def sightings(self) -> AsyncIterator[Sighting]:
        """The codes in the guests' order, for ever."""
        while True:
            while not self._line:
                self._came.clear()
                await self._came.wait()
            code, self._due_ns = self._line.popleft()
            self.arm.answered.clear()
            now = self._clock.now()
            yield Sighting(code, now, now)
            await self.arm.answered.wait()

    async def close(self) -> None:
        """Nothing to free."""

    def _note(self) -> None:
        self.waits_ms.append((self._clock.now().tick_ns - self._due_ns) / 1e6)
