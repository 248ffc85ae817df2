"""Fixtures of the tests in which the ledger is lost: a Valkey that can be taken away, and a site of three gates on it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from resort.site import Site
from storage.database import Database
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.valkey_server import ValkeyServer
from tests.integration.offline_site import OfflineSite
from tests.integration.offline_store import KEYS, Store


@pytest.fixture
async def store(short_folder: Path) -> AsyncIterator[Store]:
    server = ValkeyServer(short_folder / "data", short_folder / "s.sock")
    await server.start()
    client = connect(server.url)
    await client.set(KEYS.epoch, "1 0-0 0")
    await client.aclose()
    yield Store(server, short_folder)
    await server.stop()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield database
    await database.dispose()


@pytest.fixture
def site(demo_site: Site, store: Store, database: Database, tmp_path: Path) -> OfflineSite:
    return OfflineSite(demo_site, tmp_path, store.url, database)
