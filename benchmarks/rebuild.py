"""`snowgate bench rebuild`: how long a ledger that lost everything takes to be whole again, from SQL alone.

A day's tickets, three in five of them used, are put into SQLite; then an empty Valkey is filled from it as the journal does
while gates decide among themselves, and once more the last part, which gates hold still for. Beside it: the same hashes
written bare, and the same rows read bare. Measured with 10,000 tickets for each second asked for, 100,000 at most.
"""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
from redis.asyncio import Redis
from sqlalchemy import insert, select

from orchestrator.measured import Measured, machine
from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.clock import SystemClock
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, SeededIds, TicketId
from resort.messages import GrantIssued, JournalEvent, PassageConfirmed
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.ledger_books import LedgerBooks
from storage.migrate import upgrade
from storage.orders_sql import insert_tickets
from storage.rebuild import begin_rebuild, finish_rebuild
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys
from storage.tables import journal, orders
from storage.valkey_server import ValkeyServer

SITE = "bench"
TICKETS_PER_S, MOST = 10_000, 100_000
LANES = 10
DAY = date(2026, 12, 1)
OPENED = datetime(2026, 12, 1, 1, tzinfo=UTC)
TICKET = Entitlement("day", "adult", DAY, 1, ("standard",))
BATCH = 1_000
LATE = 2_000  # events that came while the gates went on: what they hold still for
TERM = 3
PATIENCE_S = 10.0


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it. Raises Unavailable."""
    number = min(MOST, round(seconds * TICKETS_PER_S))
    clock, ids = SystemClock(), SeededIds(f"bench {seed}")
    sold = [ids.ticket_id() for _ in range(number)]
    used = sold[: number * 3 // 5]
    with tempfile.TemporaryDirectory(prefix="snowgate-bench-") as name:
        folder = Path(name)
        database = Database(f"sqlite:///{folder}/snowgate.db")
        server = ValkeyServer(folder / "valkey", folder / "valkey.sock")
        await upgrade(f"sqlite:///{folder}/snowgate.db")
        await server.start()
        redis = connect(server.url, timeout_s=PATIENCE_S)
        try:
            told(f"writing {number} tickets and {2 * len(used)} events …")
            await _sell(database, sold)
            store, books = JournalStore(database), LedgerBooks(database)
            await _use(store, ids, used)
            told("rebuilding …")
            cpu, began = psutil.Process().cpu_times(), clock.now()
            rebuild = await begin_rebuild(redis, SITE, store, books, clock)
            rebuilt_ms, cpu_after = clock.now().ms_since(began), psutil.Process().cpu_times()
            began = clock.now()
            late = msgspec.structs.replace(rebuild, since=rebuild.since - LATE)
            await finish_rebuild(redis, SITE, store, books, late, TERM)
            finished_ms = clock.now().ms_since(began)
            told("measuring the limits …")
            began = clock.now()
            await _read_bare(database)
            read_ms = clock.now().ms_since(began)
            began = clock.now()
            await _write_bare(redis, sold)
            written_ms = clock.now().ms_since(began)
        finally:
            await redis.aclose()
            await server.stop()
            await database.dispose()
    figures = {
        "tickets": number,
        "events": 2 * len(used),
        "rebuilt_s": rebuilt_ms / 1000,
        "rebuilt_s_per_100000": rebuilt_ms / 1000 * MOST / number,
        "rebuilt_cpu_s": cpu_after.user + cpu_after.system - cpu.user - cpu.system,
        "held_still_s": finished_ms / 1000,
    }
    limits = {"sql_read_s": read_ms / 1000, "redis_write_s": written_ms / 1000}
    ratios = {"rebuilt_over_bare": round(rebuilt_ms / (read_ms + written_ms), 3)}
    return Measured("rebuild", seed, machine(), figures, limits, ratios)


async def _sell(database: Database, sold: list[TicketId]) -> None:
    order = {"order_id": "order", "channel": "bench", "state": "issued", "story": "[]", "product": "day", "day": DAY}
    money = {"total_minor": 1, "currency": "CNY", "quote": "{}", "created_at": OPENED, "expires_at": OPENED}
    async with database.write() as connection:
        await connection.execute(insert(orders).values(**order, **money))
        await insert_tickets(connection, "order", [(ticket_id, TicketRecord(1, TICKET, Usage())) for ticket_id in sold], OPENED)


async def _use(store: JournalStore, ids: SeededIds, used: list[TicketId]) -> None:
    batch: list[tuple[str, JournalEvent]] = []
    for place, event in enumerate(_passages(ids, used), 1):
        batch.append((f"{place}-0", event))
        if len(batch) == BATCH:
            await store.store(batch)
            batch = []
    await store.store(batch)


def _passages(ids: SeededIds, used: list[TicketId]) -> Iterator[JournalEvent]:
    """A grant and its passage for each, at the lanes in turn."""
    for index, ticket_id in enumerate(used):
        lane, turn = LaneId(f"lane-{index % LANES}"), index // LANES
        at = OPENED + timedelta(milliseconds=300 * index)
        grant = GrantIssued(
            event_id=EventId(ids.new("grant")),
            caused_by=ids.new("scan"),
            at=at,
            gate_id=GateId("north"),
            lane_id=lane,
            lane_seq=2 * turn + 1,
            ticket_id=ticket_id,
            scan_id=ScanId(ids.new("scan")),
            product="day",
            unit="adult",
            counter_in=turn,
            day=DAY,
        )
        yield grant
        yield PassageConfirmed(
            event_id=EventId(f"{grant.event_id}:outcome"),
            caused_by=grant.event_id,
            at=at,
            gate_id=grant.gate_id,
            lane_id=lane,
            lane_seq=2 * turn + 2,
            grant_id=GrantId(grant.event_id),
            ticket_id=ticket_id,
            counter_in=turn + 1,
            decision_ms=1.5,
            open_ms=12.5,
        )


async def _read_bare(database: Database) -> None:
    async with database.read() as connection:
        rows = await connection.execute(select(journal.c.body))
        rows.fetchall()


async def _write_bare(redis: Redis, sold: list[TicketId]) -> None:
    keys = LedgerKeys(f"{SITE}-bare")
    columns: dict[Any, Any] = {"v": 1, "e": msgspec.json.encode(TICKET), "u": msgspec.json.encode(Usage())}
    for start in range(0, len(sold), BATCH):
        pipeline = redis.pipeline(transaction=False)
        for ticket_id in sold[start : start + BATCH]:
            pipeline.hset(keys.ticket(ticket_id), mapping=columns)
        await pipeline.execute()
