"""Books for the tests of losses and recovery."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from resort.access.entitlement import TicketRecord, Usage
from resort.clock import ManualClock, SystemClock
from sim.ticket_shop import MORNING
from storage.database import Database
from storage.entitlements_redis import RedisEntitlements
from storage.journal_sql import JournalStore
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger
from tests.unit.storage.ledger_stand import ALLOWED, KEYS, SITE, TICKETS, Books, sell


@pytest.fixture
async def books(redis: Redis, valkey_url: str, tmp_path: Path) -> AsyncIterator[Books]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    await sell(database)
    await redis.set(KEYS.epoch, "1 0-0")
    await RedisEntitlements(redis, SITE, SystemClock()).publish(
        [(ticket, TicketRecord(1, ALLOWED, Usage())) for ticket in TICKETS]
    )
    ledger = RedisLedger(connect(valkey_url), SITE)
    yield Books(redis, database, JournalStore(database), ledger, ManualClock(MORNING))
    await ledger.close()
    await database.dispose()
