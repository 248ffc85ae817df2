"""A load: a seeded crowd of fast guests for drills, from buying their tickets over HTTP until the last one has left.

Open loop: guests come when the plan says (`sim/load_plan.py`), whatever the resort does meanwhile; what they do at a lane is
`sim/load_lane.py`, and what really happened goes to the truth file (`sim/truth.py`).
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from orchestrator.stages import LoadOrder, LoadPhase, LoadTally
from resort.clock import Clock, Moment
from resort.errors import Invalid, SnowgateError, Unavailable
from resort.figures import percentile
from sim.load_lane import LoadCounts, LoadLane, Meeting
from sim.load_plan import Pool, plan_load, tickets_wanted
from sim.scanner_server import ScannerServer
from sim.shop_client import BoughtTicket
from sim.truth import DeviceOrdered, LoadBegan, SteelCounted, TicketBought, Truth, TruthWriter, when
from sim.turnstile import SimTurnstile

ORDER_UNITS = 20  # tickets in one order
BUYERS = 4  # orders under way at once
BUY_TRIES = 8  # a shop that is busy or away is asked again, later and later
BUY_PAUSE_S = 0.25
PAUSE_S = 10.0  # shorter than whoever asked waits for the answer
_log = logging.getLogger("snowgate.load")


class Seller(Protocol):
    """Where the tickets come from."""

    async def buy(self, product: str, day: date, units: dict[str, int]) -> list[BoughtTicket]:
        """Tickets for a party. Raises Refused or Unavailable."""
        ...


class Load:
    """One load at the scanner lanes of a stage. `start` begins to buy; `pause` or `stop` ends it.

    Making one raises Invalid for an order that cannot be carried out, Unavailable when the truth cannot be written.
    """

    def __init__(
        self,
        order: LoadOrder,
        lanes: Mapping[str, SimTurnstile],
        scanners: ScannerServer,
        shop: Seller,
        day: date,
        clock: Clock,
    ) -> None:
        self.phase: LoadPhase = "none"
        self._order, self._shop, self._day, self._clock = order, shop, day, clock
        self._visits = plan_load(order, list(lanes))
        self._tickets: dict[Pool, list[BoughtTicket]] = {"today": [], "tomorrow": [], "blocked": []}
        self._truth = TruthWriter(Path(order.truth))
        self._counts = LoadCounts()
        self._orders_ms: list[float] = []
        self._problem = ""
        self._coming = False  # guests may still come
        self._closed = False
        self._went = asyncio.Event()
        self._moved = asyncio.Event()  # a guest has left his lane, or nobody comes any more
        self._began: Moment | None = None
        self._ended: Moment | None = None
        meeting = Meeting()
        self._lanes = [
            LoadLane(lane_id, steel, scanners, order, meeting, self._counts, clock, self.tell, self._ticket, self._moved.set)
            for lane_id, steel in lanes.items()
        ]
        self._work: asyncio.Task[None] | None = None
        self._arrivals: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Buy the tickets; then, unless the order says `hold`, let the guests come."""
        self._enter("buying")
        self._work = asyncio.create_task(self._run(), name="load")

    def go(self) -> None:
        """Let the guests come. Raises Invalid unless the load is stocked."""
        if self.phase != "stocked":
            raise Invalid("go", f"the load is {self.phase}, not stocked")
        self._went.set()

    def tell(self, record: Truth) -> None:
        """Write down what happened. A truth that cannot be written fails the load. Without effect once the load was ended."""
        if self._closed:
            return
        try:
            self._truth.tell(record)
        except Unavailable as error:
            self._fail(str(error))

    def ordered(self, do: str, lane_id: str, *, on: bool) -> None:
        """Write down that the drill changed a device."""
        self.tell(DeviceOrdered(do, lane_id, on, **when(self._clock.now())))

    def tally(self) -> LoadTally:
        """How it stands, without the steel's own counts."""
        counts = self._counts
        running_s = 0.0 if self._began is None else (self._ended or self._clock.now()).ms_since(self._began) / 1000
        return LoadTally(
            self.phase,
            self._problem,
            len(self._visits),
            sum(len(tickets) for tickets in self._tickets.values()),
            {f"p{percent}": percentile(self._orders_ms, percent) for percent in (50, 95, 99)},
            counts.presented,
            counts.shown,
            counts.unheard,
            counts.unlocks,
            counts.turns,
            counts.refused,
            counts.hesitated,
            counts.gave_up,
            sum(len(lane.line) for lane in self._lanes),
            running_s,
            dict(counts.kinds),
        )

    async def pause(self) -> dict[str, int]:
        """Nobody new comes; who stands in front of an arm finishes or is sent home after a while, the queues go home at once.
        Answers the counts."""
        self._coming = False
        if self._arrivals is not None:
            self._arrivals.cancel()
        for lane in self._lanes:
            lane.send_home()
        self._moved.set()
        if self.phase == "running" and self._work is not None:
            await asyncio.wait((self._work,), timeout=PAUSE_S)
        await self.stop()
        tally = self.tally()
        names = ("presented", "shown", "unheard", "unlocks", "turns", "refused", "hesitated", "gave_up")
        return {name: getattr(tally, name) for name in names}

    async def stop(self) -> None:
        """Send everybody home at once and close the truth file. Idempotent."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        for lane in self._lanes:
            lane.leave()
        self._closed = True
        self._truth.close()

    # ---- the phases

    async def _run(self) -> None:
        try:
            await self._buy_all()
            if self._order.hold:
                self._enter("stocked")
                await self._went.wait()
            if not self._problem:
                await self._serve_all()
        except SnowgateError as error:
            self._fail(str(error))
        except Exception as error:  # a mistake of ours: the drill must not wait for a load that is dead
            _log.exception("the load ended unexpectedly")
            self._fail(f"{type(error).__name__}: {error}")

    async def _serve_all(self) -> None:
        order = self._order
        lane_ids = [lane.lane_id for lane in self._lanes]
        self._began = self._clock.now()
        self.tell(LoadBegan(order.seed, order.rate_per_s, order.scans, lane_ids, **when(self._began)))
        self._enter("running")
        self._coming = True
        async with asyncio.TaskGroup() as group:
            served = [group.create_task(lane.serve(), name=f"load at {lane.lane_id}") for lane in self._lanes]
            self._arrivals = group.create_task(self._arrive(), name="load arrivals")
            while not self._problem and (self._coming or any(lane.line or lane.busy for lane in self._lanes)):
                self._moved.clear()
                await self._moved.wait()
            for task in (self._arrivals, *served):
                task.cancel()
        self._ended = self._clock.now()
        for lane in self._lanes:
            steel = lane.steel
            counted = (steel.pulses, steel.unlocks, steel.counter_in, steel.counter_out)
            self.tell(SteelCounted(lane.lane_id, *counted, **when(self._ended)))
        self._enter("done")

    async def _arrive(self) -> None:
        """The plan's guests, each at his time; late ones at once, so that the rate holds on a machine that was busy."""
        lanes = {lane.lane_id: lane for lane in self._lanes}
        began = self._clock.now()
        for visit in self._visits:
            await asyncio.sleep(max(0.0, visit.at_ms - self._clock.now().ms_since(began)) / 1000)
            lane = lanes[visit.lane]
            if len(lane.line) >= self._order.queue_limit:
                lane = min(self._lanes, key=lambda other: len(other.line))
            lane.join(visit)
        self._coming = False
        self._moved.set()

    def _enter(self, phase: LoadPhase) -> None:
        if not self._problem:  # failed stays failed
            self.phase = phase

    def _fail(self, problem: str) -> None:
        if not self._problem:
            self.phase, self._problem = "failed", problem
        self._moved.set()

    # ---- tickets

    def _ticket(self, pool: Pool, index: int) -> tuple[str, str]:
        ticket = self._tickets[pool][index]
        return ticket.ticket_id, ticket.code

    async def _buy_all(self) -> None:
        """Everything that the plan needs, a few orders at a time. Raises Refused or Unavailable."""
        orders: list[tuple[Pool, int]] = []
        for pool, wanted in tickets_wanted(self._visits).items():
            orders += [(pool, min(ORDER_UNITS, wanted - done)) for done in range(0, wanted, ORDER_UNITS)]
        orders.reverse()

        async def buy() -> None:
            while orders:
                pool, units = orders.pop()
                await self._buy(pool, units)

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(BUYERS):
                    group.create_task(buy(), name=f"load buyer {number}")
        except ExceptionGroup as failed:  # the other orders were given up; the first reason is the one to tell
            raise failed.exceptions[0] from None

    async def _buy(self, pool: Pool, units: int) -> None:
        day = self._day + timedelta(days=1) if pool == "tomorrow" else self._day
        for attempt in range(BUY_TRIES):
            asked = self._clock.now()
            try:
                tickets = await self._shop.buy(self._order.product, day, {"adult": units})
                self._orders_ms.append(self._clock.now().ms_since(asked))
                break
            except Unavailable:
                if attempt == BUY_TRIES - 1:
                    raise
                await asyncio.sleep(BUY_PAUSE_S * 2**attempt)
        for ticket in tickets:
            self.tell(TicketBought(ticket.ticket_id, ticket.code, pool, **when(self._clock.now())))
        self._tickets[pool] += tickets
