"""A whole little ticket office on one SQLite file, without Ray or Redis: for tests and rehearsal.

Real SQL, real pricing shards, real use cases; only the lanes are in memory. Several shops may share one file, as several
processes of a resort do.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from resort.access.codes import SiteKeys
from resort.clock import Clock, ManualClock
from resort.ids import GateId, IdSource, LaneId, RandomIds
from resort.pricing import Quote, QuoteRequest
from resort.site import (
    CameraSite,
    GateSite,
    LaneSite,
    ProductSite,
    RuntimeSite,
    SalesLimits,
    Site,
    TariffSite,
    TurnstileSite,
    UnitPrice,
)
from resort.slots import SlotsSite
from resort.texts import Text
from sales.office import TicketOffice
from sales.staff_relay import StaffRelay
from sales.tickets import TicketDesk
from sim.memory_ledger import MemoryLedger
from sim.memory_sales import LocalPricing, MemoryNews, MemoryPublisher
from storage.database import Database
from storage.journal_stream import StreamEntry
from storage.migrate import upgrade

MORNING = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)  # 9:00 in Shanghai, a Tuesday
TODAY = date(2026, 12, 1)
TIMED = "timed"
SHOP_KEYS = SiteKeys(1, {1: bytes(range(32))})


def shop_site(quota: int = 100, shards: int = 2, entries: int = 1) -> Site:
    """A site with one lane and two products: `day` with `quota` places a day, and `timed` with four places a slot."""
    name = Text("小雪场", "Small resort")
    lane = LaneSite(LaneId("g1"), name, "standard", TurnstileSite("simulated", 1), CameraSite("simulated"))
    product = ProductSite(
        code="day",
        name=Text("日票", "Day ticket"),
        lane_classes=["standard"],
        quota_per_day=quota,
        prices={"weekday": 12_000, "weekend": 16_000, "holiday": 20_000},
        units=[UnitPrice("adult", 100), UnitPrice("child", 50)],
        entries=entries,
    )
    timed = ProductSite(
        code=TIMED,
        name=Text("时段票", "Timed ticket"),
        lane_classes=["standard"],
        prices={"weekday": 9_000, "weekend": 9_000, "holiday": 9_000},
        units=[UnitPrice("adult", 100), UnitPrice("child", 50)],
        slots=SlotsSite("08:00", "11:00", 60, places=4, none=("11:00",)),
    )
    return Site(
        name=name,
        timezone="Asia/Shanghai",
        gates=[GateSite(GateId("g"), name, [lane])],
        products=[product, timed],
        tariff=TariffSite("test.1"),
        sales_limits=SalesLimits(quote_s=900, hold_s=600, max_units=20),
        runtime=RuntimeSite(pricing_shards=shards),
    )


@dataclass(frozen=True, slots=True)
class Shop:
    """An open shop; every part is real but `lanes`."""

    url: str
    site: Site
    db: Database
    pricing: LocalPricing
    lanes: MemoryPublisher
    office: TicketOffice
    desk: TicketDesk

    async def quoted(self, adults: int = 1, children: int = 0, day: date = TODAY) -> Quote:
        """A quote for today's day ticket."""
        units = {unit: number for unit, number in (("adult", adults), ("child", children)) if number}
        return await self.office.quote(QuoteRequest("day", day, units))


class NoStream:
    """A journal stream in which nothing happens: this shop has no lanes."""

    async def read_after(self, stream_id: str, most: int, wait_ms: int) -> list[StreamEntry]:
        """Nothing."""
        return []


@asynccontextmanager
async def open_shop(
    url: str,
    site: Site | None = None,
    clock: Clock | None = None,
    ids: IdSource | None = None,
    lanes: MemoryPublisher | None = None,
) -> AsyncIterator[Shop]:
    """A shop on the database at `url`, which is brought up to date; closed at the end of the block."""
    site = site or shop_site()
    clock = clock or ManualClock(MORNING)
    ids = ids or RandomIds()
    lanes = lanes or MemoryPublisher()
    await upgrade(url)
    db = Database(url)
    pricing = LocalPricing(site, url, clock, ids)
    office = TicketOffice(db, pricing, lanes, SHOP_KEYS, site, clock, ids)
    desk = TicketDesk(db, StaffRelay(db, lanes, MemoryLedger(), NoStream(), MemoryNews(), clock), site, clock, ids)
    try:
        yield Shop(url, site, db, pricing, lanes, office, desk)
    finally:
        await desk.close()
        await office.close()
        await pricing.close()
        await db.dispose()
