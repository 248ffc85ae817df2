"""The journal actor as a plain object between a real Valkey and a real SQLite file."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from actors.journal import JournalActor, JournalStanding
from resort.access.reasons import Reason
from resort.errors import DatabaseUnavailable, LedgerUnavailable
from resort.ids import EventId, GateId, LaneId, ScanId
from resort.messages import JournalEvent, LaneChanged, ScanRefused
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger

SITE = "test"
KEYS = LedgerKeys(SITE)
AT = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
PATIENCE_S = 30.0
LANE = LaneId("l1")
replace = msgspec.structs.replace


def refusal(event_id: str) -> ScanRefused:
    return ScanRefused(
        event_id=EventId(event_id),
        caused_by="scan",
        at=AT,
        gate_id=GateId("g"),
        lane_id=LANE,
        scan_id=ScanId("s"),
        ticket_id=None,
        reason=Reason.FORGED_CODE,
        decision_ms=1.5,
    )


def change(event_id: str, counter_in: int) -> LaneChanged:
    return LaneChanged(
        event_id=EventId(event_id),
        caused_by="turnstile",
        at=AT,
        gate_id=GateId("g"),
        lane_id=LANE,
        state="ready",
        detail="",
        counter_in=counter_in,
    )


@pytest.fixture
async def database_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/snowgate.db"
    await upgrade(url)
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[JournalStore]:
    database = Database(database_url)
    yield JournalStore(database)
    await database.dispose()


@pytest.fixture
async def ledger(redis: Redis, valkey_url: str) -> AsyncIterator[RedisLedger]:
    await redis.set(KEYS.epoch, "1 0-0")
    ledger = RedisLedger(connect(valkey_url), SITE)
    yield ledger
    await ledger.close()


@asynccontextmanager
async def running(redis_url: str, database_url: str) -> AsyncIterator[JournalActor]:
    actor = JournalActor(redis_url, database_url, SITE)
    await actor.start()
    try:
        yield actor
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await actor.close()


async def stored(store: JournalStore) -> list[JournalEvent]:
    return [entry.event for entry in await store.events_after(0, 1000)]


async def fenced_or_whole(ledger: RedisLedger) -> bool:
    try:
        await ledger.lane_memory(LANE)
    except LedgerUnavailable:
        return False
    return True


async def rebuilt(ledger: RedisLedger) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await fenced_or_whole(ledger):  # noqa: ASYNC110 - another connection's work is no event of ours
            await asyncio.sleep(0.01)


async def told_of_a_problem(actor: JournalActor) -> JournalStanding:
    async with asyncio.timeout(PATIENCE_S):
        while not (standing := await actor.standing()).problem:  # noqa: ASYNC110 - the actor tells it only when asked
            await asyncio.sleep(0.01)
    return standing


async def test_streamed_events_reach_sql_in_order(
    ledger: RedisLedger, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    before = [refusal(f"before{number}") for number in range(3)]
    later = [refusal(f"later{number}") for number in range(300)]
    await ledger.append(before)
    async with running(valkey_url, database_url) as actor:
        assert await actor.ping()
        await ledger.append(later)
        assert await actor.drain(PATIENCE_S)
        assert await stored(store) == [*before, *later]
        standing = await actor.standing()
    assert (standing.stored, standing.unreadable, standing.problem, standing.behind) == (303, 0, "", False)
    assert standing.last_stored == await store.last_stream_id()


async def test_drain_is_true_when_nothing_was_ever_streamed(redis: Redis, valkey_url: str, database_url: str) -> None:
    async with running(valkey_url, database_url) as actor:
        assert await actor.drain(PATIENCE_S)


async def test_an_entry_that_is_no_event_is_counted_and_stays(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    await ledger.append([refusal("e1")])
    nonsense = await redis.xadd(KEYS.journal, {"e": b'{"kind":"Nonsense"}'})
    await ledger.append([refusal("e2")])
    async with running(valkey_url, database_url) as actor:
        assert await actor.drain(PATIENCE_S)
        assert (await actor.standing()).unreadable == 1
    assert await stored(store) == [refusal("e1"), refusal("e2")]
    assert await redis.xrange(KEYS.journal, min=nonsense, max=nonsense)


async def test_a_last_entry_that_is_no_event_does_not_block_drain(
    ledger: RedisLedger, redis: Redis, valkey_url: str, database_url: str
) -> None:
    await ledger.append([refusal("e1")])
    await redis.xadd(KEYS.journal, {"e": b"\xff"})
    async with running(valkey_url, database_url) as actor:
        assert await actor.drain(PATIENCE_S)
        assert not (await actor.standing()).behind


async def test_a_restarted_writer_goes_on_without_gap_or_duplicate(
    ledger: RedisLedger, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    events = [refusal(f"e{number}") for number in range(9)]
    await ledger.append(events[:3])
    async with running(valkey_url, database_url) as actor:
        assert await actor.drain(PATIENCE_S)
    await ledger.append(events[3:6])
    async with running(valkey_url, database_url) as actor:
        await ledger.append([events[2], *events[6:]])  # one of them again, as after a lost reply
        assert await actor.drain(PATIENCE_S)
        assert (await actor.standing()).stored == 6
    assert await stored(store) == events
    assert await store.duplicates() == 0


async def test_a_ledger_that_is_wiped_while_the_writer_runs_is_rebuilt(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    await ledger.append([change("e1", 7)])
    async with running(valkey_url, database_url) as actor:
        assert await actor.drain(PATIENCE_S)
        await redis.flushall()
        assert not await fenced_or_whole(ledger)
        await rebuilt(ledger)
        assert (await ledger.lane_memory(LANE)).counter_in == 7
        await ledger.append([change("e2", 8)])
        assert await actor.drain(PATIENCE_S)
    assert await stored(store) == [change("e1", 7), change("e2", 8)]


async def test_an_empty_ledger_is_opened_by_the_writer(
    redis: Redis, valkey_url: str, database_url: str, store: JournalStore
) -> None:
    ledger = RedisLedger(connect(valkey_url), SITE)
    assert not await fenced_or_whole(ledger)
    async with running(valkey_url, database_url) as actor:
        await rebuilt(ledger)
        await ledger.append([refusal("e1")])
        assert await actor.drain(PATIENCE_S)
    assert await stored(store) == [refusal("e1")]
    await ledger.close()


async def test_a_valkey_that_is_away_is_told_and_does_not_hold_up_closing(short_folder: Path, database_url: str) -> None:
    async with running(f"unix://{short_folder}/nobody.sock", database_url) as actor:
        standing = await told_of_a_problem(actor)
        assert (standing.behind, standing.stored) == (True, 0)
        assert not standing.stuck, "events reach SQL past it"
        assert not await actor.drain(PATIENCE_S)


async def test_it_is_stuck_while_sql_takes_nothing(valkey_url: str, redis: Redis, database_url: str) -> None:
    async with running(valkey_url, database_url) as actor:
        assert await actor.drain(PATIENCE_S)
        assert not (await actor.standing()).stuck
        database = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        database.execute("ALTER TABLE journal RENAME TO journal_away")
        with pytest.raises(DatabaseUnavailable):
            await actor.take_spooled([refusal("e1")])
        assert (await actor.standing()).stuck
        database.execute("ALTER TABLE journal_away RENAME TO journal")
        database.close()
        await actor.take_spooled([refusal("e1")])
        async with asyncio.timeout(PATIENCE_S):
            while (await actor.standing()).stuck:  # noqa: ASYNC110 - the actor tells it only when asked
                await asyncio.sleep(0.01)


def numbered(first: int, last: int, lane: LaneId = LANE) -> list[ScanRefused]:
    return [replace(refusal(f"{lane}:{number}"), lane_id=lane, lane_seq=number) for number in range(first, last + 1)]


async def test_how_far_sql_is_stands_in_the_ledger_lane_by_lane(
    ledger: RedisLedger, redis: Redis, valkey_url: str, database_url: str
) -> None:
    other = LaneId("l2")
    async with running(valkey_url, database_url) as actor:
        await ledger.append([*numbered(1, 300), *numbered(1, 7, other), refusal("of no lane")])
        assert await actor.drain(PATIENCE_S)
        assert await redis.hgetall(KEYS.stored) == {b"l1": b"300", b"l2": b"7"}


async def test_what_is_told_past_the_stream_is_stored_once_and_answered(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    events = numbered(1, 20)
    async with running(valkey_url, database_url) as actor:
        await ledger.append(events[:10])
        assert await actor.drain(PATIENCE_S)
        streamed = await store.last_stream_id()
        assert await actor.take_spooled(events[5:]) == {LANE: 20}
        assert await actor.take_spooled(events) == {LANE: 20}
        assert await actor.take_spooled([]) == {}
        await ledger.append(events[10:])  # and by the stream as well
        assert await actor.drain(PATIENCE_S)
        assert await redis.hgetall(KEYS.stored) == {b"l1": b"20"}
    assert await stored(store) == events
    assert await store.last_stream_id() == streamed


async def test_events_are_taken_past_a_ledger_that_is_away(store: JournalStore, short_folder: Path, database_url: str) -> None:
    async with running(f"unix://{short_folder}/nobody.sock", database_url) as actor:
        assert await actor.take_spooled(numbered(1, 3)) == {LANE: 3}
    assert await stored(store) == numbered(1, 3)


async def test_while_sql_is_away_nothing_is_lost_and_afterwards_everything_drains(
    ledger: RedisLedger, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    """Somebody else writes to SQLite for longer than a writer waits."""
    streamed, spooled = numbered(1, 3_000), numbered(1, 500, LaneId("l2"))
    async with running(valkey_url, database_url) as actor:
        lock = Database(database_url)
        async with lock.write():
            await ledger.append(streamed)
            with pytest.raises(DatabaseUnavailable):
                await actor.take_spooled(spooled)
            assert not await stored(store)
        await lock.dispose()
        assert await actor.take_spooled(spooled) == {LaneId("l2"): 500}
        assert await actor.drain(PATIENCE_S)
    assert await store.count() == 3_500
    assert await store.duplicates() == 0
