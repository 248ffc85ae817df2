"""Cells in SQL: what is loaded, and the guards that hold even when the rules were told something old."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from resort.errors import Bug
from resort.inventory import Hold, HoldChange, HoldState, InventoryCell
from sim.ticket_shop import MORNING, TODAY
from storage.database import Database
from storage.inventory_sql import hold_expiry, load_cell, overdue_cells, places_free, set_quota, store_changes
from storage.migrate import upgrade
from storage.tables import inventory_cells

UNTIL = MORNING + timedelta(minutes=10)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A database with one cell of three places, of which order `a` holds two."""
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    async with database.write() as connection:
        await set_quota(connection, "day", TODAY, 3)
        cell = await load_cell(connection, "day", TODAY, "a", MORNING)
        assert cell is not None
        await store_changes(connection, cell, cell.hold("a", 2, UNTIL, MORNING))
    yield database
    await database.dispose()


async def taken(database: Database) -> int | None:
    async with database.read() as connection:
        return await connection.scalar(select(inventory_cells.c.taken))


async def store_untold(database: Database, *changes: HoldChange) -> None:
    """Store changes that no cell with the truth before it would have made."""
    async with database.write() as connection:
        await store_changes(connection, InventoryCell("day", TODAY, 100), list(changes))


async def test_a_cell_is_loaded_with_its_order_and_what_ran_out(database: Database) -> None:
    async with database.write() as connection:
        cell = await load_cell(connection, "day", TODAY, "b", MORNING)
        assert cell is not None
        await store_changes(connection, cell, cell.hold("b", 1, UNTIL + timedelta(minutes=1), MORNING))
    async with database.read() as connection:
        for order_id, now, expected in (
            ("a", MORNING, {"a"}),
            ("b", UNTIL, {"a", "b"}),
            (None, UNTIL, {"a"}),
            ("c", MORNING, set()),
        ):
            cell = await load_cell(connection, "day", TODAY, order_id, now)
            assert cell is not None
            assert (cell.quota, cell.taken, set(cell.holds)) == (3, 3, expected)
        assert await load_cell(connection, "day", TODAY + timedelta(days=1), "a", MORNING) is None


async def test_a_new_quota_keeps_what_is_taken(database: Database) -> None:
    async with database.write() as connection:
        await set_quota(connection, "day", TODAY, 9)
        cell = await load_cell(connection, "day", TODAY, None, MORNING)
    assert cell is not None
    assert (cell.quota, cell.taken) == (9, 2)


async def test_places_free_counts_lapsed_holds_and_unknown_cells_as_free(database: Database) -> None:
    async with database.read() as connection:
        assert await places_free(connection, "day", TODAY, 3, MORNING) == 1
        assert await places_free(connection, "day", TODAY, 3, UNTIL) == 3
        assert await places_free(connection, "other", TODAY, 7, MORNING) == 7
        assert await places_free(connection, "day", TODAY, 1, MORNING) == 0


async def test_overdue_cells_and_expiry(database: Database) -> None:
    async with database.read() as connection:
        assert await overdue_cells(connection, MORNING) == []
        assert await overdue_cells(connection, UNTIL) == [("day", TODAY)]
        assert await hold_expiry(connection, "day", TODAY, "a") == UNTIL
        assert await hold_expiry(connection, "day", TODAY, "b") is None


async def test_the_quota_holds_against_a_cell_that_was_told_wrong(database: Database) -> None:
    with pytest.raises(Bug, match="cannot move by 2 places"):
        await store_untold(database, HoldChange(None, Hold("b", 2, HoldState.HELD, UNTIL)))
    assert await taken(database) == 2
    async with database.read() as connection:
        assert await hold_expiry(connection, "day", TODAY, "b") is None


async def test_places_are_not_given_back_twice(database: Database) -> None:
    release = HoldChange(HoldState.HELD, Hold("a", 2, HoldState.RELEASED, UNTIL))
    await store_untold(database, release)
    with pytest.raises(Bug, match="was not held"):
        await store_untold(database, release)
    assert await taken(database) == 0


async def test_a_hold_is_not_made_twice(database: Database) -> None:
    with pytest.raises(Bug, match="was not new"):
        await store_untold(database, HoldChange(None, Hold("a", 1, HoldState.HELD, UNTIL)))
    assert await taken(database) == 2
