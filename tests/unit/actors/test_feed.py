"""The feed actor as a plain object on a real Valkey and a real SQLite file; no gate actor is there to be asked."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ray._private import auto_init_hook
from redis.asyncio import Redis

from actors.feed import FeedActor
from resort.clock import SystemClock
from resort.errors import Unavailable
from resort.feed import Delta, FeedFrame, Heartbeat, LaneView, Snapshot
from resort.ids import EventId, GateId, GrantId, LaneId, TicketId
from resort.messages import JournalEvent, LaneChanged, PassageConfirmed
from sim.ticket_shop import shop_site
from storage.database import Database
from storage.journal_sql import PAST_STREAM, JournalStore
from storage.journal_stream import JournalStream
from storage.migrate import upgrade
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger
from storage.valkey_server import ValkeyServer

SITE = "test"
LANE = LaneId("g1")
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _ray_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the first `ray.get_actor` of a process would start a whole cluster."""
    monkeypatch.setattr(auto_init_hook, "enable_auto_connect", False)


def head(event_id: str) -> dict[str, object]:
    at = SystemClock().now().at  # the feed counts the present day
    return {"event_id": EventId(event_id), "caused_by": "scan", "at": at, "gate_id": GateId("g"), "lane_id": LANE}


def passage(number: int) -> PassageConfirmed:
    whole = head(f"e{number}")
    ticket = TicketId(f"{number:016x}")
    return PassageConfirmed(**whole, grant_id=GrantId(f"grant{number}"), ticket_id=ticket, counter_in=number)  # type: ignore[arg-type]


def changed(detail: str) -> LaneChanged:
    return LaneChanged(**head(f"changed:{detail}"), state="ready", detail=detail)  # type: ignore[arg-type]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/snowgate.db"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[JournalStore]:
    await upgrade(database_url)
    database = Database(database_url)
    yield JournalStore(database)
    await database.dispose()


@pytest.fixture
async def ledger(redis: Redis, valkey_url: str) -> AsyncIterator[RedisLedger]:
    await redis.set(LedgerKeys(SITE).epoch, "1 0-0")
    ledger = RedisLedger(connect(valkey_url), SITE)
    yield ledger
    await ledger.close()


@asynccontextmanager
async def running(redis_url: str, database_url: str) -> AsyncIterator[FeedActor]:
    feed = FeedActor(shop_site(), redis_url, database_url, SITE)
    await feed.start()
    try:
        yield feed
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await feed.close()


async def store_all(redis: Redis, store: JournalStore) -> None:
    """What the journal writer does."""
    entries = await JournalStream(redis, SITE).read_after(await store.last_stream_id(), 1000, wait_ms=0)
    await store.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])


async def snapshot(feed: FeedActor) -> Snapshot:
    async with asyncio.timeout(PATIENCE_S):
        await feed._loaded.wait()  # on a starved machine that takes longer than a console waits
    frame = await feed.next_frame(None)
    assert isinstance(frame, Snapshot)
    return frame


async def lane_when_it_says(feed: FeedActor, detail: str) -> LaneView:
    """The lane once the event with this detail, and so all before it, arrived."""
    async with asyncio.timeout(PATIENCE_S):
        frame = await snapshot(feed)
        while frame.lanes[0].detail.en != detail:
            await feed.next_frame(frame.version)
            frame = await snapshot(feed)
    return frame.lanes[0]


async def after_heartbeats(feed: FeedActor, version: int) -> FeedFrame:
    async with asyncio.timeout(PATIENCE_S):
        while isinstance(frame := await feed.next_frame(version), Heartbeat):
            assert frame.version == version
    return frame


async def unavailable(feed: FeedActor) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await feed.next_frame((await snapshot(feed)).version)


async def test_counts_are_what_sql_holds_plus_the_tail_of_the_stream_after_every_restart(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    events: list[JournalEvent] = [passage(1), passage(2)]
    await ledger.append(events)
    await store_all(redis, store)
    await ledger.append([passage(3), changed("first")])
    async with running(valkey_url, database_url) as feed:
        assert (await lane_when_it_says(feed, "first")).passages == 3
        await store_all(redis, store)
        await ledger.append([passage(4), changed("second")])
        assert (await lane_when_it_says(feed, "second")).passages == 4
    await ledger.append([passage(5), changed("third")])
    async with running(valkey_url, database_url) as feed:
        assert (await lane_when_it_says(feed, "third")).passages == 5
    await store_all(redis, store)
    async with running(valkey_url, database_url) as feed:
        assert (await snapshot(feed)).lanes[0].passages == 5


async def test_a_newcomer_gets_a_snapshot_only_after_the_counts_are_loaded(
    redis: Redis, valkey_url: str, database_url: str
) -> None:
    async with running(valkey_url, database_url) as feed:  # SQL has no tables yet
        with pytest.raises(Unavailable):
            await feed.next_frame(None)
        await upgrade(database_url)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    frame = await snapshot(feed)
                except Unavailable:
                    continue  # each attempt waits for the loading
                break
    assert [lane.lane_id for lane in frame.lanes] == [LANE]


async def test_an_event_becomes_a_delta_for_who_waits(
    ledger: RedisLedger, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    async with running(valkey_url, database_url) as feed:
        version = (await snapshot(feed)).version
        waiting = asyncio.create_task(after_heartbeats(feed, version))
        await ledger.append([passage(1)])
        frame = await waiting
        figures = await feed.figures()
    assert isinstance(frame, Delta)
    assert (frame.since, frame.version > version) == (version, True)
    assert [(lane.lane_id, lane.passages) for lane in frame.lanes] == [(LANE, 1)]
    assert [(gate.gate_id, gate.passages) for gate in frame.gates] == [("g", 1)]
    assert figures.passages == {LANE: 1}


async def test_without_news_a_heartbeat_comes(redis: Redis, store: JournalStore, valkey_url: str, database_url: str) -> None:
    async with running(valkey_url, database_url) as feed:
        assert await feed.ping()
        version = (await snapshot(feed)).version
        frame = await feed.next_frame(version)
    assert isinstance(frame, Heartbeat)
    assert frame.version == version


async def test_an_entry_that_is_no_event_does_not_stop_the_feed(
    ledger: RedisLedger, redis: Redis, store: JournalStore, valkey_url: str, database_url: str
) -> None:
    async with running(valkey_url, database_url) as feed:
        await redis.xadd(LedgerKeys(SITE).journal, {"e": b"\xff"})
        await ledger.append([passage(1), changed("after")])
        assert (await lane_when_it_says(feed, "after")).passages == 1


async def spooled(store: JournalStore, *events: JournalEvent) -> None:
    """What the journal does with events that come past the stream."""
    await store.store([(PAST_STREAM, event) for event in events])


async def test_while_the_stream_is_away_the_feed_follows_sql_and_counts_nothing_twice_when_it_returns(
    store: JournalStore, short_folder: Path, database_url: str
) -> None:
    server = ValkeyServer(short_folder / "data", short_folder / "s.sock")
    async with running(server.url, database_url) as feed:
        version = (await snapshot(feed)).version
        waiting = asyncio.create_task(after_heartbeats(feed, version))
        await spooled(store, passage(1), changed("first"))
        assert isinstance(await waiting, Delta), "the board is live without the stream"
        assert (await lane_when_it_says(feed, "first")).passages == 1
        await server.start()
        redis, ledger = connect(server.url), RedisLedger(connect(server.url), SITE)
        try:
            await redis.set(LedgerKeys(SITE).epoch, "1 0-0")
            await ledger.append([passage(1), passage(2), changed("second")])  # the first one is told by both
            assert (await lane_when_it_says(feed, "second")).passages == 2
            await store_all(redis, store)
            await spooled(store, changed("third"))  # behind the others in SQL: they were read there too
            assert (await lane_when_it_says(feed, "third")).passages == 2
            figures = await feed.figures()
        finally:
            await redis.aclose()
            await ledger.close()
            await server.stop()
    assert figures.passages == {LANE: 2}


async def test_what_came_to_sql_past_a_stream_that_has_it_too_is_counted_once(
    redis: Redis, store: JournalStore, ledger: RedisLedger, valkey_url: str, database_url: str
) -> None:
    """The journal was so slow that the lane told SQL itself, and then the feed was started again."""
    await ledger.append([passage(1)])
    await spooled(store, passage(1), passage(2))
    await ledger.append([changed("after")])
    async with running(valkey_url, database_url) as feed:
        assert (await lane_when_it_says(feed, "after")).passages == 2


async def test_without_stream_and_sql_the_feed_is_unavailable(
    store: JournalStore, short_folder: Path, database_url: str
) -> None:
    async with running(f"unix://{short_folder}/nobody.sock", database_url) as feed:
        await snapshot(feed)
        database = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        database.execute("DROP TABLE journal")
        database.close()
        with pytest.raises(Unavailable, match="neither"):
            await unavailable(feed)
