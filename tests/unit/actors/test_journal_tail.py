"""Following the journal by two ways at once, on a real Valkey and a real SQLite file: everything once, whatever is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from actors.journal_tail import JournalTail
from resort.clock import SystemClock
from resort.ids import EventId, GateId, LaneId
from resort.messages import JournalEvent, LaneChanged
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger
from storage.valkey_server import ValkeyServer

SITE = "tail"
PATIENCE_S = 30.0


def event(number: int) -> LaneChanged:
    at = datetime(2026, 12, 12, 1, 0, tzinfo=UTC)
    head = {"event_id": EventId(f"e{number}"), "caused_by": "t", "at": at, "gate_id": GateId("g"), "lane_id": LaneId("g1")}
    return LaneChanged(**head, state="ready", detail=str(number))  # type: ignore[arg-type]


class Taken:
    """What the tail told, and a way to wait for it."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.handfuls = 0
        self._more = asyncio.Event()

    def __call__(self, events: Sequence[JournalEvent]) -> None:
        self.ids += [event.event_id for event in events]
        self.handfuls += 1
        self._more.set()

    async def until(self, event_id: str) -> list[str]:
        async with asyncio.timeout(PATIENCE_S):
            while event_id not in self.ids:
                self._more.clear()
                await self._more.wait()
        return self.ids


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[JournalStore]:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    database = Database(url)
    yield JournalStore(database)
    await database.dispose()


@pytest.fixture
async def ledger(redis: Redis, valkey_url: str) -> AsyncIterator[RedisLedger]:
    await redis.set(LedgerKeys(SITE).epoch, "1 0-0")
    ledger = RedisLedger(connect(valkey_url), SITE)
    yield ledger
    await ledger.close()


@asynccontextmanager
async def following(url: str, store: JournalStore, taken: Taken) -> AsyncIterator[JournalTail]:
    redis = connect(url)
    tail = JournalTail(JournalStream(redis, SITE), store, SystemClock(), taken)
    tail.begin(await store.last_stream_id(), await store.last_seq())
    tasks = [asyncio.create_task(tail.follow_stream()), asyncio.create_task(tail.follow_sql())]
    try:
        yield tail
    finally:
        tail.close()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*tasks)
        await redis.aclose()


async def spool(store: JournalStore, *numbers: int) -> None:
    """Straight into SQL, past the stream."""
    await store.store([("0-0", event(number)) for number in numbers])


async def write(redis: Redis, store: JournalStore) -> None:
    """What the journal writer does."""
    entries = await JournalStream(redis, SITE).read_after("0-0", 1000, wait_ms=0)
    await store.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])


async def test_events_that_come_one_by_one_are_taken_by_the_handful(
    ledger: RedisLedger, store: JournalStore, valkey_url: str
) -> None:
    taken, most = Taken(), 200
    async with following(valkey_url, store, taken):
        for number in range(most):
            await ledger.append([event(number)])
        await taken.until(f"e{most - 1}")
    assert taken.ids == [f"e{number}" for number in range(most)]
    assert taken.handfuls < most / 2


async def test_each_event_is_taken_once_though_both_ways_tell_it(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str
) -> None:
    taken = Taken()
    async with following(valkey_url, store, taken):
        await ledger.append([event(1), event(2)])
        await taken.until("e2")
        await write(redis, store)
        await spool(store, 3)
        await taken.until("e3")
        await ledger.append([event(3), event(4), event(1)])
        await taken.until("e4")
    assert taken.ids == ["e1", "e2", "e3", "e4"]


async def test_it_begins_after_what_was_read(ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str) -> None:
    await ledger.append([event(1), event(2)])
    await write(redis, store)
    taken = Taken()
    async with following(valkey_url, store, taken):
        await ledger.append([event(3)])
        await taken.until("e3")
    assert taken.ids == ["e3"]


async def test_catching_up_takes_what_is_known_from_both_and_not_what_was_known_before(
    ledger: RedisLedger, store: JournalStore, valkey_url: str
) -> None:
    await spool(store, 1, 2)
    await ledger.append([event(3), event(2)])
    redis, taken = connect(valkey_url), Taken()
    tail = JournalTail(JournalStream(redis, SITE), store, SystemClock(), taken)
    tail.begin("0-0", 0, [event(1)])
    await tail.catch_up()
    await redis.aclose()
    assert taken.ids == ["e2", "e3"]


async def test_without_the_stream_sql_is_followed_until_it_returns(store: JournalStore, short_folder: Path) -> None:
    server = ValkeyServer(short_folder / "data", short_folder / "s.sock")
    taken = Taken()
    async with following(server.url, store, taken) as tail:
        await spool(store, 1)
        await taken.until("e1")
        assert tail.stream_away_since is not None
        assert tail.blind_ms(SystemClock().now()) == 0.0, "SQL tells everything"
        await server.start()
        redis, ledger = connect(server.url), RedisLedger(connect(server.url), SITE)
        await redis.set(LedgerKeys(SITE).epoch, "1 0-0")
        await ledger.append([event(2)])
        await taken.until("e2")
        assert tail.stream_away_since is None
        await redis.aclose()
        await ledger.close()
        await server.stop()
        async with asyncio.timeout(PATIENCE_S):
            await spool(store, 3)
            await taken.until("e3")
    assert taken.ids == ["e1", "e2", "e3"]


async def test_a_stream_that_was_wiped_is_followed_from_its_new_beginning(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str
) -> None:
    taken = Taken()
    async with following(valkey_url, store, taken):
        await ledger.append([event(1)])
        await taken.until("e1")
        await write(redis, store)
        await redis.flushall()
        await spool(store, 2)
        await redis.set(LedgerKeys(SITE).epoch, "2 0-0")
        await ledger.append([event(3)])
        await taken.until("e3")
        await taken.until("e2")
    assert sorted(taken.ids) == ["e1", "e2", "e3"]
