"""A process full of bench lanes: driven as fast as they go (`rush`), or by guests who come when they come (`arrive`)."""

import asyncio
import os
import random
from collections.abc import Iterator
from itertools import cycle

from actors.lane_runtime import LaneRuntime
from benchmarks.gate_stand import PATIENCE_S, SITE, bench_lane
from benchmarks.instant_lane import CodeQueue, GuestLine, InstantArm, WatchedArm
from resort.access.codes import SiteKeys
from resort.clock import NS_PER_MS, SystemClock
from storage.redis_ledger import RedisLedger, connect

LOOK_S = 0.005


class LaneProcess:
    """Hosts `lanes` bench lanes; made remote by the bench."""

    def __init__(self, number: int, lanes: int, redis_url: str, keys: SiteKeys) -> None:
        self._number, self._lanes, self._keys = number, lanes, keys
        self._redis_url = redis_url
        self._clock = SystemClock()
        self._ledger: RedisLedger | None = None
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
        for index in range(self._lanes):
            arm = WatchedArm(InstantArm())
            queue = CodeQueue(everyone, arm, self._clock)
            queues.append(queue)
            self._runtimes.append(bench_lane(f"rush-{self._number}-{index}", self._keys, ledger, arm, queue))
        began = self._clock.now()
        for runtime in self._runtimes:
            await runtime.start()
        await asyncio.sleep(seconds)
        shown = sum(queue.shown for queue in queues)
        took = self._clock.now().ms_since(began) / 1000
        await self.close()
        return shown - self._lanes, took  # the last one at each lane may not be answered

    async def open(self, codes: list[str]) -> None:
        """Start lanes for `arrive`, whose guests show these codes in turn."""
        self._codes = cycle(codes)
        ledger = self._open()
        for index in range(self._lanes):
            guests = GuestLine(InstantArm(), self._clock)
            self._guests.append(guests)
            self._runtimes.append(bench_lane(f"open-{self._number}-{index}", self._keys, ledger, guests.arm, guests))
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
            self._guests[came % self._lanes].join(next(self._codes), round(due_ns))
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

    def _open(self) -> RedisLedger:
        assert self._ledger is None, "close the lanes before opening others"
        self._ledger = RedisLedger(connect(self._redis_url, PATIENCE_S), SITE)
        return self._ledger
