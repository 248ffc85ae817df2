"""Slots in the ticket office: what is left of each, and a timed ticket from quote to code."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from resort.access.entitlement import Hours
from resort.clock import ManualClock
from resort.errors import Invalid, NotFound, SoldOut
from resort.pricing import QuoteRequest
from sales.office import OrderView, Payment, SlotView
from sim.ticket_shop import MORNING, TIMED, TODAY, Shop, open_shop

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
async def shop(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", clock=clock) as shop:
        yield shop


async def ordered(shop: Shop, slot: str, adults: int = 1, key: str = "k") -> OrderView:
    quote = await shop.office.quote(QuoteRequest(TIMED, TODAY, {"adult": adults}, slot=slot))
    return await shop.office.place_order(quote.quote_id, "shop", key)


async def states(shop: Shop) -> list[tuple[str, str, int]]:
    return [(view.slot, view.state, view.left) for view in await shop.office.slots(TIMED, TODAY)]


async def test_every_slot_with_its_places(shop: Shop) -> None:
    await ordered(shop, "10:00", adults=3)
    assert await states(shop) == [("08:00", "over", 0), ("09:00", "open", 4), ("10:00", "open", 1), ("11:00", "sold_out", 0)]
    first, *_ = await shop.office.slots(TIMED, TOMORROW)
    assert first == SlotView("08:00", datetime(2026, 12, 2, 0, 0, tzinfo=UTC), "open", 4)


async def test_places_return_with_holds_that_ran_out_and_meters_count(shop: Shop, clock: ManualClock) -> None:
    await ordered(shop, "10:00", adults=4)
    assert ("10:00", "sold_out", 0) in await states(shop)
    clock.advance_ms(600_000)
    assert ("10:00", "open", 4) in await states(shop)
    await shop.pricing.meter(TIMED, TODAY, {"10:00": 2})
    assert ("10:00", "open", 2) in await states(shop)
    assert await shop.office.places_left(TIMED, TODAY, "10:00") == 2


async def test_what_has_no_slots(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await shop.office.slots("moon", TODAY)
    with pytest.raises(Invalid, match="no start times"):
        await shop.office.slots("day", TODAY)
    for day in (TODAY - timedelta(days=1), TODAY + timedelta(days=401)):
        with pytest.raises(Invalid, match="from today"):
            await shop.office.slots(TIMED, day)


async def test_a_timed_ticket_says_its_slot_and_is_good_from_then(shop: Shop) -> None:
    order = await ordered(shop, "10:00")
    assert (order.state, order.slot) == ("on_hold", "10:00")
    paid = await shop.office.pay(order.order_id, Payment("cash", order.total), "shop", "p")
    (ticket,) = paid.tickets
    assert (paid.state, paid.slot, ticket.slot) == ("issued", "10:00", "10:00")
    allowed = shop.lanes.records[ticket.ticket_id].entitlement
    assert (allowed.slot, allowed.hours, allowed.valid_on) == ("10:00", Hours(time(10), time(0)), TODAY)


async def test_the_last_place_of_a_slot_goes_once_and_comes_back_when_it_is_given_up(shop: Shop) -> None:
    quotes = [await shop.office.quote(QuoteRequest(TIMED, TODAY, {"adult": 3}, slot="10:00")) for _ in range(2)]
    first = await shop.office.place_order(quotes[0].quote_id, "shop", "first")
    with pytest.raises(SoldOut, match="timed@10:00"):
        await shop.office.place_order(quotes[1].quote_id, "shop", "second")
    await shop.office.cancel(first.order_id)
    assert ("10:00", "open", 4) in await states(shop)
