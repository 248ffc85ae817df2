"""Two shoppers race for the last place, over two offices with shards of their own on one SQLite file."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from sqlalchemy import func, select, update

from resort.errors import SoldOut
from sales.office import OrderView, Payment
from sim.memory_sales import MemoryPublisher
from sim.ticket_shop import TODAY, Shop, open_shop, shop_site
from storage.database import Database
from storage.migrate import upgrade
from storage.tables import inventory_cells, tickets

ROUNDS = 20


async def buy(shop: Shop, shopper: str, ready: asyncio.Barrier) -> OrderView:
    quote = await shop.quoted()
    await ready.wait()
    order = await shop.office.place_order(quote.quote_id, "shop", f"{shopper} places")
    return await shop.office.pay(order.order_id, Payment("cash", order.total), "shop", f"{shopper} pays")


async def race(folder: Path, number: int) -> tuple[list[OrderView], list[BaseException], int]:
    """One round: who got a ticket, who was refused how, and how many tickets exist."""
    url = f"sqlite:///{folder}/round{number}.db"
    site = shop_site(quota=1)
    lanes = MemoryPublisher()
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(open_shop(url, site, lanes=lanes)) for _ in range(2)]
        ready = asyncio.Barrier(2)
        answers = await asyncio.gather(
            *(buy(shop, f"shopper {place}", ready) for place, shop in enumerate(shops)), return_exceptions=True
        )
        async with shops[0].db.read() as connection:
            issued = await connection.scalar(select(func.count()).select_from(tickets))
        assert [await shop.office.places_left("day", TODAY) for shop in shops] == [0, 0]
    winners = [answer for answer in answers if isinstance(answer, OrderView)]
    losers = [answer for answer in answers if isinstance(answer, BaseException)]
    assert set(lanes.records) == {ticket.ticket_id for winner in winners for ticket in winner.tickets}
    return winners, losers, int(issued or 0)


async def test_the_last_place_is_one_ticket_and_one_clear_refusal(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        winners, losers, issued = await race(tmp_path, number)
        assert ([winner.state for winner in winners], issued) == (["issued"], 1)
        assert [len(winner.tickets) for winner in winners] == [1]
        assert [(type(loser), loser.args) for loser in losers] == [(SoldOut, ("day", "2026-12-01", 0))]


async def unguarded_hold(database: Database, ready: asyncio.Barrier) -> bool:
    """What the guard is for: look first, take later, in two steps."""
    async with database.read() as connection:
        free = await connection.scalar(select(inventory_cells.c.quota - inventory_cells.c.taken))
    await ready.wait()
    if not free:
        return False
    async with database.write() as connection:
        await connection.execute(update(inventory_cells).values(taken=inventory_cells.c.taken + 1))
    return True


async def test_without_the_guard_the_same_race_oversells(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/unguarded.db"
    await upgrade(url)
    pools = [Database(url), Database(url)]
    async with pools[0].write() as connection:
        await connection.execute(inventory_cells.insert().values(product="day", day=TODAY, quota=1, taken=0))
    ready = asyncio.Barrier(2)
    assert await asyncio.gather(*(unguarded_hold(pool, ready) for pool in pools)) == [True, True]
    async with pools[0].read() as connection:
        assert await connection.scalar(select(inventory_cells.c.taken)) == 2
    for pool in pools:
        await pool.dispose()


async def test_a_crowd_over_two_offices_gets_exactly_what_there_is(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crowd.db"
    site = shop_site(quota=7)
    async with open_shop(url, site) as one, open_shop(url, site) as two:
        ready = asyncio.Barrier(30)
        crowd: Sequence[OrderView | BaseException] = await asyncio.gather(
            *(buy((one, two)[number % 2], f"shopper {number}", ready) for number in range(30)), return_exceptions=True
        )
        assert sum(isinstance(answer, OrderView) for answer in crowd) == 7
        assert sum(isinstance(answer, SoldOut) for answer in crowd) == 23
        codes = {ticket.code for answer in crowd if isinstance(answer, OrderView) for ticket in answer.tickets}
        assert len(codes) == 7
