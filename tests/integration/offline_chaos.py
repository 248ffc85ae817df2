"""A site of three gates that is given no rest: ledgers, gates, lanes and the ways between them fail in a seeded order while
every lane shows tickets, and the history is looked at from outside."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine

from resort.errors import DatabaseUnavailable, LedgerUnavailable, SpoolFull
from resort.ids import GateId, TicketId
from tests.integration.offline_lane import Lane
from tests.integration.offline_site import GATES, OfflineSite
from tests.integration.offline_store import Store

TICKETS = 12  # for sale at a time
Door = tuple[GateId, int]


class Chaos:
    """One run. `turned` counts for every ticket how often an arm may have turned for it."""

    def __init__(self, site: OfflineSite, store: Store, seed: int) -> None:
        self.site = site
        self.store = store
        self.random = random.Random(seed)
        self.sold: list[TicketId] = []
        self.done: list[str] = []  # what was done to the site
        self._everyone: list[Lane] = list(site.lanes)
        self._workers: dict[Door, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: set[str] = set()  # what is broken just now

    def turned(self) -> Counter[TicketId]:
        """By ticket."""
        return Counter(ticket for lane in self._everyone for ticket in lane.turned)

    async def run(self, seconds: float) -> None:
        """Let guests come and things fail for so long, then heal everything that was broken."""
        self.sold += await self.site.sell(TICKETS)
        for gate_id in GATES:
            for number in range(2):
                self._work((gate_id, number))
        self._task(self._drain())
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            await asyncio.sleep(self.random.uniform(0.02, 0.5))
            if self.random.random() < 0.3:
                self.sold += await self.site.sell(2)
            self._break_something()
        await self.site.until(lambda: not self._busy, patience_s=60)  # each heals by itself

    async def stop(self) -> None:
        """No more guests."""
        tasks = [*self._workers.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- guests

    def _work(self, door: Door) -> None:
        self._workers[door] = asyncio.create_task(self._show_for_ever(door), name=f"guests of {door}")

    def _lane(self, door: Door) -> Lane | None:
        ledger = self.site.doors[door[0]][door[1]].ledger
        return next((lane for lane in self.site.lanes if lane.ledger is ledger), None)

    async def _show_for_ever(self, door: Door) -> None:
        lane = self._lane(door)
        assert lane is not None
        if lane not in self._everyone:
            self._everyone.append(lane)
        while True:
            with contextlib.suppress(LedgerUnavailable, SpoolFull):
                await lane.recover()
                break
            await asyncio.sleep(0.02)
        while True:
            ticket = self.random.choice(self.sold[-TICKETS:] if self.random.random() < 0.8 else self.sold)
            with contextlib.suppress(LedgerUnavailable, SpoolFull):
                await lane.show(ticket)
            await asyncio.sleep(self.random.uniform(0.0, 0.02))

    async def _drain(self) -> None:
        """What the journal does besides."""
        while True:
            with contextlib.suppress(LedgerUnavailable, DatabaseUnavailable):
                await self.site.journal.drain()
            await asyncio.sleep(0.1)

    # ---- faults

    def _break_something(self) -> None:
        gate_id = self.random.choice(GATES)
        for_s = self.random.choice((0.02, 0.1, 0.2, 0.4, 0.9, 2.0))
        door = gate_id, self.random.randrange(2)
        faults: dict[str, tuple[Callable[[], Awaitable[None]], int]] = {
            f"blind {gate_id}": (lambda: self._blind(gate_id, for_s), 5),
            f"apart {gate_id}": (lambda: self._apart(gate_id, for_s), 3),
            f"gate {gate_id}": (lambda: self._without_gate(gate_id, for_s), 3),
            f"lane {door}": (lambda: self._without_lane(door, for_s), 3),
            "ledger frozen": (lambda: self._frozen(for_s), 4),
            "ledger killed": (lambda: self._killed(for_s), 1),
            "ledger killed and fenced": (lambda: self._killed(for_s, fenced=True), 1),
            "ledger emptied": (lambda: self._killed(for_s, empty=True), 1),
            "ledger wiped": (self.store.wipe, 1),
        }
        what = self.random.choices(list(faults), [weight for _, weight in faults.values()])[0]
        part = "ledger" if what.startswith("ledger") else what
        if part not in self._busy:
            self._busy.add(part)
            self.done.append(f"{what} {for_s}")
            self._task(self._suffer(faults[what][0], part))

    async def _suffer(self, fault: Callable[[], Awaitable[None]], part: str) -> None:
        try:
            await fault()
        finally:
            self._busy.discard(part)

    async def _blind(self, gate_id: GateId, for_s: float) -> None:
        source = self.site.sources[gate_id]
        source.blind = True
        await asyncio.sleep(for_s)
        source.blind = False

    async def _apart(self, gate_id: GateId, for_s: float) -> None:
        self.site.apart.add(gate_id)
        await asyncio.sleep(for_s)
        self.site.apart.discard(gate_id)

    async def _without_gate(self, gate_id: GateId, for_s: float) -> None:
        if self.site.gates[gate_id].ledger is None:
            return
        await self.site.stop_gate(gate_id)
        await asyncio.sleep(for_s)
        await self.site.start_gate(gate_id)

    async def _without_lane(self, door: Door, for_s: float) -> None:
        lane = self._lane(door)
        if lane is None:
            return
        worker = self._workers[door]
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
        await self.site.stop_lane(lane)
        await asyncio.sleep(for_s)
        await self.site.until(lambda: self.site.gates[door[0]].ledger is not None)
        await self.site.start_lane(*door)
        self._work(door)

    async def _frozen(self, for_s: float) -> None:
        with self.store.frozen():
            await asyncio.sleep(for_s)

    async def _killed(self, for_s: float, *, empty: bool = False, fenced: bool = False) -> None:
        await self.store.kill()
        await asyncio.sleep(for_s)
        await self.store.start(empty=empty, fenced=fenced or empty)

    def _task(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
