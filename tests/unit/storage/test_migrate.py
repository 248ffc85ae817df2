"""Migrations lead to exactly the tables that the code uses, at once and when several processes start together."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from storage.database import Database
from storage.migrate import upgrade
from storage.tables import metadata


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def test_migrations_equal_tables(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []


async def test_comparison_sees_a_difference(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(text("ALTER TABLE site_meta ADD COLUMN extra TEXT"))
    async with database.read() as connection:
        assert await connection.run_sync(differences) != []


async def test_upgrade_keeps_what_is_stored(database: Database, tmp_path: Path) -> None:
    async with database.write() as connection:
        await connection.execute(metadata.tables["site_meta"].insert().values(key="a", value="1"))
    await upgrade(f"sqlite:///{tmp_path}/snowgate.db")
    async with database.read() as connection:
        assert (await connection.execute(metadata.tables["site_meta"].select())).all() == [("a", "1")]


async def test_several_processes_upgrade_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    await asyncio.gather(*(upgrade(url) for _ in range(4)))
    database = Database(url)
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
        assert (await connection.execute(text("SELECT count(*) FROM alembic_version"))).scalar() == 1
    await database.dispose()
