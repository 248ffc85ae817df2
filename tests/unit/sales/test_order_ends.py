"""A hold that is held longer, and a paid order that is given back whole: places, tickets, payment."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from resort.clock import ManualClock
from resort.errors import HoldExpired, NotFound, SoldOut, WrongState
from sales.office import OrderView, Payment
from sim.ticket_shop import MORNING, TODAY, Shop, open_shop, shop_site


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
async def shop(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", shop_site(quota=3), clock) as shop:
        yield shop


async def ordered(shop: Shop, adults: int = 2, key: str = "k") -> OrderView:
    return await shop.office.place_order((await shop.quoted(adults)).quote_id, "ota", key)


async def sold(shop: Shop, adults: int = 2) -> OrderView:
    order = await ordered(shop, adults)
    return await shop.office.pay(order.order_id, Payment("partner", order.total), "ota", "p")


def payments(shop: Shop) -> list[tuple[str, str]]:
    connection = sqlite3.connect(shop.url.removeprefix("sqlite:///"))
    found = connection.execute("SELECT method, state FROM payments").fetchall()
    connection.close()
    return found


async def test_a_hold_can_be_held_longer_and_never_shorter(shop: Shop, clock: ManualClock) -> None:
    order = await ordered(shop, adults=3)
    later = MORNING + timedelta(minutes=40)
    assert (await shop.office.extend(order.order_id, later)).expires_at == later
    assert (await shop.office.extend(order.order_id, MORNING)).expires_at == later
    clock.advance_ms(39 * 60_000)
    assert await shop.pricing.sweep() == 0
    with pytest.raises(SoldOut):
        await ordered(shop, adults=1, key="another")
    paid = await shop.office.pay(order.order_id, Payment("partner", order.total), "ota", "p")
    assert (paid.state, len(paid.tickets), payments(shop)) == ("issued", 3, [("partner", "captured")])


async def test_what_is_over_or_paid_is_not_held_longer(shop: Shop, clock: ManualClock) -> None:
    later = MORNING + timedelta(minutes=40)
    paid = await sold(shop, adults=1)
    with pytest.raises(WrongState):
        await shop.office.extend(paid.order_id, later)
    order = await ordered(shop, key="second")
    clock.advance_ms(600_000)
    with pytest.raises(HoldExpired):
        await shop.office.extend(order.order_id, later)
    with pytest.raises(NotFound):
        await shop.office.extend("order_0", later)


async def test_a_refunded_order_gives_back_places_tickets_and_money(shop: Shop) -> None:
    paid = await sold(shop)
    for _ in range(2):
        await shop.desk.refund_order(paid.order_id, "ota", "the guest is ill")
    assert (await shop.office.order(paid.order_id)).state == "refunded"
    assert await shop.office.places_left("day", TODAY) == 3
    assert payments(shop) == [("partner", "refunded")]
    for ticket in paid.tickets:
        assert (await shop.desk.standing(ticket.ticket_id)).status == "refunded"
        assert shop.lanes.records[ticket.ticket_id].entitlement.status == "refunded"


async def test_what_was_not_paid_or_is_unknown_is_not_refunded(shop: Shop) -> None:
    order = await ordered(shop)
    with pytest.raises(WrongState):
        await shop.desk.refund_order(order.order_id, "ota", "n")
    with pytest.raises(NotFound):
        await shop.desk.refund_order("order_0", "ota", "n")
    assert await shop.office.places_left("day", TODAY) == 1


async def test_a_ticket_that_ended_otherwise_stops_the_refund_of_its_order(shop: Shop) -> None:
    paid = await sold(shop)
    await shop.desk.change_status(paid.tickets[1].ticket_id, "transferred", "anna", "to a friend")
    with pytest.raises(WrongState):
        await shop.desk.refund_order(paid.order_id, "ota", "n")
    assert (await shop.desk.standing(paid.tickets[0].ticket_id)).status == "active"
    assert await shop.office.places_left("day", TODAY) == 1
