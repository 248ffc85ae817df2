"""Time as an argument.

The only module (with `sim`) that may read the machine's clock. A `Moment` pairs wall time, for the journal and for
validity rules, with a monotonic tick, for time-outs and latencies: a wall clock that jumps two hours moves no time-out.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

NS_PER_MS = 1_000_000


class Moment(msgspec.Struct, frozen=True, gc=False):
    """One instant: `at` (aware UTC wall time) and `tick_ns` (monotonic, comparable within one machine only)."""

    at: datetime
    tick_ns: int

    def ms_since(self, earlier: "Moment") -> float:
        """Milliseconds of monotonic time from `earlier` to this moment."""
        return (self.tick_ns - earlier.tick_ns) / NS_PER_MS

    def after_ms(self, ms: float) -> "Moment":
        """The moment `ms` milliseconds later on both scales."""
        return Moment(self.at + timedelta(milliseconds=ms), self.tick_ns + round(ms * NS_PER_MS))


class Clock(Protocol):
    """Where shells take the time from; rules never hold one."""

    def now(self) -> Moment:
        """The present moment."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> Moment:
        """Wall time and monotonic time, read together."""
        return Moment(datetime.now(UTC), time.monotonic_ns())  # noqa: TID251 - this is the one place


class ManualClock:
    """A clock that moves only when told to; for tests and for virtual days."""

    def __init__(self, at: datetime) -> None:
        self._now = Moment(at, 0)

    def now(self) -> Moment:
        """The moment last set."""
        return self._now

    def advance_ms(self, ms: float) -> Moment:
        """Move both scales forward by `ms` and return the new moment."""
        if ms < 0:
            raise ValueError("a manual clock only moves forward")
        self._now = self._now.after_ms(ms)
        return self._now
