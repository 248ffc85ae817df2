"""Inventory cells and holds in SQL, within a caller's unit of work.

Rules are in `resort/inventory.py`; here a cell is loaded, locked until the unit ends, and its changes are stored under guards
of their own: even if two incarnations of a shard (or a mistake in the rules) wanted it, `taken` cannot pass the quota.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from resort.errors import Bug
from resort.inventory import Hold, HoldChange, HoldState, InventoryCell
from resort.pricing import Quote
from storage.database import Database, insert_into
from storage.tables import inventory_cells, inventory_holds, quotes

_OVERDUE_AT_ONCE = 500  # holds loaded with a cell; more than that wait for the next sweep


class CellBook(msgspec.Struct, frozen=True):
    """What SQL knows of a cell: places taken, those of them whose hold has run out, and the meter if there is one."""

    taken: int = 0
    overdue: int = 0
    metered: int | None = None

    def free(self, quota: int) -> int:
        """Places that can be sold now of a cell with this quota; never negative."""
        most = quota if self.metered is None else min(quota, self.metered)
        return max(0, most - self.taken + self.overdue)


async def set_quota(connection: AsyncConnection, product: str, day: date, quota: int) -> None:
    """Make the cell if it is missing, and let it have this quota, or what its meter leaves of it. Less than is taken already
    is allowed: nothing is sold."""
    statement = insert_into(connection, inventory_cells).values(product=product, day=day, quota=quota, taken=0)
    left = case((inventory_cells.c.metered < quota, inventory_cells.c.metered), else_=quota)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["product", "day"], set_={"quota": left}, where=inventory_cells.c.quota != left
        )
    )


async def set_meters(connection: AsyncConnection, day: date, places: Mapping[str, int]) -> None:
    """Let each cell sell so many places in all, from now on and over restarts; what is sold or held stays so."""
    for cell, metered in sorted(places.items()):
        statement = insert_into(connection, inventory_cells).values(
            product=cell, day=day, quota=metered, taken=0, metered=metered
        )
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["product", "day"], set_={"quota": metered, "metered": metered})
        )


async def load_cell(
    connection: AsyncConnection, product: str, day: date, order_id: str | None, now: datetime
) -> InventoryCell | None:
    """The cell with the hold of `order_id` and the holds that ran out, locked for this unit. None: no such cell yet."""
    of_cell = (inventory_cells.c.product == product, inventory_cells.c.day == day)
    row = (
        await connection.execute(select(inventory_cells.c.quota, inventory_cells.c.taken).where(*of_cell).with_for_update())
    ).first()
    if row is None:
        return None
    overdue = (inventory_holds.c.state == HoldState.HELD) & (inventory_holds.c.expires_at <= now)
    rows = await connection.execute(
        select(inventory_holds.c.order_id, inventory_holds.c.places, inventory_holds.c.state, inventory_holds.c.expires_at)
        .where(inventory_holds.c.product == product, inventory_holds.c.day == day)
        .where(or_(inventory_holds.c.order_id == order_id, overdue))
        # The order's own hold comes first, or the limit could cut it off.
        .order_by((inventory_holds.c.order_id == order_id).desc(), inventory_holds.c.expires_at)
        .limit(_OVERDUE_AT_ONCE)
    )
    holds = [Hold(found, places, HoldState(state), expires_at) for found, places, state, expires_at in rows]
    return InventoryCell(product, day, row.quota, row.taken, holds)


async def store_changes(connection: AsyncConnection, cell: InventoryCell, changes: Sequence[HoldChange]) -> None:
    """Store what the cell decided. Raises Bug, which rolls the unit back, if a row is not as the cell was told."""
    for change in changes:
        await _store_hold(connection, cell, change)
        if change.delta:
            await _move_taken(connection, cell, change.delta)


async def hold_expiry(connection: AsyncConnection, product: str, day: date, order_id: str) -> datetime | None:
    """Until when the order's places are held; None without a live hold."""
    expires_at: datetime | None = await connection.scalar(
        select(inventory_holds.c.expires_at).where(
            inventory_holds.c.order_id == order_id,
            inventory_holds.c.product == product,
            inventory_holds.c.day == day,
            inventory_holds.c.state.in_((HoldState.HELD, HoldState.CONFIRMED)),
        )
    )
    return expires_at


async def overdue_cells(connection: AsyncConnection, now: datetime) -> list[tuple[str, date]]:
    """The cells in which holds ran out."""
    rows = await connection.execute(
        select(inventory_holds.c.product, inventory_holds.c.day)
        .where(inventory_holds.c.state == HoldState.HELD, inventory_holds.c.expires_at <= now)
        .distinct()
    )
    return [(product, day) for product, day in rows]


async def cell_books(
    connection: AsyncConnection, cells: Collection[str], first: date, last: date, now: datetime
) -> dict[tuple[str, date], CellBook]:
    """The cells of these names from `first` to `last`, without locking anything. Missing ones were never asked for."""
    span = inventory_cells.c.product.in_(cells) & inventory_cells.c.day.between(first, last)
    rows = await connection.execute(
        select(inventory_cells.c.product, inventory_cells.c.day, inventory_cells.c.taken, inventory_cells.c.metered).where(span)
    )
    late = await connection.execute(
        select(inventory_holds.c.product, inventory_holds.c.day, func.sum(inventory_holds.c.places))
        .where(inventory_holds.c.state == HoldState.HELD, inventory_holds.c.expires_at <= now)
        .where(inventory_holds.c.product.in_(cells), inventory_holds.c.day.between(first, last))
        .group_by(inventory_holds.c.product, inventory_holds.c.day)
    )
    overdue = {(cell, day): int(places) for cell, day, places in late}
    return {(cell, day): CellBook(taken, overdue.get((cell, day), 0), metered) for cell, day, taken, metered in rows}


async def places_free(connection: AsyncConnection, cell: str, day: date, quota: int, now: datetime) -> int:
    """Places under this quota that can be sold now, without locking anything; holds that ran out count as free."""
    books = await cell_books(connection, [cell], day, day, now)
    return books.get((cell, day), CellBook()).free(quota)


async def store_quotes(database: Database, made: Sequence[Quote]) -> None:
    """Keep these (one at least) until they expire, in a unit of their own; idempotent by their ids."""
    rows = [
        {
            "quote_id": quote.quote_id,
            "product": quote.product,
            "day": quote.day,
            "expires_at": quote.expires_at,
            "body": msgspec.json.encode(quote).decode(),
        }
        for quote in made
    ]
    await database.insert(quotes, rows)


async def find_quote(connection: AsyncConnection, quote_id: str) -> Quote | None:
    """The quote, expired or not, or None."""
    body = await connection.scalar(select(quotes.c.body).where(quotes.c.quote_id == quote_id))
    return None if body is None else msgspec.json.decode(body, type=Quote)


async def old_quotes_exist(connection: AsyncConnection, before: datetime) -> bool:
    """Whether `forget_quotes` would have anything to do."""
    return await connection.scalar(select(quotes.c.quote_id).where(quotes.c.expires_at < before).limit(1)) is not None


async def forget_quotes(connection: AsyncConnection, before: datetime) -> None:
    """Drop quotes that expired before then; orders keep copies of theirs."""
    await connection.execute(delete(quotes).where(quotes.c.expires_at < before))


async def _store_hold(connection: AsyncConnection, cell: InventoryCell, change: HoldChange) -> None:
    hold = change.hold
    if change.before is None:
        statement = insert_into(connection, inventory_holds).values(
            order_id=hold.order_id,
            product=cell.product,
            day=cell.day,
            places=hold.places,
            state=hold.state,
            expires_at=hold.expires_at,
        )
        done = await connection.execute(statement.on_conflict_do_nothing())
    else:
        done = await connection.execute(
            update(inventory_holds)
            .where(
                inventory_holds.c.order_id == hold.order_id,
                inventory_holds.c.product == cell.product,
                inventory_holds.c.day == cell.day,
                inventory_holds.c.state == change.before,
            )
            .values(state=hold.state, expires_at=hold.expires_at)
        )
    if done.rowcount != 1:
        raise Bug(f"the hold of {hold.order_id} was not {change.before or 'new'} when it became {hold.state}")


async def _move_taken(connection: AsyncConnection, cell: InventoryCell, delta: int) -> None:
    taken = inventory_cells.c.taken + delta
    guard = taken <= inventory_cells.c.quota if delta > 0 else taken >= 0
    done = await connection.execute(
        update(inventory_cells)
        .where(inventory_cells.c.product == cell.product, inventory_cells.c.day == cell.day, guard)
        .values(taken=taken)
    )
    if done.rowcount != 1:
        raise Bug(f"{cell.product} on {cell.day} cannot move by {delta} places from {cell.taken - delta} of {cell.quota}")
