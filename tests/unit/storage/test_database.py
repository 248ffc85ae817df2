"""Units of work on a real SQLite file shared by several pools, and how SQL being away looks."""

import asyncio
import pickle
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError, StatementError

from resort.errors import DatabaseUnavailable, InvalidConfig
from storage.database import Database
from storage.tables import UtcDateTime

metadata = MetaData()
boxes = Table("boxes", metadata, Column("box", Integer, primary_key=True), Column("at", UtcDateTime))
AT = datetime(2026, 12, 1, 1, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/some.db")
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.dispose()


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return list((await connection.scalars(select(boxes.c.box).order_by(boxes.c.box))).all())


async def test_write_commits_at_the_end_of_the_block(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(boxes).values(box=1))
    assert await stored(database) == [1]


async def test_write_rolls_back_when_the_block_raises(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(insert(boxes).values(box=1))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await fail()
    assert await stored(database) == []


async def test_a_cancelled_write_rolls_back_and_lets_the_next_one_in(database: Database) -> None:
    inside = asyncio.Event()

    async def write_and_wait() -> None:
        async with database.write() as connection:
            await connection.execute(insert(boxes).values(box=1))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write_and_wait())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.write() as connection:
        await connection.execute(insert(boxes).values(box=2))
    assert await stored(database) == [2]


async def test_settings_of_a_connection(database: Database) -> None:
    async with database.read() as connection:
        values = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        ]
    assert values == ["wal", 2, 5000, 1]


async def test_read_modify_write_of_two_pools_loses_nothing(database: Database, tmp_path: Path) -> None:
    other = Database(f"sqlite:///{tmp_path}/some.db")
    async with database.write() as connection:
        await connection.execute(insert(boxes).values(box=0))

    async def count_up(pool: Database) -> None:
        for _ in range(20):
            async with pool.write() as connection:
                box = await connection.scalar(select(func.max(boxes.c.box)))
                assert box is not None
                await connection.execute(update(boxes).values(box=box + 1))

    await asyncio.gather(*(count_up(pool) for pool in (database, other) for _ in range(3)))
    await other.dispose()
    assert await stored(database) == [120]


async def test_readers_go_on_beside_a_writer_and_see_whole_units(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(boxes).values(box=1))
        assert await stored(database) == []
    assert await stored(database) == [1]


async def test_times_come_back_aware_and_in_utc(database: Database) -> None:
    shanghai = AT.astimezone(timezone(timedelta(hours=8)))
    async with database.write() as connection:
        await connection.execute(insert(boxes).values(box=1, at=shanghai))
        await connection.execute(insert(boxes).values(box=2, at=None))
    async with database.read() as connection:
        times = list((await connection.scalars(select(boxes.c.at).order_by(boxes.c.box))).all())
        assert await connection.scalar(select(boxes.c.box).where(boxes.c.at <= AT)) == 1
        assert await connection.scalar(select(boxes.c.box).where(boxes.c.at < shanghai)) is None
    assert times == [AT, None]
    assert times[0] is not None
    assert times[0].tzinfo is UTC


async def test_naive_times_are_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="needs a zone"):
        async with database.write() as connection:
            await connection.execute(insert(boxes).values(box=1, at=AT.replace(tzinfo=None)))


async def test_a_file_that_cannot_be_opened_is_an_outage(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/missing/some.db")
    with pytest.raises(DatabaseUnavailable, match="unable to open database file") as caught:
        await database.ping()
    await database.dispose()
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes


async def test_a_lock_that_never_ends_is_an_outage(database: Database, tmp_path: Path) -> None:
    impatient = Database(f"sqlite:///{tmp_path}/some.db")
    async with impatient.read() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout=1")
    other = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable, match="locked"):
        async with impatient.write():
            pass
    other.close()
    async with impatient.write() as connection:
        await connection.execute(insert(boxes).values(box=1))
    await impatient.dispose()


async def test_opening_a_new_file_waits_for_whoever_is_making_it(tmp_path: Path) -> None:
    maker = sqlite3.connect(tmp_path / "new.db", isolation_level=None)
    maker.execute("CREATE TABLE made (one INTEGER)")
    maker.execute("BEGIN IMMEDIATE")
    impatient = sqlite3.connect(tmp_path / "new.db", timeout=60)
    with pytest.raises(sqlite3.OperationalError, match="locked"):  # the reason for the wait: SQLite itself has none here
        impatient.execute("PRAGMA journal_mode=WAL")
    impatient.close()
    database = Database(f"sqlite:///{tmp_path}/new.db")
    opening = asyncio.create_task(database.ping())
    assert not (await asyncio.wait({opening}, timeout=0.2))[0]
    maker.execute("COMMIT")
    await opening
    maker.close()
    await database.dispose()


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.dispose()


async def test_mistakes_of_ours_are_not_called_outages(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(insert(boxes), [{"box": 1}, {"box": 1}])


@pytest.mark.parametrize("url", ["nonsense", "oracle://host/db", "sqlite://", "sqlite:///:memory:"])
def test_urls_that_cannot_work_are_refused(url: str) -> None:
    with pytest.raises(InvalidConfig):
        Database(url)
