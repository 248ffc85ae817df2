"""Whatever shoppers do in whatever order, places, money and tickets add up, and repeated keys count once."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from resort.clock import ManualClock
from resort.errors import Refused, SnowgateError
from resort.ids import SeededIds
from resort.money import Money
from resort.pricing import Quote, QuoteRequest, check_request, make_quote
from sales.office import OrderView, Payment
from sim.ticket_shop import MORNING, TODAY, Shop, open_shop, shop_site
from storage.tables import inventory_cells, inventory_holds, orders, payments, tickets

QUOTA = 5
PERCENT = {"adult": 100, "child": 50}

days = st.sampled_from([TODAY, date(2026, 12, 5), date(2027, 1, 2)])
units = st.dictionaries(st.sampled_from(sorted(PERCENT)), st.integers(1, 10), min_size=1).filter(
    lambda wanted: sum(wanted.values()) <= 20
)


@given(units=units, day=days)
def test_a_total_is_the_sum_of_its_parts(units: dict[str, int], day: date) -> None:
    site = shop_site()
    request = QuoteRequest("day", day, units)
    product = check_request(request, site.product("day"), TODAY, site.sales_limits)
    quote = make_quote(request, product, site.tariff, site.sales_limits, MORNING, SeededIds("parts"))
    assert quote.total == sum((part.amount for part in quote.parts), Money(0, "CNY"))
    assert all(part.amount == part.each.times(part.quantity) for part in quote.parts)
    per_unit: dict[str, Money] = {}
    for part in quote.parts:
        per_unit[part.unit] = per_unit.get(part.unit, Money(0, "CNY")) + part.amount
    assert set(per_unit) == set(units)
    assert all(amount.minor > 0 for amount in per_unit.values())
    assert quote.places == sum(units.values())


# A step: what is done, by the shopper with which key, with how many units, and (for "wait") how many minutes pass.
steps = st.lists(
    st.tuples(
        st.sampled_from(["order", "order", "pay", "pay", "pay wrongly", "cancel", "wait", "sweep", "lapse"]),
        st.integers(0, 3),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(steps=steps)
def test_the_books_balance_after_every_step(steps: list[tuple[str, int, int]]) -> None:
    asyncio.run(_live(steps))


async def _live(steps: list[tuple[str, int, int]]) -> None:
    clock = ManualClock(MORNING)
    with tempfile.TemporaryDirectory() as folder:
        async with open_shop(f"sqlite:///{folder}/snowgate.db", shop_site(quota=QUOTA), clock, SeededIds("shop")) as shop:
            quotes: dict[int, Quote] = {}
            placed: dict[int, OrderView] = {}
            for step, shopper, number in steps:
                if step == "order":
                    quote = quotes.setdefault(shopper, await shop.quoted(adults=number))
                    order = await _twice(lambda: shop.office.place_order(quote.quote_id, "shop", f"place {shopper}"))  # noqa: B023
                    if order is not None:
                        assert placed.setdefault(shopper, order).order_id == order.order_id
                elif step == "wait":
                    clock.advance_ms(number * 4 * 60_000)
                elif step == "sweep":
                    await shop.pricing.sweep()
                elif step == "lapse":
                    await shop.office.lapse_overdue()
                elif shopper in placed:
                    await _act(shop, step, shopper, placed[shopper])
                await _check_books(shop)
            clock.advance_ms(3_600_000)
            await shop.pricing.sweep()
            await shop.office.lapse_overdue()
            await _check_books(shop, at_rest=True)


async def _act(shop: Shop, step: str, shopper: int, order: OrderView) -> None:
    total = order.total
    if step == "pay":
        await _twice(lambda: shop.office.pay(order.order_id, Payment("cash", total), "shop", f"pay {shopper}"))
    elif step == "pay wrongly":
        wrong = Payment("cash", Money(total.minor - 1, total.currency))
        assert await _twice(lambda: shop.office.pay(order.order_id, wrong, "shop", f"pay {shopper}")) is None
    else:
        await _twice(lambda: shop.office.cancel(order.order_id))


async def _twice(call: Callable[[], Coroutine[Any, Any, OrderView]]) -> OrderView | None:
    """The answer (None: refused), which a repetition has to give again."""
    answers: list[OrderView | tuple[object, ...]] = []
    for _ in range(2):
        try:
            answers.append(await call())
        except Refused as error:
            answers.append((type(error), error.args))
        except SnowgateError as error:
            raise AssertionError(f"only refusals are expected here: {error!r}") from error
    assert answers[0] == answers[1]
    return answers[0] if isinstance(answers[0], OrderView) else None


async def _check_books(shop: Shop, *, at_rest: bool = False) -> None:
    live = ("held", "confirmed")
    async with shop.db.read() as connection:
        taken = await connection.scalar(select(func.coalesce(func.sum(inventory_cells.c.taken), 0)))
        held = await connection.scalar(
            select(func.coalesce(func.sum(inventory_holds.c.places), 0)).where(inventory_holds.c.state.in_(live))
        )
        sold = select(func.coalesce(func.sum(inventory_holds.c.places), 0)).where(inventory_holds.c.state == "confirmed")
        confirmed = await connection.scalar(sold)
        issued = await connection.scalar(select(func.count()).select_from(tickets))
        captured = await connection.scalar(select(func.coalesce(func.sum(payments.c.amount_minor), 0)))
        owed = await connection.scalar(
            select(func.coalesce(func.sum(orders.c.total_minor), 0)).where(orders.c.state == "issued")
        )
        open_orders = await connection.scalar(
            select(func.count()).select_from(orders).where(orders.c.state.in_(("new", "on_hold")))
        )
    assert taken == held
    assert int(taken or 0) <= QUOTA
    assert issued == confirmed == len(shop.lanes.records)
    assert captured == owed
    if at_rest:
        assert (taken, open_orders) == (confirmed, 0)
