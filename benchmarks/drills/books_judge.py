"""Whether a shop's books hold, read from its SQL by somebody else: places, payments, tickets, and what buyers were told."""

from collections import Counter
from typing import NamedTuple

from sqlalchemy import text

from benchmarks.drills.buyers import Told
from storage.database import Database

_CELLS = text("SELECT product, day, quota, taken FROM inventory_cells")
_HOLDS = text("SELECT product, day, state, places FROM inventory_holds")
_HELD = text("SELECT count(*) FROM inventory_holds WHERE state = 'held'")
_ORDERS = text("SELECT order_id, state FROM orders")
_PAYMENTS = text("SELECT order_id FROM payments")
_TICKETS = text("SELECT order_id, ticket_id FROM tickets")


class Books(NamedTuple):
    """Figures, of which every one but the first three should be 0."""

    orders: int
    payments: int
    tickets: int
    oversold_cells: int
    leaked_places: int  # taken for nobody, or by somebody and not counted
    charged_without_ticket: int
    tickets_unpaid: int
    charged_twice: int
    told_and_not_kept: int  # tickets or cancellations that a buyer was told of and SQL does not know
    wrong_answers: int


async def held_places(database: Database) -> int:
    """Holds that have not come to their end."""
    async with database.read() as connection:
        return int(await connection.scalar(_HELD) or 0)


async def judge_books(database: Database, told: Told) -> Books:
    """Read everything and compare. Call it when no hold is open any more. Raises DatabaseUnavailable."""
    async with database.read() as connection:
        cells = {(product, day): (quota, taken) for product, day, quota, taken in await connection.execute(_CELLS)}
        holds = (await connection.execute(_HOLDS)).all()
        states = {order_id: state for order_id, state in await connection.execute(_ORDERS)}
        payments = Counter(order_id for (order_id,) in await connection.execute(_PAYMENTS))
        rows = (await connection.execute(_TICKETS)).all()
    tickets: dict[str, set[str]] = {}
    for order_id, ticket_id in rows:
        tickets.setdefault(order_id, set()).add(ticket_id)
    sold: Counter[tuple[str, object]] = Counter()
    for product, day, state, places in holds:
        sold[product, day] += places if state == "confirmed" else 0
    forgotten = sum(not kept <= tickets.get(order_id, set()) for order_id, kept in told.issued.items())
    forgotten += sum(states.get(order_id) != "cancelled" for order_id in told.cancelled)
    return Books(
        orders=len(states),
        payments=payments.total(),
        tickets=len(rows),
        oversold_cells=sum(max(taken, sold[cell]) > quota for cell, (quota, taken) in cells.items()),
        leaked_places=sum(abs(taken - sold[cell]) for cell, (_, taken) in cells.items()),
        charged_without_ticket=sum(order_id not in tickets for order_id in payments),
        tickets_unpaid=sum(order_id not in payments for order_id in tickets),
        charged_twice=sum(number > 1 for number in payments.values()),
        told_and_not_kept=forgotten,
        wrong_answers=len(told.wrong),
    )
