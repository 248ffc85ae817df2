"""The outbox relay: in batches, once where it can, again where it must."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.clock import ManualClock
from resort.errors import LedgerUnavailable
from resort.ids import OrderId, SeededIds, TicketId
from resort.orders import OrderState
from resort.pricing import QuoteRequest, make_quote
from sales.relay import BATCH, EntitlementRelay
from sim.memory_sales import MemoryPublisher
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.migrate import upgrade
from storage.orders_sql import StoredOrder, insert_order, insert_tickets

NUMBER = BATCH * 2 + 3


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with one large issued order that no lane knows."""
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    site = shop_site()
    request = QuoteRequest("day", TODAY, {"adult": 1})
    quote = make_quote(request, site.products[0], site.tariff, site.sales_limits, MORNING, SeededIds("quote"))
    record = TicketRecord(1, Entitlement("day", "adult", TODAY, 1, ("standard",)), Usage())
    order = StoredOrder(OrderId("o1"), "shop", OrderState.ISSUED, ("issued",), quote, None, None, MORNING, MORNING)
    async with database.write() as connection:
        await insert_order(connection, order)
        await insert_tickets(connection, "o1", [(TicketId(f"{n:016x}"), record) for n in range(NUMBER)], MORNING)
    yield database
    await database.dispose()


class BrokenPublisher(MemoryPublisher):
    """Publishes one batch, then fails in a way nobody foresaw."""

    async def publish(self, tickets: Sequence[tuple[TicketId, TicketRecord]]) -> None:
        if self.records:
            raise RuntimeError("broken on purpose")
        await super().publish(tickets)


async def test_everything_is_published_once_however_many_ask(database: Database) -> None:
    lanes = MemoryPublisher()
    relay = EntitlementRelay(database, lanes, ManualClock(MORNING))
    assert sorted(await asyncio.gather(*(relay.publish_pending() for _ in range(3)))) == [0, 0, NUMBER]
    assert set(lanes.calls.values()) == {1}
    assert len(lanes.records) == NUMBER


async def test_a_relay_that_lost_its_answer_publishes_again(database: Database) -> None:
    lanes = MemoryPublisher()
    lanes.away = True
    relay = EntitlementRelay(database, lanes, ManualClock(MORNING))
    with pytest.raises(LedgerUnavailable):
        await relay.publish_pending()
    await relay.try_publish()
    lanes.away = False
    await relay.try_publish()
    assert len(lanes.records) == NUMBER
    assert await relay.publish_pending() == 0


async def test_what_was_published_before_a_mistake_stays_published(database: Database) -> None:
    broken = BrokenPublisher()
    await EntitlementRelay(database, broken, ManualClock(MORNING)).try_publish()
    assert len(broken.records) == BATCH
    whole = MemoryPublisher()
    assert await EntitlementRelay(database, whole, ManualClock(MORNING)).publish_pending() == NUMBER - BATCH
    assert not set(whole.records) & set(broken.records)
