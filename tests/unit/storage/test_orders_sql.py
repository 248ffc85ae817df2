"""Orders, keys, tickets and the outbox as rows."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.errors import Bug
from resort.ids import OrderId, SeededIds, TicketId
from resort.orders import Order, OrderState
from resort.pricing import Quote, QuoteRequest, make_quote
from sim.ticket_shop import MORNING, TODAY, shop_site
from storage.database import Database
from storage.migrate import upgrade
from storage.orders_sql import (
    PAGE,
    StoredOrder,
    TicketStore,
    claim_key,
    find_order,
    find_ticket,
    insert_order,
    insert_tickets,
    mark_published,
    order_tickets,
    overdue_orders,
    pending_entitlements,
    store_state,
)

ALLOWED = Entitlement("day", "adult", TODAY, 1, ("standard", "fast"))


@dataclass(frozen=True)
class Books:
    """A database with one new order."""

    database: Database
    order: StoredOrder


def some_quote() -> Quote:
    site = shop_site()
    request = QuoteRequest("day", TODAY, {"adult": 1, "child": 2})
    return make_quote(request, site.products[0], site.tariff, site.sales_limits, MORNING, SeededIds("quote"))


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    order = StoredOrder(OrderId("o1"), "shop", OrderState.NEW, ("new",), some_quote(), None, None, MORNING, MORNING)
    async with database.write() as connection:
        await insert_order(connection, order)
    yield Books(database, order)
    await database.dispose()


async def test_an_order_comes_back_whole(books: Books) -> None:
    async with books.database.read() as connection:
        assert await find_order(connection, "o1") == books.order
        assert await find_order(connection, "o2") is None


async def test_a_state_is_stored_only_over_the_state_it_was_decided_on(books: Books) -> None:
    held = Order("o1", OrderState.ON_HOLD, ("new", "on_hold"))
    async with books.database.write() as connection:
        await store_state(connection, books.order, held)
        found = await find_order(connection, "o1")
    assert found is not None
    assert (found.state, found.story, found.machine()) == (OrderState.ON_HOLD, ("new", "on_hold"), held)
    with pytest.raises(Bug, match="was not new"):
        async with books.database.write() as connection:
            await store_state(connection, books.order, Order("o1", OrderState.CANCELLED))


async def test_overdue_orders_are_unpaid_ones_whose_time_is_over(books: Books) -> None:
    async with books.database.write() as connection:
        assert [order.order_id for order in await overdue_orders(connection, MORNING, 5)] == ["o1"]
        await store_state(connection, books.order, Order("o1", OrderState.CANCELLED))
        assert await overdue_orders(connection, MORNING, 5) == []


async def test_the_first_claim_of_a_key_counts(books: Books) -> None:
    async with books.database.write() as connection:
        first = await claim_key(connection, "shop", "place", "k", "print 1", "o1", MORNING)
        again = await claim_key(connection, "shop", "place", "k", "print 2", "o2", MORNING)
        elsewhere = await claim_key(connection, "desk", "place", "k", "print 2", "o2", MORNING)
        later = await claim_key(connection, "shop", "pay", "k", "print 3", "o1", MORNING)
    assert (first.order_id, first.fingerprint, first.fresh) == ("o1", "print 1", True)
    assert again == msgspec.structs.replace(first, fresh=False)
    assert [claim.fresh for claim in (elsewhere, later)] == [True, True]


async def test_tickets_reach_the_outbox_with_them_and_leave_it_once_published(books: Books) -> None:
    issued = [(TicketId(f"{number:016x}"), TicketRecord(1, ALLOWED, Usage())) for number in range(3)]
    async with books.database.write() as connection:
        await insert_tickets(connection, "o1", issued, MORNING)
        pending = await pending_entitlements(connection, 2)
        assert [(ticket_id, record) for _, ticket_id, record in pending] == issued[:2]
        await mark_published(connection, [place for place, _, _ in pending], MORNING)
        assert [ticket_id for _, ticket_id, _ in await pending_entitlements(connection, 9)] == [issued[2][0]]
        tickets = await order_tickets(connection, "o1")
        assert [(ticket.ticket_id, ticket.position, ticket.used) for ticket in tickets] == [
            (ticket_id, position, 0) for position, (ticket_id, _) in enumerate(issued)
        ]
        assert await find_ticket(connection, issued[1][0]) == tickets[1]
        assert await find_ticket(connection, "none") is None


async def test_all_entitlements_over_several_pages(books: Books) -> None:
    issued = [(TicketId(f"{number:016x}"), TicketRecord(1, ALLOWED, Usage())) for number in range(PAGE + 3)]
    async with books.database.write() as connection:
        await insert_tickets(connection, "o1", issued, MORNING)
    store = TicketStore(books.database)
    assert await store.count() == PAGE + 3
    assert [found async for found in store.entitlements()] == [(ticket_id, ALLOWED) for ticket_id, _ in issued]
