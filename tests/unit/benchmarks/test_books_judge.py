"""The judge of the pricing drill: silent on sound books, and loud on each way in which they can be wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.drills.books_judge import Books, held_places, judge_books
from benchmarks.drills.buyers import Told
from sales.views import Payment
from sim.ticket_shop import Shop, open_shop, shop_site

ZERO = (
    "oversold_cells",
    "leaked_places",
    "charged_without_ticket",
    "tickets_unpaid",
    "charged_twice",
    "told_and_not_kept",
    "wrong_answers",
)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_shop(f"sqlite:///{tmp_path}/snowgate.db", shop_site(quota=6, shards=1)) as shop:
        yield shop


async def bought(shop: Shop) -> Told:
    """Two orders that were paid, one that was given up."""
    told = Told()
    for number in range(2):
        quote = await shop.quoted(adults=2)
        order = await shop.office.place_order(quote.quote_id, "kiosk", f"o{number}")
        paid = await shop.office.pay(order.order_id, Payment("cash", quote.total), "kiosk", f"p{number}")
        told.issued[order.order_id] = {ticket.ticket_id for ticket in paid.tickets}
    order = await shop.office.place_order((await shop.quoted()).quote_id, "kiosk", "o2")
    assert await held_places(shop.db) == 1
    await shop.office.cancel(order.order_id)
    told.cancelled.add(order.order_id)
    return told


def wrong(books: Books) -> dict[str, int]:
    return {name: getattr(books, name) for name in ZERO if getattr(books, name)}


async def test_sound_books_have_no_findings(shop: Shop) -> None:
    books = await judge_books(shop.db, await bought(shop))
    assert (books.orders, books.payments, books.tickets, wrong(books)) == (3, 2, 4, {})
    assert await held_places(shop.db) == 0


@pytest.mark.parametrize(
    ("spoilt", "found"),
    [
        ("UPDATE inventory_cells SET taken = taken + 1", {"leaked_places": 1}),
        ("UPDATE inventory_cells SET quota = 3", {"oversold_cells": 1}),
        ("UPDATE inventory_holds SET state = 'expired' WHERE state = 'confirmed'", {"leaked_places": 4}),
        ("DELETE FROM payments", {"tickets_unpaid": 2}),
        ("UPDATE orders SET state = 'expired' WHERE state = 'cancelled'", {"told_and_not_kept": 1}),
    ],
)
async def test_each_way_to_be_wrong_is_found(shop: Shop, spoilt: str, found: dict[str, int]) -> None:
    told = await bought(shop)
    async with shop.db.write() as connection:
        await connection.execute(text(spoilt))
    assert wrong(await judge_books(shop.db, told)) == found


async def test_tickets_that_were_told_and_are_not_there_are_found(shop: Shop) -> None:
    told = await bought(shop)
    async with shop.db.write() as connection:
        await connection.execute(text("DELETE FROM entitlement_outbox"))
        await connection.execute(text("DELETE FROM tickets"))
    assert wrong(await judge_books(shop.db, told)) == {"charged_without_ticket": 2, "told_and_not_kept": 2}


async def test_answers_that_should_never_be_count(shop: Shop) -> None:
    assert wrong(await judge_books(shop.db, Told(wrong=["one key took two payments"]))) == {"wrong_answers": 1}
