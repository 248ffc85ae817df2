"""Three gates with two lane processes each, on a real Valkey, real SQL and real spools, wired without Ray.

The links between them are direct calls that can be cut; what is under test is everything behind them. One `Valkey` can be
killed and started again with or without its memory.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from actors.gate_lanes import GateLanes
from actors.gate_ledger import GateLedger
from actors.lane_ledger import LaneLedger
from actors.ledger_links import Handover, HomeGate, PeerGate, Route
from actors.rejoin import Rejoin
from actors.replay import replay
from actors.spool_keeper import SpoolKeeper
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.clock import SystemClock
from resort.errors import DatabaseUnavailable, LedgerUnavailable
from resort.ids import GateId, LaneId, OrderId, RandomIds, TicketId
from resort.messages import JournalEvent, TicketEvent
from resort.orders import OrderState
from resort.ports import Conflict, LaneMemory
from resort.pricing import QuoteRequest, make_quote
from resort.site import SalesLimits, Site
from sim.ticket_shop import shop_site
from storage.database import Database
from storage.entitlements_redis import RedisEntitlements
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream, StreamEntry
from storage.ledger_books import LedgerBooks
from storage.orders_sql import StoredOrder, insert_order, insert_tickets
from storage.past_stream import store_past_stream
from storage.rebuild import Rebuild, begin_rebuild, finish_rebuild
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger, ledger_term
from storage.replica_source import ReplicaSource
from storage.spool import MAX_BYTES, Spool, read_spool
from tests.integration.offline_lane import DAY, Lane

SITE = "offline"
ALLOWED = Entitlement("day", "adult", DAY, 1, ("standard",), valid_until=date(2099, 12, 1))
GATES = (GateId("village"), GateId("north"), GateId("summit"))


class Source(ReplicaSource):
    """`blind`: this gate alone does not reach the ledger. `deaf`: its copy does not follow the stream any more.
    `bookless`: it is told that SQL has nothing new. `termless`: SQL does not tell it the ledger's latest term."""

    blind = False
    deaf = False
    bookless = False
    termless = False

    async def latest_term(self) -> int:
        if self.termless:
            raise DatabaseUnavailable("The database", "it is away")
        return await super().latest_term()

    async def stored_past(self, numbers: Mapping[LaneId, int]) -> list[TicketEvent]:
        return [] if self.bookless else await super().stored_past(numbers)

    async def term(self) -> int | None:
        if self.blind:
            raise LedgerUnavailable("The admission ledger", "it is cut off")
        return await super().term()

    async def read_after(self, stream_id: str, most: int, wait_ms: int) -> list[StreamEntry]:
        if self.deaf:
            await asyncio.sleep(wait_ms / 1000)
            return []
        return await super().read_after(stream_id, most, 20)


class Gate:
    """A gate as others reach it: not at all while `cut`."""

    def __init__(self) -> None:
        self.cut = False
        self.ledger: GateLedger | None = None

    def _there(self) -> GateLedger:
        if self.cut or self.ledger is None:
            raise LedgerUnavailable("The gate", "it is away")
        return self.ledger

    async def lost(self, route: Route) -> Route:
        return await self._there().lost(route)

    async def find(self, route: Route, ticket_id: TicketId) -> TicketRecord | None:
        return await self._there().find(route, ticket_id)

    async def commit(self, route: Route, event: TicketEvent, expected: TicketRecord, usage: Usage) -> Conflict | None:
        return await self._there().commit(route, event, expected, usage)

    async def memory(self, lane_id: LaneId) -> LaneMemory:
        return await self._there().memory(lane_id)

    async def collect(self, term: int, home: GateId, least: int) -> Handover:
        return await self._there().collect(term, home, least)

    async def route(self, asker: GateId | None = None) -> Route:
        return self._there().tell_route(asker)

    async def hold(self, term: int, without: Sequence[GateId] = ()) -> Handover:
        return await self._there().hold(term, without)

    async def resume(self, term: int, whole: int) -> None:
        await self._there().resume(term, whole)

    async def keep(self, term: int) -> None:
        await self._there().keep(term)

    async def release(self, term: int) -> None:
        await self._there().release(term)


class Between:
    """One gate as another one reaches it."""

    def __init__(self, site: "OfflineSite", asker: GateId, asked: GateId) -> None:
        self._site, self._asker, self._asked = site, asker, asked

    async def collect(self, term: int, home: GateId, least: int) -> Handover:
        gate = self._there()
        if (stalled := self._site.stalled.get((self._asker, self._asked))) is not None:
            await stalled.wait()
        answer = await gate.collect(term, home, least)
        self._site.handed_over.add((self._asked, self._asker))
        return answer

    async def route(self, asker: GateId | None = None) -> Route:
        return await self._there().route(asker)

    async def hold(self, term: int, without: Sequence[GateId] = ()) -> Handover:
        return await self._there().hold(term, without)

    async def resume(self, term: int, whole: int) -> None:
        await self._there().resume(term, whole)

    async def keep(self, term: int) -> None:
        await self._there().keep(term)

    async def release(self, term: int) -> None:
        await self._there().release(term)

    def _there(self) -> Gate:
        if {self._asker, self._asked} & self._site.apart:
            raise LedgerUnavailable("The gate", "it is cut off from the others")
        return self._site.gates[self._asked]


class Lanes:
    """A lane process as its gate reaches it; dead: only its spool is left."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger: LaneLedger | None = None
        self.frozen: Lane | None = None  # alive, and answers nobody

    async def end(self) -> None:
        frozen, self.frozen = self.frozen, None
        if frozen is not None:
            await frozen.close()

    async def _or_spool(self) -> Handover:
        events = await asyncio.to_thread(read_spool, self.path)
        if events is None:
            raise LedgerUnavailable("The lanes", "they are away")
        return Handover(events)

    async def fence(self, term: int, tick_ns: int) -> Handover:
        return await self.ledger.fence(term, tick_ns) if self.ledger is not None else await self._or_spool()

    async def hold(self, term: int, tick_ns: int) -> Handover:
        return await self.ledger.hold(term, tick_ns) if self.ledger is not None else await self._or_spool()

    async def resume(self, term: int, whole: int) -> None:
        if self.ledger is not None:
            self.ledger.resume(term, whole)

    async def take_route(self, route: Route, tick_ns: int) -> None:
        if self.ledger is None:
            raise LedgerUnavailable("The lanes", "they are away")
        self.ledger.take_order(route, tick_ns)

    async def route(self) -> Route:
        if self.ledger is None:
            raise LedgerUnavailable("The lanes", "they are away")
        return self.ledger.route


class Journal:
    """What the journal actor does, without its process."""

    def __init__(
        self, database: Database, url: str, gates: Mapping[GateId, PeerGate], doors: Mapping[GateId, Sequence[Lanes]]
    ) -> None:
        self.store = JournalStore(database)
        self.books = LedgerBooks(database)
        self.redis = connect(url)
        clock = SystemClock()
        self._rejoin = Rejoin(
            gates,
            {gate_id: GateLanes(gate_id, lanes) for gate_id, lanes in doors.items()},
            lambda: begin_rebuild(self.redis, SITE, self.store, self.books, clock),
            lambda events: store_past_stream(self.store, self.books, events),
            self._finish,
            clock,
        )
        self.finishing = asyncio.Event()  # the gates hold still for it
        self.may_finish = asyncio.Event()
        self.may_finish.set()
        self.asked = asyncio.Event()
        self.idle = False  # it does not hear what the gates ask
        self.term = 0
        self.task = asyncio.create_task(self._run(), name="journal")

    async def take_spooled(self, events: Sequence[JournalEvent]) -> dict[LaneId, int]:
        try:
            await store_past_stream(self.store, self.books, events)
        except DatabaseUnavailable as error:
            raise LedgerUnavailable("The journal", error.detail) from error
        return {event.lane_id: event.lane_seq for event in events}

    async def rejoin(self, term: int) -> None:
        if not self.idle:
            self.term = max(self.term, term)
            self.asked.set()

    async def drain(self) -> None:
        stream = JournalStream(self.redis, SITE)
        while entries := await stream.read_after(await self.store.last_stream_id(), 1000, wait_ms=0):
            await self.store.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])
            await stream.tell_stored(
                {entry.event.lane_id: entry.event.lane_seq for entry in entries if entry.event is not None}
            )

    async def _finish(self, rebuild: Rebuild, term: int) -> int:
        self.finishing.set()
        await self.may_finish.wait()
        return await finish_rebuild(self.redis, SITE, self.store, self.books, rebuild, term)

    async def _run(self) -> None:
        while True:
            await self.asked.wait()
            self.asked.clear()
            with contextlib.suppress(LedgerUnavailable, DatabaseUnavailable):
                term = await ledger_term(self.redis, SITE)
                if term is None or term < self.term:
                    await self._rejoin.run()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.redis.aclose()


class OfflineSite:
    """The whole of it."""

    def __init__(self, site: Site, folder: Path, url: str, database: Database) -> None:
        self.site = site
        self.folder = folder
        self.url = url
        self.database = database
        self.clock = SystemClock()
        self.gates = {gate_id: Gate() for gate_id in GATES}
        self.doors = {gate_id: [Lanes(folder / f"{gate_id}-{n}.spool") for n in (1, 2)] for gate_id in GATES}
        self.lanes: list[Lane] = []
        self.centrals: dict[GateId, RedisLedger] = {}
        self.sources: dict[GateId, Source] = {}
        self.handover = True
        self.spool_bytes = MAX_BYTES
        self.apart: set[GateId] = set()  # neither reach other gates nor are reached by them
        self.stalled: dict[tuple[GateId, GateId], asyncio.Event] = {}  # by who asks whom: asked only when this is set
        self.handed_over: set[tuple[GateId, GateId]] = set()  # who to whom, or told that it need not

    async def open(self) -> None:
        self.journal = Journal(self.database, self.url, self.gates, self.doors)
        for gate_id in GATES:
            await self.start_gate(gate_id)
        for gate_id, doors in self.doors.items():
            for number, _ in enumerate(doors):
                await self.start_lane(gate_id, number)
        await self.until(lambda: all(lane.ledger.route.kind == "ledger" for lane in self.lanes))
        await self.until(lambda: all(gate.ledger is not None and gate.ledger.follows for gate in self.gates.values()))

    async def start_gate(self, gate_id: GateId) -> None:
        url = self.url
        lane_ids = [LaneId(f"{gate}-{n}") for gate in GATES for n in (1, 2)]
        source = self.sources[gate_id] = Source(SITE, connect(url), connect(url), LedgerBooks(self.database), lane_ids)
        central = self.centrals[gate_id] = RedisLedger(connect(url), SITE)
        peers: dict[GateId, PeerGate] = {other: Between(self, gate_id, other) for other in self.gates if other != gate_id}
        ledger = GateLedger(
            self.site,
            gate_id,
            source,
            peers,
            self.doors[gate_id],
            self.journal,
            lambda events: replay(central, events),
            self.clock,
            handover=self.handover,
        )
        self.gates[gate_id].ledger = ledger
        ledger.start()

    async def stop_gate(self, gate_id: GateId) -> None:
        gate = self.gates[gate_id]
        ledger, gate.ledger = gate.ledger, None
        assert ledger is not None
        await ledger.close()
        await self.centrals[gate_id].close()

    async def start_lane(self, gate_id: GateId, number: int) -> Lane:
        door = self.doors[gate_id][number]
        lane_id = LaneId(f"{gate_id}-{number + 1}")
        central = RedisLedger(connect(self.url), SITE)
        spool = Spool.open(door.path, self.spool_bytes)
        homes: dict[GateId, HomeGate] = dict(self.gates)
        keeper = SpoolKeeper(spool, [lane_id], central, self.journal, self.clock, lambda: ledger.route.kind == "ledger")
        ledger = LaneLedger(central, keeper, homes, gate_id, self.clock, Route("held", 0))
        keeper.start()
        lane = Lane(lane_id, gate_id, ledger, keeper, central, seq=keeper.last_seq(lane_id))
        gate = self.gates[gate_id].ledger
        assert gate is not None
        ledger.take_route(gate.route)
        door.ledger = ledger
        self.lanes.append(lane)
        return lane

    async def stop_lane(self, lane: Lane) -> None:
        """As a killed process: nobody says goodbye."""
        for door in self.doors[lane.gate_id]:
            if door.ledger is lane.ledger:
                door.ledger = None
        self.lanes.remove(lane)
        await lane.close()

    async def freeze_lane(self, lane: Lane) -> None:
        """Its process lives, holds its spool and answers nobody."""
        for door in self.doors[lane.gate_id]:
            if door.ledger is lane.ledger:
                door.ledger, door.frozen = None, lane
        self.lanes.remove(lane)

    async def sell(self, number: int, allowed: Entitlement = ALLOWED) -> list[TicketId]:
        """Tickets, single-use if nothing else is said, in SQL and, if it answers, in the ledger."""
        ids = RandomIds()
        sold = [(ids.ticket_id(), TicketRecord(1, allowed, Usage())) for _ in range(number)]
        shop, now = shop_site(), self.clock.now().at
        request = QuoteRequest("day", DAY, {"adult": number})
        quote = make_quote(request, shop.products[0], shop.tariff, SalesLimits(max_units=number), now, ids)
        order_id = OrderId(ids.new("order"))
        order = StoredOrder(order_id, "shop", OrderState.NEW, ("new",), quote, None, None, now, now)
        async with self.database.write() as connection:
            await insert_order(connection, order)
            await insert_tickets(connection, order_id, sold, now)
        with contextlib.suppress(LedgerUnavailable):
            await RedisEntitlements(self.journal.redis, SITE, self.clock).publish(sold)
        return [ticket_id for ticket_id, _ in sold]

    async def until(self, condition: Callable[[], bool], patience_s: float = 20.0) -> None:
        """Wait for what several tasks bring about together."""
        async with asyncio.timeout(patience_s):
            while not condition():  # noqa: ASYNC110 - no single event says so
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        await self.journal.close()
        for gate_id in GATES:
            if self.gates[gate_id].ledger is not None:
                await self.stop_gate(gate_id)
        for lane in list(self.lanes):
            await self.stop_lane(lane)
        for doors in self.doors.values():
            for door in doors:
                await door.end()


@contextlib.asynccontextmanager
async def opened(site: OfflineSite) -> AsyncIterator[OfflineSite]:
    """Open for the block."""
    try:
        await site.open()
        yield site
    finally:
        await site.close()
