"""What staff do with sold tickets, on real SQL and a real Valkey: stored first, told to the lanes, told again until it was."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import update

from resort.access.codes import CodeReading, issue_code, read_code
from resort.access.entitlement import TicketRecord, TicketStatus
from resort.access.usage import use
from resort.clock import ManualClock
from resort.errors import Invalid, NotFound, WrongState
from resort.ids import EventId, GateId, GrantId, LaneId, RandomIds, ScanId, TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    JournalEvent,
    PassageConfirmed,
    TicketChanged,
)
from sales.office import Payment
from sales.staff_relay import StaffRelay
from sales.tickets import TicketDesk
from sim.memory_sales import MemoryNews
from sim.ticket_shop import MORNING, SHOP_KEYS, TODAY, Shop, open_shop, shop_site
from storage.entitlements_redis import RedisEntitlements
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.ledger_books import LedgerBooks
from storage.orders_sql import find_ticket
from storage.rebuild import ensure_ledger
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger
from storage.tables import staff_orders

SITE = "desk"


@dataclass
class Bench:
    """A shop whose tickets are in a real ledger, a desk, and a journal that is written when the test says so."""

    shop: Shop
    redis: Redis
    ledger: RedisLedger
    desk: TicketDesk
    news: MemoryNews
    clock: ManualClock
    stream: JournalStream
    journal: JournalStore
    numbers: int = 0

    async def sell(self) -> TicketId:
        quote = await self.shop.quoted()
        order = await self.shop.office.place_order(quote.quote_id, "shop", f"key {self.numbers}")
        self.numbers += 1
        order = await self.shop.office.pay(order.order_id, Payment("cash", order.total), "shop", order.order_id)
        return order.tickets[0].ticket_id

    async def record(self, ticket_id: TicketId) -> TicketRecord:
        record = await self.ledger.find(ticket_id)
        assert record is not None
        return record

    async def streamed(self) -> list[JournalEvent]:
        return [entry.event for entry in await self.stream.read_after("0-0", 10_000, wait_ms=0) if entry.event is not None]

    async def changes(self) -> list[TicketChanged]:
        return [event for event in await self.streamed() if isinstance(event, TicketChanged)]

    async def write_journal(self) -> None:
        entries = await self.stream.read_after(await self.journal.last_stream_id(), 10_000, wait_ms=0)
        await self.journal.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])

    async def grant(self, ticket_id: TicketId) -> GrantIssued:
        """Open a grant on the ticket, as a lane does."""
        self.numbers += 1
        record = await self.record(ticket_id)
        issued = GrantIssued(
            **self._head(f"grant{self.numbers}"),
            ticket_id=ticket_id,
            scan_id=ScanId("s"),
            product="day",
            unit="adult",
            counter_in=0,
            day=TODAY,
        )
        assert await self.ledger.commit_grant(issued, record, use(record.usage, issued)) is None
        return issued

    async def settle(self, ticket_id: TicketId, kind: type[PassageConfirmed] | type[GrantOutcomeUnknown]) -> GrantOutcome:
        record = await self.record(ticket_id)
        self.numbers += 1
        grant_id = record.usage.open_grant
        assert grant_id is not None
        more = {"counter_in": 1} if kind is PassageConfirmed else {"detail": "test"}
        outcome = kind(**self._head(f"{grant_id}:out"), grant_id=grant_id, ticket_id=ticket_id, **more)
        assert await self.ledger.settle(outcome, record, use(record.usage, outcome)) is None
        return outcome

    def _head(self, event_id: str) -> dict[str, Any]:
        return {
            "event_id": EventId(event_id),
            "caused_by": "test",
            "at": MORNING,
            "gate_id": GateId("g"),
            "lane_id": LaneId("l"),
            "lane_seq": self.numbers,
        }


@pytest.fixture
async def bench(tmp_path: Path, redis: Redis, valkey_url: str) -> AsyncIterator[Bench]:
    await redis.set(LedgerKeys(SITE).epoch, "1")
    clock = ManualClock(MORNING)
    ledger = RedisLedger(connect(valkey_url), SITE)
    stream = JournalStream(redis, SITE)
    lanes = RedisEntitlements(redis, SITE, clock)
    news = MemoryNews()
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", shop_site(entries=10), clock, lanes=lanes) as shop:  # type: ignore[arg-type]
        relay = StaffRelay(shop.db, lanes, ledger, stream, news, clock)
        desk = TicketDesk(shop.db, relay, shop.site, clock, RandomIds())
        yield Bench(shop, redis, ledger, desk, news, clock, stream, JournalStore(shop.db))
        await desk.close()
    await ledger.close()


async def status_in_sql(bench: Bench, ticket_id: str) -> TicketStatus:
    async with bench.shop.db.read() as connection:
        found = await find_ticket(connection, ticket_id)
    assert found is not None
    return found.entitlement.status


async def test_a_block_is_in_sql_in_the_ledger_and_in_the_journal_and_unblocking_restores(bench: Bench) -> None:
    ticket = await bench.sell()
    standing = await bench.desk.change_status(ticket, "blocked", "anna", "  lost by a child ")
    assert (standing.status, standing.told) == ("blocked", True)
    assert await status_in_sql(bench, ticket) == "blocked"
    assert (await bench.record(ticket)).entitlement.status == "blocked"
    await bench.desk.change_status(ticket, "active", "cora", "found again")
    record = await bench.record(ticket)
    assert (record.entitlement.status, record.version) == ("active", 3)
    told = [(event.status, event.by, event.note) for event in await bench.changes()]
    assert told == [("blocked", "anna", "lost by a child"), ("active", "cora", "found again")]
    assert bench.news.told == []


async def test_asking_again_changes_nothing(bench: Bench) -> None:
    ticket = await bench.sell()
    first = await bench.desk.change_status(ticket, "blocked", "anna", "lost")
    assert await bench.desk.change_status(ticket, "blocked", "carl", "lost, I heard") == first
    assert len(await bench.changes()) == 1


async def test_what_the_table_forbids_is_refused_and_leaves_everything_as_it_was(bench: Bench) -> None:
    ticket = await bench.sell()
    await bench.desk.change_status(ticket, "refunded", "anna", "ill")
    with pytest.raises(WrongState):
        await bench.desk.change_status(ticket, "active", "anna", "well again")
    assert await status_in_sql(bench, ticket) == "refunded"
    assert len(await bench.changes()) == 1


@pytest.mark.parametrize(("ticket", "by", "note"), [("nobody", "anna", "x"), ("\n", "anna", "x"), ("é" * 70, "anna", "x")])
async def test_a_ticket_that_was_never_sold_is_not_found(bench: Bench, ticket: str, by: str, note: str) -> None:
    with pytest.raises(NotFound):
        await bench.desk.change_status(ticket, "blocked", by, note)


@pytest.mark.parametrize(("by", "note"), [("anna", ""), ("anna", "a\nb"), ("", "x"), ("anna", "x" * 300)])
async def test_nobody_is_anonymous_and_notes_are_bounded(bench: Bench, by: str, note: str) -> None:
    ticket = await bench.sell()
    with pytest.raises(Invalid):
        await bench.desk.change_status(ticket, "blocked", by, note)


async def test_while_the_ledger_is_away_gates_are_told_and_afterwards_everybody_is(bench: Bench) -> None:
    ticket = await bench.sell()
    await bench.write_journal()
    await bench.redis.flushall()
    bench.news.away = True
    standing = await bench.desk.change_status(ticket, "blocked", "anna", "stolen")
    assert (standing.status, standing.told) == ("blocked", False)
    assert [change.status for change in bench.news.told] == ["blocked"]
    assert await bench.desk.change_status(ticket, "blocked", "anna", "stolen") == standing
    assert len(bench.news.told) == 2  # told anew each time, as a gate may have been away
    await ensure_ledger(bench.redis, SITE, bench.journal, LedgerBooks(bench.shop.db), bench.clock)
    assert (await bench.record(ticket)).entitlement.status == "blocked"  # from SQL, before anybody was told
    assert await bench.desk.tell_pending() == 1
    assert [change.note for change in await bench.changes()] == ["stolen"]
    assert await bench.desk.tell_pending() == 0


async def test_a_ticket_sold_and_blocked_while_the_ledger_was_away_is_never_usable(bench: Bench) -> None:
    await bench.redis.delete(LedgerKeys(SITE).epoch)
    ticket = await bench.sell()
    await bench.desk.change_status(ticket, "blocked", "anna", "paid with a stolen card")
    assert await bench.ledger._redis.exists(LedgerKeys(SITE).ticket(ticket)) == 0
    await bench.redis.set(LedgerKeys(SITE).epoch, "2")
    await bench.desk.tell_pending()
    assert (await bench.record(ticket)).entitlement.status == "blocked"


async def test_a_grant_between_look_up_and_block_is_decided_again(bench: Bench) -> None:
    ticket = await bench.sell()
    seen = await bench.record(ticket)
    await bench.desk.change_status(ticket, "blocked", "anna", "lost")
    issued = GrantIssued(
        **bench._head("late"),
        ticket_id=ticket,
        scan_id=ScanId("s"),
        product="day",
        unit="adult",
        counter_in=0,
        day=TODAY,
    )
    conflict = await bench.ledger.commit_grant(issued, seen, use(seen.usage, issued))
    assert conflict is not None
    assert conflict.record is not None
    assert conflict.record.entitlement.status == "blocked"


async def test_a_transfer_leaves_what_was_not_used_once_that_is_certain(bench: Bench) -> None:
    ticket = await bench.sell()
    for _ in range(3):
        await bench.grant(ticket)
        await bench.settle(ticket, PassageConfirmed)
    standing = await bench.desk.change_status(ticket, "transferred", "carl", "to his sister")
    assert standing.successor is not None
    assert not standing.successor_issued  # SQL does not know yet how often the old one was used
    assert await bench.ledger.find(standing.successor) is None
    assert (await bench.record(ticket)).entitlement.status == "transferred"
    await bench.write_journal()
    await bench.desk.tell_pending()
    assert (await bench.desk.standing(ticket)).successor_issued
    fresh = await bench.record(standing.successor)
    assert (fresh.entitlement.entries, fresh.entitlement.status, fresh.usage.used) == (7, "active", 0)
    again = await bench.desk.change_status(ticket, "transferred", "carl", "to his sister")
    assert again.successor == standing.successor
    assert [view.used for view in (await bench.shop.office.order(await _order_of(bench, ticket))).tickets] == [3, 0]


async def _order_of(bench: Bench, ticket: str) -> str:
    async with bench.shop.db.read() as connection:
        found = await find_ticket(connection, ticket)
    assert found is not None
    return found.order_id


async def test_a_transfer_waits_for_a_guest_who_is_passing_on_the_old_ticket(bench: Bench) -> None:
    ticket = await bench.sell()
    await bench.grant(ticket)
    standing = await bench.desk.change_status(ticket, "transferred", "carl", "to his sister")
    await bench.write_journal()
    await bench.desk.tell_pending()
    assert not (await bench.desk.standing(ticket)).successor_issued
    await bench.settle(ticket, PassageConfirmed)
    await bench.write_journal()
    await bench.desk.tell_pending()
    assert standing.successor is not None
    assert (await bench.record(standing.successor)).entitlement.entries == 9


async def test_a_used_up_ticket_is_not_transferred(bench: Bench) -> None:
    ticket = await bench.sell()
    for _ in range(10):
        await bench.grant(ticket)
        await bench.settle(ticket, PassageConfirmed)
    await bench.write_journal()
    with pytest.raises(WrongState, match="used up"):
        await bench.desk.change_status(ticket, "transferred", "carl", "to his sister")
    assert await status_in_sql(bench, ticket) == "active"


async def test_an_unknown_outcome_is_given_back_once_however_often_it_is_told(bench: Bench) -> None:
    ticket = await bench.sell()
    grant = await bench.grant(ticket)
    await bench.settle(ticket, GrantOutcomeUnknown)
    await bench.write_journal()
    assert [str(unknown.grant_id) for unknown in await bench.desk.unknown_grants(ticket)] == [str(grant.event_id)]
    await bench.desk.settle(ticket, grant.event_id, "anna", "seen on camera: did not go in")
    usage = (await bench.record(ticket)).usage
    assert (usage.used, usage.unknown) == (0, 0)
    # The answer of the ledger is lost: first while only the stream has the event, then when only SQL has it.
    for _ in range(2):
        await bench.grant(ticket)
        await bench.settle(ticket, PassageConfirmed)
        async with bench.shop.db.write() as connection:
            await connection.execute(update(staff_orders).values(told_at=None))
        assert await bench.desk.tell_pending() == 1
        await bench.write_journal()
        await bench.redis.xtrim(LedgerKeys(SITE).journal, maxlen=0, approximate=False)
    assert (await bench.record(ticket)).usage.used == 2
    assert await bench.desk.unknown_grants(ticket) == []
    assert (await bench.desk.settle(ticket, grant.event_id, "anna", "again")).told


async def test_only_an_unknown_outcome_is_given_back(bench: Bench) -> None:
    ticket = await bench.sell()
    grant = await bench.grant(ticket)
    await bench.settle(ticket, PassageConfirmed)
    await bench.write_journal()
    with pytest.raises(WrongState):
        await bench.desk.settle(ticket, GrantId(grant.event_id), "anna", "no")
    with pytest.raises(WrongState):
        await bench.desk.settle(ticket, "grant_never", "anna", "no")
    assert not [event for event in await bench.streamed() if isinstance(event, GrantAnnulled)]


async def test_a_staff_card_opens_every_lane_as_often_as_its_days_allow(bench: Bench) -> None:
    until = TODAY + timedelta(days=90)
    ticket = await bench.desk.issue_staff_card("Wang Wei", until, "anna")
    allowed = (await bench.record(ticket)).entitlement
    assert (allowed.valid_on, allowed.valid_until, allowed.entries, allowed.passback) == (TODAY, until, None, False)
    assert set(allowed.lane_classes) == {"standard", "fast", "vip"}
    view = await bench.shop.office.ticket(ticket)
    assert read_code(view.code, SHOP_KEYS, MORNING) == CodeReading(ticket, 0, 0)
    assert view.code == issue_code(ticket, SHOP_KEYS)
    assert await bench.journal.duplicates() == 0
    await bench.desk.change_status(ticket, "revoked", "anna", "left the company")
    assert (await bench.record(ticket)).entitlement.status == "revoked"
    with pytest.raises(Invalid):
        await bench.desk.issue_staff_card("Wang Wei", date(2026, 11, 30), "anna")


async def test_the_net_tells_by_itself_what_could_not_be_told(bench: Bench) -> None:
    ticket = await bench.sell()
    await bench.redis.delete(LedgerKeys(SITE).epoch)
    await bench.desk.change_status(ticket, "blocked", "anna", "lost")
    await bench.redis.set(LedgerKeys(SITE).epoch, "2")
    before = (await bench.stream.position()).last_id
    await bench.desk.start()
    async with asyncio.timeout(20):
        while not (entries := await bench.stream.read_after(before, 10, wait_ms=500)):
            assert (await bench.record(ticket)).entitlement.status in ("active", "blocked")
    assert [type(entry.event) for entry in entries] == [TicketChanged]


async def test_orders_that_the_ledger_lost_with_its_tail_are_told_again(bench: Bench) -> None:
    ticket = await bench.sell()
    grant = await bench.grant(ticket)
    await bench.settle(ticket, GrantOutcomeUnknown)
    await bench.write_journal()
    await bench.desk.settle(ticket, grant.event_id, "anna", "stayed outside")
    await bench.desk.change_status(ticket, "blocked", "anna", "lost")
    await bench.redis.flushall()  # with the power, before SQL had any of it
    await ensure_ledger(bench.redis, SITE, bench.journal, LedgerBooks(bench.shop.db), bench.clock)
    record = await bench.record(ticket)
    assert (record.entitlement.status, record.usage.used) == ("blocked", 1)  # the entry is not given back any more
    bench.clock.advance_ms(60_000)
    assert await bench.desk.tell_pending() == 2
    record = await bench.record(ticket)
    assert (record.entitlement.status, record.usage.used) == ("blocked", 0)
    await bench.write_journal()
    bench.clock.advance_ms(60_000)
    assert await bench.desk.tell_pending() == 0


async def test_two_offices_that_tell_at_once_leave_the_newest_status(bench: Bench) -> None:
    ticket = await bench.sell()
    await bench.redis.delete(LedgerKeys(SITE).epoch)
    await bench.desk.change_status(ticket, "blocked", "anna", "lost")
    await bench.redis.set(LedgerKeys(SITE).epoch, "2")
    publisher = RedisEntitlements(bench.redis, SITE, bench.clock)
    other = TicketDesk(
        bench.shop.db,
        StaffRelay(bench.shop.db, publisher, bench.ledger, bench.stream, MemoryNews(), bench.clock),
        bench.shop.site,
        bench.clock,
        RandomIds(),
    )

    class Slow(RedisEntitlements):
        """While it tells of the block, another office lifts it, and is told of first."""

        async def change_status(self, change: TicketChanged) -> bool:
            if change.note == "lost":
                await other.change_status(ticket, "active", "cora", "found")
            return await super().change_status(change)

    slow = StaffRelay(
        bench.shop.db, Slow(bench.redis, SITE, bench.clock), bench.ledger, bench.stream, MemoryNews(), bench.clock
    )
    await slow.tell_pending()
    assert (await bench.record(ticket)).entitlement.status == "active"
    await bench.write_journal()
    assert {change.status for change in await bench.changes()} == {"blocked", "active"}
