"""SQL and a ledger side by side, on a real SQLite file and a real Valkey, and what can happen to them."""

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path

import msgspec
from redis.asyncio import Redis

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.usage import use
from resort.clock import ManualClock
from resort.ids import EventId, GateId, GrantId, LaneId, OrderId, ScanId, SeededIds, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    LaneChanged,
    PassageConfirmed,
    PassageOut,
    PassageUncontrolled,
)
from resort.orders import OrderState
from resort.ports import LaneMemory
from resort.pricing import QuoteRequest, make_quote
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream, stream_order
from storage.ledger_books import LedgerBooks
from storage.orders_sql import StoredOrder, insert_order, insert_tickets
from storage.rebuild import ensure_ledger, recover_ledger
from storage.redis_ledger import LedgerKeys, RedisLedger

SITE = "test"
KEYS = LedgerKeys(SITE)
NORTH, SOUTH, EAST = LaneId("north"), LaneId("south"), LaneId("east")
replace = msgspec.structs.replace
ALLOWED = Entitlement("day", "adult", TODAY, 1, ("standard",))
USED, OPEN, UNKNOWN, FRESH = (TicketId(f"{number:016x}") for number in range(1, 5))
TICKETS = (USED, OPEN, UNKNOWN, FRESH)
ONCE = Usage(used=1, first_at=MORNING, last_at=MORNING, last_gate=GateId("g"), days=(TODAY,))
FAR = 1_000_000  # a version that no ticket reaches by being used


@dataclass(frozen=True)
class Books:
    """SQL with four tickets, and a ledger that is whole and knows them."""

    redis: Redis
    database: Database
    journal: JournalStore
    ledger: RedisLedger
    clock: ManualClock

    async def ensure(self) -> int | None:
        self.clock.advance_ms(60_000)
        return await ensure_ledger(self.redis, SITE, self.journal, LedgerBooks(self.database), self.clock)

    async def recover(self, spools: Path) -> int | None:
        self.clock.advance_ms(60_000)
        sql = LedgerBooks(self.database)
        return await recover_ledger(self.redis, SITE, self.journal, sql, self.clock, spools)

    async def store(self) -> str:
        """What the journal writer does; answers the last stream id."""
        entries = await JournalStream(self.redis, SITE).read_after(await self.journal.last_stream_id(), 1000, wait_ms=0)
        await self.journal.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])
        return await self.journal.last_stream_id()

    async def last_id(self) -> str:
        return (await JournalStream(self.redis, SITE).position()).last_id

    async def record(self, ticket: TicketId) -> TicketRecord:
        found = await self.ledger.find(ticket)
        assert found is not None
        return found

    async def grant(self, ticket: TicketId, lane: LaneId, counter: int) -> GrantIssued:
        grant = a_grant(ticket, lane, counter)
        record = await self.record(ticket)
        assert await self.ledger.commit_grant(grant, record, use(record.usage, grant)) is None
        return grant

    async def settle(self, outcome: GrantOutcome) -> None:
        record = await self.record(outcome.ticket_id)
        assert await self.ledger.settle(outcome, record, use(record.usage, outcome)) is None

    async def use_up(self, ticket: TicketId, lane: LaneId, counter: int) -> None:
        await self.settle(a_passage(await self.grant(ticket, lane, counter)))

    async def state(self) -> tuple[dict[TicketId, TicketRecord], dict[LaneId, LaneMemory]]:
        return (
            {ticket: await self.record(ticket) for ticket in TICKETS},
            {lane: await self.ledger.lane_memory(lane) for lane in (NORTH, SOUTH, EAST)},
        )


_numbers = itertools.count(1)


def head(event_id: str, lane: LaneId) -> dict[str, object]:
    whole = {"event_id": EventId(event_id), "caused_by": "scan", "at": MORNING, "gate_id": GateId("g"), "lane_id": lane}
    return {**whole, "lane_seq": next(_numbers)}


def a_grant(ticket: TicketId, lane: LaneId, counter: int) -> GrantIssued:
    whole = head(f"grant:{ticket}:{counter}", lane)
    what = {"ticket_id": ticket, "scan_id": ScanId("s"), "product": "day", "unit": "adult", "day": TODAY}
    return GrantIssued(**whole, **what, counter_in=counter)  # type: ignore[arg-type]


def a_passage(grant: GrantIssued) -> PassageConfirmed:
    whole = head(f"{grant.event_id}:passed", grant.lane_id)
    grant_id = GrantId(grant.event_id)
    return PassageConfirmed(**whole, grant_id=grant_id, ticket_id=grant.ticket_id, counter_in=grant.counter_in + 1)  # type: ignore[arg-type]


def an_unknown(grant: GrantIssued) -> GrantOutcomeUnknown:
    whole = head(f"{grant.event_id}:unknown", grant.lane_id)
    return GrantOutcomeUnknown(**whole, grant_id=GrantId(grant.event_id), ticket_id=grant.ticket_id, detail="")  # type: ignore[arg-type]


def a_change(event_id: str, lane: LaneId, counter_in: int | None = None, counter_out: int | None = None) -> LaneChanged:
    whole = head(event_id, lane)
    return LaneChanged(**whole, state="ready", detail="", counter_in=counter_in, counter_out=counter_out)  # type: ignore[arg-type]


async def sell(database: Database) -> None:
    site = shop_site()
    request = QuoteRequest("day", TODAY, {"adult": len(TICKETS)})
    quote = make_quote(request, site.products[0], site.tariff, site.sales_limits, MORNING, SeededIds("quote"))
    order = StoredOrder(OrderId("o1"), "shop", OrderState.NEW, ("new",), quote, None, None, MORNING, MORNING)
    async with database.write() as connection:
        await insert_order(connection, order)
        await insert_tickets(connection, "o1", [(ticket, TicketRecord(1, ALLOWED, Usage())) for ticket in TICKETS], MORNING)


async def a_morning(books: Books) -> None:
    """One ticket used, one with an open grant, one of unknown outcome, one fresh; and turns without a ticket."""
    await books.ledger.append([a_change("c1", NORTH, 1, 2), a_change("c2", SOUTH, 3, 4), a_change("c3", EAST, 5, 6)])
    await books.use_up(USED, NORTH, 10)
    await books.settle(an_unknown(await books.grant(UNKNOWN, EAST, 20)))
    turned = PassageUncontrolled(**head("u1", EAST), counter_in=23, rotations=3, released=False)  # type: ignore[arg-type]
    out = PassageOut(**head("o1", EAST), counter_out=9, rotations=3)  # type: ignore[arg-type]
    await books.ledger.append([turned, out])
    await books.grant(OPEN, SOUTH, 30)


async def everything_in(redis: Redis) -> dict[bytes, bytes]:
    saved = {key: await redis.dump(key) for key in await redis.keys()}
    return {key: body for key, body in saved.items() if isinstance(key, bytes) and isinstance(body, bytes)}


async def back_to(redis: Redis, saved: dict[bytes, bytes]) -> None:
    """What a server does that reads an append-only file without its end."""
    await redis.flushall()
    for key, body in saved.items():
        await redis.restore(key, 0, body)


async def after_the_millisecond_of(redis: Redis, stream_id: str) -> None:
    """Stream ids are the server's milliseconds: let the next entry's be a later one."""
    while True:
        seconds, micros = await redis.time()
        if seconds * 1000 + micros // 1000 > stream_order(stream_id)[0]:
            return
        await asyncio.sleep(0.001)
