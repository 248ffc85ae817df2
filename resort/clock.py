"""Time as an argument.

The only module (with `sim`) that may read the machine's clock. A `Moment` pairs wall time, for the journal and for
validity rules, with a monotonic tick, for time-outs and latencies: a wall clock that jumps two hours moves no time-out.
"""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
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
        moment = Moment(datetime.now(UTC), time.monotonic_ns())  # noqa: TID251 - this is the one place
        return moment if _rehearsed is None else _rehearsed.shifted(moment)


class _RehearsedClock:
    """A wall clock that somebody sets: milliseconds to add, in a file that every process of the site has mapped."""

    def __init__(self, file: Path, steady: bool) -> None:
        with file.open("rb") as opened:
            self._shift_ms = mmap.mmap(opened.fileno(), SHIFT.size, access=mmap.ACCESS_READ)
        self._steady = steady

    def shifted(self, moment: Moment) -> Moment:
        (shift_ms,) = SHIFT.unpack_from(self._shift_ms)
        return Moment(
            moment.at + timedelta(milliseconds=shift_ms), moment.tick_ns + (0 if self._steady else shift_ms * NS_PER_MS)
        )


SHIFT = struct.Struct("<q")  # the whole of a shift file: milliseconds, signed
_rehearsed: _RehearsedClock | None = None


def rehearse_clock(file: Path, *, steady: bool) -> None:
    """From now on every `SystemClock` of this process is set by `file`. For drills only; there is no way back.

    With `steady` False the tick jumps too, as if time-outs went by the wall clock. Raises OSError or ValueError.
    """
    global _rehearsed  # a machine has one clock
    _rehearsed = _RehearsedClock(file, steady)


def set_rehearsed_clock(file: Path, shift_ms: int) -> None:
    """Set the wall clock of every process that rehearses by `file`, which is made if it is not there; at once, in one write."""
    with file.open("r+b" if file.exists() else "wb", buffering=0) as opened:
        opened.write(SHIFT.pack(shift_ms))


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
