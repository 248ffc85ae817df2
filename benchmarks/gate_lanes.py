"""A process full of bench lanes: driven as fast as they go (`rush`), or by guests who come when they come (`arrive`)."""

import asyncio
import os
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from actors.collecting import collect_seldom
from actors.lane_runtime import LaneRuntime
from benchmarks.gate_ledger import BenchLedger
from benchmarks.gate_stand import GATE, PATIENCE_S, SITE, bench_lane
from benchmarks.instant_lane import CodeQueue, GuestLine, InstantArm, WatchedArm
from resort.access.codes import SiteKeys
from resort.clock import NS_PER_MS, SystemClock

LOOK_S = 0.005


class LaneProcess:
    """Hosts bench lanes; made remote by the bench."""

    def __init__(self, lanes: list[str], redis_url: str, keys: SiteKeys, spools: Path) -> None:
        self._lanes, self._keys = lanes, keys
        self._redis_url, self._spools = redis_url, spools
        self._clock = SystemClock()
        self._ledger: BenchLedger | None = None
        self._runtimes: list[LaneRuntime] = []
        self._guests: list[GuestLine] = []
        self._codes: Iterator[str] = iter(())

    async def pid(self) -> int:
        """The process id; also proof that the process is up."""
        return os.getpid()

    async def rush(self, codes: list[str], seconds: float) -> tuple[int, float]:
        """Show a code the moment the last one was answered; answers scans shown and seconds taken."""
        everyone = cycle(codes)
        ledger = self._open()
        queues = []
        for lane in self._lanes:
            arm = WatchedArm(InstantArm())
            queue = CodeQueue(everyone, arm, self._clock)
            queues.append(queue)
            self._runtimes.append(bench_lane(lane, self._keys, ledger.lanes, arm, queue))
        began = self._clock.now()
        for runtime in self._runtimes:
            await runtime.start()
        await asyncio.sleep(seconds)
        shown = sum(queue.shown for queue in queues)
        took = self._clock.now().ms_since(began) / 1000
        await self.close()
        return shown - len(self._lanes), took  # the last one at each lane may not be answered

    async def open(self, codes: list[str]) -> None:
        """Start lanes for `arrive`, whose guests show these codes in turn."""
        self._codes = cycle(codes)
        ledger = self._open()
        for lane in self._lanes:
            guests = GuestLine(InstantArm(), self._clock)
            self._guests.append(guests)
            self._runtimes.append(bench_lane(lane, self._keys, ledger.lanes, guests.arm, guests))
            await self._runtimes[-1].start()

    async def arrive(self, per_s: float, seconds: float, seed: int) -> list[float]:
        """Guests come at random (Poisson), `per_s` in all, to the lanes in turn; milliseconds from due to verdict of each."""
        dice = random.Random(seed)  # noqa: S311 - when bench guests come
        for guests in self._guests:
            guests.waits_ms = []
        now_ns = self._clock.now().tick_ns
        due_ns, end_ns = float(now_ns), now_ns + seconds * 1000 * NS_PER_MS
        came = 0
        while (due_ns := due_ns + dice.expovariate(per_s) * 1000 * NS_PER_MS) < end_ns:
            # The event loop's timers are late by up to a millisecond, which counts as the guests' waiting.
            early_s = (due_ns - self._clock.now().tick_ns) / NS_PER_MS / 1000
            if early_s > 0:
                await asyncio.sleep(early_s)
            self._guests[came % len(self._guests)].join(next(self._codes), round(due_ns))
            came += 1
        async with asyncio.timeout(PATIENCE_S):
            while sum(len(guests.waits_ms) for guests in self._guests) < came:  # noqa: ASYNC110 - the last few guests
                await asyncio.sleep(LOOK_S)
        return [wait_ms for guests in self._guests for wait_ms in guests.waits_ms]

    async def close(self) -> None:
        """Stop the lanes."""
        await asyncio.gather(*(runtime.stop(0.5) for runtime in self._runtimes))
        self._runtimes, self._guests = [], []
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await ledger.close()

    def _open(self) -> BenchLedger:
        assert self._ledger is None, "close the lanes before opening others"
        spool = self._spools / f"{self._lanes[0]}.spool"
        self._ledger = BenchLedger(self._redis_url, PATIENCE_S, SITE, GATE, spool, self._lanes)
        collect_seldom()  # as lane actors do
        return self._ledger
