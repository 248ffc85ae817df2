"""Rebuilding the ledger from SQL: on a real Valkey and a real SQLite file, with losses as they really happen."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.usage import use
from resort.clock import ManualClock, SystemClock
from resort.errors import LedgerUnavailable
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
from resort.ports import Conflict, LaneMemory
from resort.pricing import QuoteRequest, make_quote
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.entitlements_redis import RedisEntitlements
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream, stream_order
from storage.ledger_books import LedgerBooks
from storage.migrate import upgrade
from storage.orders_sql import StoredOrder, insert_order, insert_tickets
from storage.rebuild import ensure_ledger
from storage.redis_ledger import LedgerKeys, RedisLedger, connect

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


@pytest.fixture
async def books(redis: Redis, valkey_url: str, tmp_path: Path) -> AsyncIterator[Books]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    await sell(database)
    await redis.set(KEYS.epoch, "1 0-0")
    await RedisEntitlements(redis, SITE, SystemClock()).publish(
        [(ticket, TicketRecord(1, ALLOWED, Usage())) for ticket in TICKETS]
    )
    ledger = RedisLedger(connect(valkey_url), SITE)
    yield Books(redis, database, JournalStore(database), ledger, ManualClock(MORNING))
    await ledger.close()
    await database.dispose()


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


async def test_a_whole_ledger_is_left_alone(books: Books) -> None:
    await a_morning(books)
    await books.store()
    before = await everything_in(books.redis)
    assert await books.ensure() is None
    assert await everything_in(books.redis) == before


async def test_a_whole_ledger_with_events_not_yet_stored_is_left_alone(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.use_up(FRESH, NORTH, 40)
    before = await everything_in(books.redis)
    assert await books.ensure() is None
    assert await everything_in(books.redis) == before


async def test_an_empty_ledger_comes_back_as_it_was(books: Books) -> None:
    await a_morning(books)
    await books.store()
    tickets, lanes = await books.state()
    assert tickets[USED].usage == ONCE
    assert tickets[UNKNOWN].usage == replace(ONCE, unknown=1)
    assert tickets[OPEN].usage.open_lane == SOUTH
    assert (lanes[EAST].counter_in, lanes[EAST].counter_out) == (23, 9)
    await books.redis.flushall()
    assert await books.ensure() == len(TICKETS)
    rebuilt, rebuilt_lanes = await books.state()
    assert rebuilt_lanes == lanes
    for ticket in TICKETS:
        assert (rebuilt[ticket].entitlement, rebuilt[ticket].usage) == (tickets[ticket].entitlement, tickets[ticket].usage)
        assert rebuilt[ticket].version > tickets[ticket].version + FAR


async def test_counters_of_a_changed_lane_alone_come_back(books: Books) -> None:
    change = a_change("c1", NORTH, 7, 3)
    await books.ledger.append([change])
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    memory = LaneMemory(open_grant=None, counter_in=7, counter_out=3, last_seq=change.lane_seq)
    assert await books.ledger.lane_memory(NORTH) == memory


async def test_an_open_grant_can_be_settled_after_a_rebuild(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    grant = (await books.ledger.lane_memory(SOUTH)).open_grant
    assert grant is not None
    passage = a_passage(grant)
    await books.settle(passage)
    assert (await books.record(OPEN)).usage == ONCE
    memory = LaneMemory(open_grant=None, counter_in=31, counter_out=4, last_seq=passage.lane_seq)
    assert await books.ledger.lane_memory(SOUTH) == memory


async def test_a_record_from_before_the_loss_conflicts(books: Books) -> None:
    stale = await books.record(FRESH)
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    grant = a_grant(FRESH, NORTH, 50)
    conflict = await books.ledger.commit_grant(grant, stale, use(stale.usage, grant))
    assert conflict == Conflict(await books.record(FRESH))
    assert (await books.record(FRESH)).usage == Usage()


async def test_a_record_from_before_the_second_loss_conflicts(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    stale = await books.record(FRESH)
    await books.redis.flushall()
    await books.ensure()
    grant = a_grant(FRESH, NORTH, 50)
    assert isinstance(await books.ledger.commit_grant(grant, stale, use(stale.usage, grant)), Conflict)


async def test_a_lost_tail_is_noticed_though_a_lane_appended_since(books: Books) -> None:
    await a_morning(books)
    await books.store()
    saved = await everything_in(books.redis)
    await books.use_up(FRESH, NORTH, 40)
    stored = await books.store()
    await back_to(books.redis, saved)
    await after_the_millisecond_of(books.redis, stored)
    await books.ledger.append([a_change("back", NORTH, 41, 2)])
    assert (await books.record(FRESH)).usage == Usage(), "the loss is real"
    assert stream_order(await books.last_id()) >= stream_order(stored), "comparing ids would have found nothing amiss"
    assert await books.ensure() == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE
    assert await books.journal.knows("back")
    assert await books.ensure() is None


async def test_a_lost_tail_is_noticed_when_nobody_appended(books: Books) -> None:
    saved = await everything_in(books.redis)
    await books.use_up(FRESH, NORTH, 40)
    await books.store()
    await back_to(books.redis, saved)
    assert await books.ensure() == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE


async def test_when_only_the_epoch_was_lost_the_tail_counts(books: Books) -> None:
    await a_morning(books)
    await books.store()
    before = await books.journal.count()
    await books.use_up(FRESH, NORTH, 40)
    tickets, lanes = await books.state()
    await books.redis.delete(KEYS.epoch)
    assert await books.ensure() == len(TICKETS)
    assert await books.journal.count() == before + 2
    assert await books.journal.last_stream_id() == await books.last_id()
    rebuilt, rebuilt_lanes = await books.state()
    assert rebuilt_lanes == lanes
    assert {ticket: record.usage for ticket, record in rebuilt.items()} == {
        ticket: record.usage for ticket, record in tickets.items()
    }


@pytest.mark.parametrize("only_the_epoch", [False, True])
async def test_new_entries_come_after_the_last_stored_one(books: Books, only_the_epoch: bool) -> None:
    await a_morning(books)
    stored = await books.store()
    await (books.redis.delete(KEYS.epoch) if only_the_epoch else books.redis.flushall())
    await books.ensure()
    assert stream_order(await books.last_id()) >= stream_order(stored)
    await books.use_up(FRESH, NORTH, 40)
    entries = await JournalStream(books.redis, SITE).read_after(stored, 10, wait_ms=0)
    assert [type(entry.event) for entry in entries] == [GrantIssued, PassageConfirmed]


@pytest.mark.parametrize("only_the_epoch", [False, True])
async def test_new_entries_come_after_the_last_stored_one_when_the_clock_was_set_back(
    books: Books, only_the_epoch: bool
) -> None:
    await a_morning(books)
    future = f"{stream_order(await books.store())[0] + 86_400_000}-3"
    await books.journal.store([(future, a_change("tomorrow", NORTH, 11, 2))])
    await (books.redis.delete(KEYS.epoch) if only_the_epoch else books.redis.flushall())
    await books.ensure()
    assert await books.ensure() is None
    await books.use_up(FRESH, NORTH, 40)
    entries = await JournalStream(books.redis, SITE).read_after(future, 10, wait_ms=0)
    assert [type(entry.event) for entry in entries] == [GrantIssued, PassageConfirmed]
    await books.store()
    assert await books.ensure() is None


@pytest.mark.parametrize("used_before", [False, True])
async def test_right_after_a_rebuild_nothing_is_rebuilt(books: Books, used_before: bool) -> None:
    if used_before:
        await a_morning(books)
        await books.store()
    await books.redis.flushall()
    assert await books.ensure() == len(TICKETS)
    before = await everything_in(books.redis)
    assert await books.ensure() is None
    assert await everything_in(books.redis) == before


async def test_a_second_loss_after_a_rebuild_is_noticed(books: Books) -> None:
    await a_morning(books)
    await books.store()
    await books.redis.flushall()
    await books.ensure()
    saved = await everything_in(books.redis)
    await books.use_up(FRESH, NORTH, 40)
    await books.store()
    await back_to(books.redis, saved)
    assert await books.ensure() == len(TICKETS)
    assert (await books.record(FRESH)).usage == ONCE


async def test_without_an_epoch_the_ledger_is_fenced_until_it_is_rebuilt(books: Books) -> None:
    await books.redis.delete(KEYS.epoch)
    with pytest.raises(LedgerUnavailable):
        await books.ledger.find(FRESH)
    await books.ensure()
    assert (await books.record(FRESH)).usage == Usage()


async def test_a_ledger_that_is_away_is_unavailable(books: Books, short_folder: Path) -> None:
    nobody = connect(f"unix://{short_folder}/nobody.sock")
    with pytest.raises(LedgerUnavailable):
        await ensure_ledger(nobody, SITE, books.journal, LedgerBooks(books.database), books.clock)
    await nobody.aclose()
