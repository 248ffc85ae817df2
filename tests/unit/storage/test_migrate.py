"""Migrations lead to exactly the tables that the code uses, at once and when several processes start together."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import msgspec
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from resort.access.entitlement import Entitlement
from storage.database import Database
from storage.migrate import alembic_config, upgrade
from storage.orders_sql import TicketStore
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


async def test_tickets_sold_before_they_were_kept_whole_allow_what_they_did(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/old.db", foreign_keys=False)
    async with database.write() as connection:
        await connection.run_sync(_to, "0002")
        for number, blocked in ((1, 0), (2, 1)):
            await connection.execute(
                text(
                    "INSERT INTO tickets VALUES (:id, 'o', :position, 'single', 'child', '2026-12-24', 3, "
                    "'[\"standard\", \"fast\"]', :blocked, '2026-12-01 00:00:00.000000')"
                ),
                {"id": f"{number:016x}", "position": number, "blocked": blocked},
            )
        await connection.run_sync(_to, "head")
    allowed = Entitlement("single", "child", date(2026, 12, 24), 3, ("standard", "fast"))
    found = [entitlement async for _, entitlement in TicketStore(database).entitlements()]
    await database.dispose()
    assert found == [allowed, msgspec.structs.replace(allowed, status="blocked")]


def _to(connection: Connection, revision: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
