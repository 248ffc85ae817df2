"""The ticket office's use cases on real SQL and real pricing shards, with a clock that is set by hand."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from resort.access.codes import CodeReading, read_code
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.clock import ManualClock
from resort.errors import (
    AmountMismatch,
    DatabaseUnavailable,
    HoldExpired,
    Invalid,
    KeyReused,
    NotFound,
    QuoteExpired,
    SoldOut,
    Unavailable,
    WrongState,
)
from resort.ids import EventId, GateId, GrantId, LaneId, RandomIds
from resort.messages import PassageConfirmed
from resort.money import Money
from resort.pricing import Quote
from sales.office import OrderView, Payment, TicketOffice
from sim.memory_sales import LocalPricing
from sim.ticket_shop import MORNING, SHOP_KEYS, TODAY, Shop, open_shop, shop_site
from storage.journal_sql import JournalStore

HOLD_MS = 600_000
QUOTE_MS = 900_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
async def shop(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Shop]:
    """A shop with four places a day."""
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", shop_site(quota=4), clock) as shop:
        yield shop


def cash(order: OrderView) -> Payment:
    return Payment("cash", order.total)


def rows(shop: Shop, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(shop.url.removeprefix("sqlite:///"))
    found = connection.execute(query).fetchall()
    connection.close()
    return found


async def ordered(shop: Shop, adults: int = 1, children: int = 0, key: str = "key 1") -> OrderView:
    quote = await shop.quoted(adults, children)
    return await shop.office.place_order(quote.quote_id, "shop", key)


async def sold(shop: Shop, adults: int = 1, key: str = "key 1") -> OrderView:
    order = await ordered(shop, adults, key=key)
    return await shop.office.pay(order.order_id, cash(order), "shop", key)


async def test_from_quote_to_ticket(shop: Shop) -> None:
    order = await ordered(shop, adults=1, children=2)
    assert (order.state, order.units, order.tickets, order.refusal) == ("on_hold", {"adult": 1, "child": 2}, [], None)
    assert order.total == Money(24_000, "CNY")
    assert (order.expires_at - MORNING).total_seconds() == 600
    assert await shop.office.places_left("day", TODAY) == 1
    paid = await shop.office.pay(order.order_id, cash(order), "shop", "pay 1")
    assert paid.state == "issued"
    assert [ticket.unit for ticket in paid.tickets] == ["adult", "child", "child"]
    assert await shop.office.order(order.order_id) == paid
    for ticket in paid.tickets:
        assert (ticket.valid_on, ticket.entries, ticket.used) == (TODAY, 1, 0)
        assert read_code(ticket.code, SHOP_KEYS, MORNING) == CodeReading(ticket.ticket_id, 0, 0)
        assert await shop.office.ticket(ticket.ticket_id) == ticket
    assert await shop.office.places_left("day", TODAY) == 1


async def test_the_lanes_know_a_ticket_when_it_is_sold(shop: Shop) -> None:
    (ticket,) = (await sold(shop)).tickets
    assert shop.lanes.records == {
        ticket.ticket_id: TicketRecord(1, Entitlement("day", "adult", TODAY, 1, ("standard",)), Usage())
    }
    assert await shop.office.publish_pending() == 0
    assert shop.lanes.calls == {ticket.ticket_id: 1}


async def test_a_sale_does_not_wait_for_lanes_that_are_away(shop: Shop) -> None:
    shop.lanes.away = True
    order = await sold(shop)
    assert order.state == "issued"
    assert shop.lanes.records == {}
    with pytest.raises(Unavailable):
        await shop.office.publish_pending()
    shop.lanes.away = False
    assert await shop.office.publish_pending() == 1
    assert set(shop.lanes.records) == {ticket.ticket_id for ticket in order.tickets}


async def test_tickets_show_entries_used_from_the_journal(shop: Shop) -> None:
    (ticket,) = (await sold(shop)).tickets
    passage = PassageConfirmed(
        event_id=EventId("e1"),
        caused_by="g1",
        at=MORNING,
        gate_id=GateId("g"),
        lane_id=LaneId("g1"),
        grant_id=GrantId("g1"),
        ticket_id=ticket.ticket_id,
        counter_in=1,
    )
    await JournalStore(shop.db).store([("1-0", passage)])
    assert (await shop.office.ticket(ticket.ticket_id)).used == 1


async def test_the_same_key_is_the_same_order(shop: Shop) -> None:
    quote = await shop.quoted()
    first = await shop.office.place_order(quote.quote_id, "shop", "key")
    assert await shop.office.place_order(quote.quote_id, "shop", "key") == first
    other = await shop.office.place_order(quote.quote_id, "desk", "key")
    assert other.order_id != first.order_id
    assert await shop.office.places_left("day", TODAY) == 2


async def test_a_key_with_another_request_is_refused(shop: Shop) -> None:
    order = await ordered(shop, key="key")
    with pytest.raises(KeyReused):
        await ordered(shop, key="key")
    await shop.office.pay(order.order_id, cash(order), "shop", "key")
    second = await ordered(shop, key="key 2")
    with pytest.raises(KeyReused):
        await shop.office.pay(second.order_id, cash(second), "shop", "key")
    assert (await shop.office.order(second.order_id)).state == "on_hold"


async def test_paying_twice_with_one_key_is_paying_once(shop: Shop) -> None:
    order = await ordered(shop)
    first = await shop.office.pay(order.order_id, cash(order), "shop", "pay")
    assert await shop.office.pay(order.order_id, cash(order), "shop", "pay") == first
    assert rows(shop, "SELECT amount_minor FROM payments") == [(12_000,)]
    with pytest.raises(WrongState):
        await shop.office.pay(order.order_id, cash(order), "shop", "another key")


@pytest.mark.parametrize("amount", [Money(11_999, "CNY"), Money(12_001, "CNY"), Money(12_000, "USD"), Money(-12_000, "CNY")])
async def test_only_the_exact_total_is_taken(shop: Shop, amount: Money) -> None:
    order = await ordered(shop)
    with pytest.raises(AmountMismatch):
        await shop.office.pay(order.order_id, Payment("cash", amount), "shop", "pay")
    assert rows(shop, "SELECT * FROM payments") == []
    assert (await shop.office.pay(order.order_id, cash(order), "shop", "pay")).state == "issued"


async def test_sold_out_is_a_refused_order_and_stays_one(shop: Shop) -> None:
    quote = await shop.quoted(adults=3)
    await shop.office.place_order(quote.quote_id, "shop", "first")
    for _ in range(2):
        with pytest.raises(SoldOut) as caught:
            await shop.office.place_order(quote.quote_id, "shop", "second")
        assert caught.value.args == ("day", "2026-12-01", 1)
    ((order_id, story, refusal),) = rows(shop, "SELECT order_id, story, refusal FROM orders WHERE state = 'refused'")
    assert (story, refusal) == ('["new","refused"]', "sold_out")
    assert (await shop.office.order(str(order_id))).refusal == "sold_out"
    with pytest.raises(WrongState):
        await shop.office.pay(str(order_id), Payment("cash", quote.total), "shop", "pay")


async def test_an_expired_quote_takes_no_new_order_but_keeps_its_old_one(shop: Shop, clock: ManualClock) -> None:
    quote = await shop.quoted()
    order = await shop.office.place_order(quote.quote_id, "shop", "in time")
    await shop.office.pay(order.order_id, cash(order), "shop", "pay")
    clock.advance_ms(QUOTE_MS)
    with pytest.raises(QuoteExpired):
        await shop.office.place_order(quote.quote_id, "shop", "too late")
    assert (await shop.office.place_order(quote.quote_id, "shop", "in time")).state == "issued"


async def test_paying_too_late_takes_no_money_and_gives_the_places_back(shop: Shop, clock: ManualClock) -> None:
    order = await ordered(shop, adults=4)
    clock.advance_ms(HOLD_MS)
    for _ in range(2):
        with pytest.raises(HoldExpired):
            await shop.office.pay(order.order_id, cash(order), "shop", "pay")
    assert rows(shop, "SELECT * FROM payments") == []
    assert rows(shop, "SELECT * FROM tickets") == []
    assert (await shop.office.order(order.order_id)).state == "expired"
    assert (await ordered(shop, adults=4, key="next")).state == "on_hold"


async def test_looking_at_an_overdue_order_ends_it(shop: Shop, clock: ManualClock) -> None:
    order = await ordered(shop)
    clock.advance_ms(HOLD_MS)
    assert (await shop.office.order(order.order_id)).state == "expired"
    with pytest.raises(WrongState):
        await shop.office.cancel(order.order_id)


async def test_overdue_orders_are_ended_in_bulk(shop: Shop, clock: ManualClock) -> None:
    await ordered(shop, key="a")
    await sold(shop, key="b")
    clock.advance_ms(HOLD_MS)
    await ordered(shop, key="c")
    assert await shop.office.lapse_overdue() == 1
    assert await shop.office.lapse_overdue() == 0
    assert await shop.pricing.sweep() == 1
    assert sorted(rows(shop, "SELECT state FROM orders")) == [("expired",), ("issued",), ("on_hold",)]


async def test_a_cancelled_order_gives_its_places_back(shop: Shop) -> None:
    order = await ordered(shop, adults=4)
    assert (await shop.office.cancel(order.order_id)).state == "cancelled"
    assert (await shop.office.cancel(order.order_id)).state == "cancelled"
    assert await shop.office.places_left("day", TODAY) == 4
    with pytest.raises(WrongState):
        await shop.office.pay(order.order_id, cash(order), "shop", "pay")


async def test_a_paid_order_cannot_be_cancelled(shop: Shop) -> None:
    order = await sold(shop)
    with pytest.raises(WrongState):
        await shop.office.cancel(order.order_id)
    assert (await shop.office.order(order.order_id)).state == "issued"


@pytest.mark.parametrize("name", ["order_0", "", "x" * 500, "a\x00b", "\ud800", "雪"])
async def test_unknown_names(shop: Shop, name: str) -> None:
    with pytest.raises(NotFound):
        await shop.office.order(name)
    with pytest.raises(NotFound):
        await shop.office.ticket(name)
    with pytest.raises(NotFound):
        await shop.office.cancel(name)
    with pytest.raises(NotFound):
        await shop.office.pay(name, Payment("cash", Money(1, "CNY")), "shop", "key")
    with pytest.raises(NotFound):
        await shop.office.place_order(name, "shop", "key")


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "\ud800", "雪"])
async def test_bad_idempotency_keys(shop: Shop, key: str) -> None:
    quote = await shop.quoted()
    with pytest.raises(Invalid) as caught:
        await shop.office.place_order(quote.quote_id, "shop", key)
    assert caught.value.field == "idempotency_key"


async def test_products_are_those_of_the_site_file(shop: Shop) -> None:
    assert shop.office.products() == shop.site.products


def take_away(path: Path) -> None:
    path.rename(path.with_suffix(".away"))
    path.mkdir()


def bring_back(path: Path) -> None:
    path.rmdir()
    path.with_suffix(".away").rename(path)


async def test_sql_being_away_is_said_so_and_nothing_is_sold(shop: Shop) -> None:
    order = await ordered(shop)
    path = Path(shop.url.removeprefix("sqlite:///"))
    await shop.db.dispose()
    take_away(path)
    with pytest.raises(DatabaseUnavailable):
        await shop.office.pay(order.order_id, cash(order), "shop", "pay")
    await shop.db.dispose()
    bring_back(path)
    assert (await shop.office.pay(order.order_id, cash(order), "shop", "pay")).state == "issued"


class WatchedOffice(TicketOffice):
    """Tells when its net ended an order."""

    ended: asyncio.Event

    async def lapse_overdue(self) -> int:
        number = await super().lapse_overdue()
        if number:
            self.ended.set()
        return number


async def test_the_net_publishes_and_ends_orders_by_itself(shop: Shop, clock: ManualClock) -> None:
    overdue = await ordered(shop, key="overdue")
    clock.advance_ms(HOLD_MS)
    shop.lanes.away = True
    await sold(shop, key="sold")
    shop.lanes.away = False
    office = WatchedOffice(shop.db, shop.pricing, shop.lanes, SHOP_KEYS, shop.site, clock, RandomIds())
    office.ended = asyncio.Event()
    await office.start()
    await office.start()
    async with asyncio.timeout(60):
        await office.ended.wait()
        await shop.lanes.told.wait()
    await office.close()
    await office.close()
    assert len(shop.lanes.records) == 1
    assert (overdue.order_id, "expired") in rows(shop, "SELECT order_id, state FROM orders")


class CrashingPricing(LocalPricing):
    """Shards whose caller dies around the hold: `before` it is taken, or `after` it is but before the answer."""

    crash: Literal["before", "after", ""] = ""

    async def hold(self, quote: Quote, order_id: str) -> None:
        if self.crash == "before":
            raise Unavailable("The pricing shard", "it crashed on purpose")
        await super().hold(quote, order_id)
        if self.crash == "after":
            raise Unavailable("The pricing shard", "it crashed on purpose")


@pytest.fixture
async def crashing(shop: Shop, clock: ManualClock) -> AsyncIterator[Shop]:
    pricing = CrashingPricing(shop.site, shop.url, clock)
    office = TicketOffice(shop.db, pricing, shop.lanes, SHOP_KEYS, shop.site, clock, RandomIds())
    yield replace(shop, pricing=pricing, office=office)
    await pricing.close()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_order_goes_on_where_a_crash_left_it(crashing: Shop, moment: Literal["before", "after"]) -> None:
    quote = await crashing.quoted(adults=4)
    assert isinstance(crashing.pricing, CrashingPricing)
    crashing.pricing.crash = moment
    with pytest.raises(Unavailable):
        await crashing.office.place_order(quote.quote_id, "shop", "key")
    assert rows(crashing, "SELECT state FROM orders") == [("new",)]
    crashing.pricing.crash = ""
    order = await crashing.office.place_order(quote.quote_id, "shop", "key")
    assert (order.state, await crashing.office.places_left("day", TODAY)) == ("on_hold", 0)
    assert rows(crashing, "SELECT state FROM orders") == [("on_hold",)]


async def test_a_new_order_that_nobody_goes_on_with_ends_and_returns_its_places(crashing: Shop, clock: ManualClock) -> None:
    quote = await crashing.quoted(adults=4)
    assert isinstance(crashing.pricing, CrashingPricing)
    crashing.pricing.crash = "after"
    with pytest.raises(Unavailable):
        await crashing.office.place_order(quote.quote_id, "shop", "key")
    crashing.pricing.crash = ""
    clock.advance_ms(HOLD_MS)
    assert await crashing.office.lapse_overdue() == 1
    assert await crashing.pricing.sweep() == 1
    assert (await crashing.office.place_order(quote.quote_id, "shop", "key")).state == "expired"
    assert await crashing.office.places_left("day", TODAY) == 4


async def test_cancelling_while_places_are_being_taken_leaves_none_taken(shop: Shop, clock: ManualClock) -> None:
    class CancellingPricing(LocalPricing):
        """The buyer gives up in the middle of `hold`."""

        async def hold(self, quote: Quote, order_id: str) -> None:
            await shop.office.cancel(order_id)
            await super().hold(quote, order_id)

    pricing = CancellingPricing(shop.site, shop.url, clock)
    office = TicketOffice(shop.db, pricing, shop.lanes, SHOP_KEYS, shop.site, clock, RandomIds())
    quote = await shop.quoted(adults=4)
    assert (await office.place_order(quote.quote_id, "shop", "key")).state == "cancelled"
    assert await shop.office.places_left("day", TODAY) == 4
    await pricing.close()
