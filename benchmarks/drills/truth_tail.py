"""Following the truth file while a load runs: when was the last arm unlocked, where, and for whom. For recovery times only; the
verdict reads the whole file afterwards.
"""

import asyncio
import contextlib
from bisect import bisect_left
from pathlib import Path

import msgspec

from sim.truth import ArmTurned, ArmUnlocked, GuestLeft, Truth

LOOK_S = 0.005
NS = 1_000_000_000


class TruthTail:
    """Reads on as the stage writes. Use as an async context manager."""

    def __init__(self, path: Path) -> None:
        self.unlocks: list[int] = []  # ticks, in order
        self.turns = 0
        self.turned_away: list[int] = []  # ticks at which somebody with a good ticket left without having passed
        self._by_lane: dict[str, list[int]] = {}
        self._path = path
        self._decoder = msgspec.json.Decoder(Truth)
        self._rest = b""
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "TruthTail":
        self._path.touch(mode=0o600)
        self._reading = asyncio.create_task(self._follow(), name="truth tail")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def unlocked_after(self, tick_ns: int, lane_id: str = "") -> int | None:
        """The tick of the first unlocking after that tick, at this lane or anywhere."""
        ticks = self._by_lane.get(lane_id, []) if lane_id else self.unlocks
        index = bisect_left(ticks, tick_ns)
        return ticks[index] if index < len(ticks) else None

    def longest_pause_s(self, since_ns: int, until_ns: int) -> float:
        """The longest time without any unlocking between the two; counted from the last one before `since_ns`."""
        first = max(0, bisect_left(self.unlocks, since_ns) - 1)
        ticks = [*self.unlocks[first : bisect_left(self.unlocks, until_ns)], until_ns]
        return max((after - before) / NS for before, after in zip([max(ticks[0], 0), *ticks], ticks, strict=False))

    def turned_away_between(self, since_ns: int, until_ns: int) -> int:
        """How many with a good ticket left without having passed."""
        return bisect_left(self.turned_away, until_ns) - bisect_left(self.turned_away, since_ns)

    async def _follow(self) -> None:
        with self._path.open("rb") as file:
            while True:
                for line in self._whole_lines(file.read()):
                    with contextlib.suppress(msgspec.MsgspecError):  # the verdict tells of a line that is none
                        self._take(self._decoder.decode(line))
                await asyncio.sleep(LOOK_S)

    def _whole_lines(self, more: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + more).split(b"\n")
        return lines

    def _take(self, record: Truth) -> None:
        match record:
            case ArmUnlocked():
                self.unlocks.append(record.tick_ns)
                self._by_lane.setdefault(record.lane, []).append(record.tick_ns)
            case ArmTurned():
                self.turns += 1
            case GuestLeft(kind="honest", how="refused" | "gave_up"):
                self.turned_away.append(record.tick_ns)
