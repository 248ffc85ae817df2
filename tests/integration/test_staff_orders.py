"""Staff's orders at real lanes on a real Valkey: a block holds from the very next scan, at every lane; orders leave traces.

The negative control shows the same codes without a block and must see them admitted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis

from actors.lane_runtime import LaneRuntime
from benchmarks.instant_lane import GuestLine, InstantArm
from resort.access.codes import issue_code
from resort.access.lane_messages import AdmitByHand, AnnulLast, TestScan
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.access.service_day import site_day
from resort.clock import SystemClock
from resort.ids import GateId, LaneId, RandomIds, TicketId
from resort.messages import GrantAnnulled, GrantIssued, JournalEvent, PassageConfirmed, ScanRefused, StaffActed
from resort.site import LaneClass, LaneLimits
from sales.office import Payment
from sales.staff_relay import StaffRelay
from sales.tickets import TicketDesk
from sim.memory_sales import MemoryNews
from sim.ticket_shop import SHOP_KEYS, Shop, open_shop, shop_site
from storage.entitlements_redis import RedisEntitlements
from storage.journal_stream import JournalStream
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger

SITE = "staff-orders"
LANES: tuple[tuple[str, LaneClass], ...] = (("l1", "standard"), ("l2", "standard"), ("l3", "standard"), ("fast", "fast"))
PATIENCE_S = 30.0


@dataclass
class Gate:
    """Lanes with guests, a ticket desk, and everything that the lanes have written."""

    redis: Redis
    shop: Shop
    desk: TicketDesk
    ledger: RedisLedger
    clock: SystemClock = field(default_factory=SystemClock)
    lanes: dict[str, LaneRuntime] = field(default_factory=dict)
    lines: dict[str, GuestLine] = field(default_factory=dict)
    last: str = "0-0"

    async def sell(self) -> TicketId:
        today = site_day(self.clock.now().at, self.shop.site)
        quote = await self.shop.quoted(day=today)
        order = await self.shop.office.place_order(quote.quote_id, "shop", quote.quote_id)
        order = await self.shop.office.pay(order.order_id, Payment("cash", order.total), "shop", quote.quote_id)
        return order.tickets[0].ticket_id

    async def until(self, kinds: tuple[type, ...], lane_id: str) -> JournalEvent:
        """The next event of these kinds at this lane."""
        stream = JournalStream(self.redis, SITE)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for entry in await stream.read_after(self.last, 1, wait_ms=500):
                    self.last = entry.stream_id
                    if isinstance(entry.event, kinds) and entry.event.lane_id == lane_id:
                        return entry.event

    async def show(self, lane_id: str, ticket: TicketId) -> Reason:
        """Hold the ticket's code up; answers the lane's decision, once a guest who was admitted has passed."""
        self.lines[lane_id].join(issue_code(ticket, SHOP_KEYS), self.clock.now().tick_ns)
        event = await self.until((PassageConfirmed, ScanRefused), lane_id)
        return event.reason if isinstance(event, ScanRefused) else Reason.ADMITTED


@pytest.fixture
async def gate(tmp_path: Path, redis: Redis, valkey_url: str) -> AsyncIterator[Gate]:
    await redis.set(LedgerKeys(SITE).epoch, "1")
    clock, failures = SystemClock(), list[BaseException]()
    published = RedisEntitlements(redis, SITE, clock)
    ledger = RedisLedger(connect(valkey_url), SITE)
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", shop_site(entries=1_000), clock, lanes=published) as shop:  # type: ignore[arg-type]
        relay = StaffRelay(shop.db, published, ledger, JournalStream(redis, SITE), MemoryNews(), clock)
        gate = Gate(redis, shop, TicketDesk(shop.db, relay, shop.site, clock, RandomIds()), ledger)
        limits = LaneLimits(poll_active_ms=2, poll_idle_ms=20)
        for lane_id, lane_class in LANES:
            line = GuestLine(InstantArm(), clock)
            settings = LaneSettings(GateId("g"), LaneId(lane_id), lane_class, limits, shop.site.zone)
            lane = LaneRuntime(settings, "open", SHOP_KEYS, ledger, line.arm, line, clock, RandomIds(), failures.append)
            gate.lanes[lane_id], gate.lines[lane_id] = lane, line
            await lane.start()
        yield gate
        for lane in gate.lanes.values():
            await lane.stop(1.0)
    await ledger.close()
    assert failures == []


async def test_a_block_holds_from_the_next_scan_at_every_lane_until_it_is_lifted(
    gate: Gate, record_property: Callable[[str, object], None]
) -> None:
    ticket, other = await gate.sell(), await gate.sell()
    took_ms = []
    for round_number in range(5):
        for lane_id in ("l1", "l2", "l3"):
            assert await gate.show(lane_id, ticket) is Reason.ADMITTED
        ordered = gate.clock.now()
        standing = await gate.desk.change_status(ticket, "blocked", "anna", f"lost, round {round_number}")
        took_ms.append(gate.clock.now().ms_since(ordered))
        assert standing.told
        for lane_id in ("l1", "l2", "l3"):
            assert await gate.show(lane_id, ticket) is Reason.BLOCKED
            assert await gate.show(lane_id, other) is Reason.ADMITTED  # the control: nobody else is blocked
        await gate.desk.change_status(ticket, "active", "anna", "found")
    record_property("block_told_ms", f"{max(took_ms):.1f}")
    print(f"blocks told to every lane in at most {max(took_ms):.1f} ms")


async def test_revoked_refunded_and_transferred_tickets_say_so(gate: Gate) -> None:
    for status, reason in (
        ("revoked", Reason.REVOKED),
        ("refunded", Reason.REFUNDED),
        ("transferred", Reason.TRANSFERRED),
    ):
        ticket = await gate.sell()
        assert await gate.show("l1", ticket) is Reason.ADMITTED
        await gate.desk.change_status(ticket, status, "anna", "test")  # type: ignore[arg-type]
        assert await gate.show("l2", ticket) is reason


async def test_admitting_by_hand_opens_once_and_carries_name_and_reason(gate: Gate) -> None:
    await gate.show("l1", await gate.sell())
    order = AdmitByHand("order_1", "anna", "ticket lost on the slope")
    outcome = await gate.lanes["l1"].order(order)
    assert (outcome.outcome, outcome.ticket_id) == ("ok", None)
    assert await gate.lanes["l1"].order(order) == outcome  # the same order moves nothing
    granted = await gate.until((GrantIssued,), "l1")
    assert isinstance(granted, GrantIssued)
    assert (granted.by, granted.note, granted.ticket_id) == ("anna", "ticket lost on the slope", None)
    passed = await gate.until((PassageConfirmed, GrantIssued), "l1")
    assert isinstance(passed, PassageConfirmed)
    assert await gate.show("l1", await gate.sell()) is Reason.ADMITTED
    entries = await JournalStream(gate.redis, SITE).read_after("0-0", 1_000, wait_ms=0)
    assert sum(isinstance(entry.event, GrantIssued) and entry.event.by == "anna" for entry in entries) == 1


async def test_annulling_gives_the_last_entry_back_and_only_that(gate: Gate) -> None:
    ticket = await gate.sell()
    await gate.show("l1", ticket)
    await gate.show("l1", ticket)
    outcome = await gate.lanes["l1"].order(AnnulLast("order_2", "cora", "turned back"))
    assert (outcome.outcome, outcome.ticket_id) == ("ok", ticket)
    annulled = await gate.until((GrantAnnulled,), "l1")
    assert isinstance(annulled, GrantAnnulled)
    assert (annulled.by, annulled.note) == ("cora", "turned back")
    record = await gate.ledger.find(ticket)
    assert record is not None
    assert record.usage.used == 1
    assert (await gate.lanes["l1"].order(AnnulLast("order_3", "cora", "again"))).outcome == "nothing_to_annul"


async def test_a_test_scan_decides_and_changes_nothing(gate: Gate) -> None:
    ticket = await gate.sell()
    await gate.show("l2", ticket)
    code = issue_code(ticket, SHOP_KEYS)
    outcome = await gate.lanes["l1"].order(TestScan("test_1", "carl", code))
    assert (outcome.outcome, outcome.ticket_id) == ("admitted", ticket)
    acted = await gate.until((StaffActed, GrantIssued, ScanRefused), "l1")
    assert isinstance(acted, StaffActed)
    assert (acted.by, acted.action, acted.outcome) == ("carl", "test_scan", "admitted")
    await gate.desk.change_status(ticket, "blocked", "anna", "lost")
    assert (await gate.lanes["l1"].order(TestScan("test_2", "carl", code))).outcome == "blocked"
    assert (await gate.lanes["l1"].order(TestScan("test_3", "carl", "rubbish"))).outcome == "malformed_code"


async def test_the_policy_of_the_moment_opens_the_fast_lane_and_closes_it(gate: Gate) -> None:
    ticket = await gate.sell()
    assert await gate.show("fast", ticket) is Reason.WRONG_LANE
    gate.lanes["fast"].order_policy(frozenset({"standard"}))
    assert await gate.show("fast", ticket) is Reason.ADMITTED
    gate.lanes["fast"].order_policy(frozenset())
    assert await gate.show("fast", ticket) is Reason.WRONG_LANE
