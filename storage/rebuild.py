"""Rebuilding the ledger from SQL after it lost its memory, before anybody decides on it again (the epoch fence).

The ledger has lost something when it has no epoch (it is empty), or when its stream does not hold the entry that SQL stored
last (the end of its append-only file was lost with the power). Newer entries prove nothing: a lane may have appended first.
Trimming never takes that entry away; after a rebuild, which begins with an empty tail, the epoch itself names it.
"""

import logging
import secrets
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.access.entitlement import TicketRecord, Usage
from resort.access.usage import use
from resort.clock import Clock
from resort.errors import LedgerUnavailable
from resort.ids import TicketId
from resort.messages import GrantIssued, GrantOutcome, GrantReleased, JournalEvent, PassageConfirmed, encode_event
from resort.ports import accounted
from storage.journal_sql import JournalStore
from storage.journal_stream import FIRST, JournalStream, stream_order
from storage.orders_sql import TicketStore
from storage.redis_ledger import COUNTER_FIELDS, LedgerKeys

BATCH = 500
_log = logging.getLogger("snowgate.ledger")


async def ensure_ledger(redis: Redis, site: str, journal: JournalStore, tickets: TicketStore, clock: Clock) -> int | None:
    """Rebuild the ledger if it has lost anything. Answers the number of tickets written, None when nothing was lost.

    Raises LedgerUnavailable or DatabaseUnavailable; the ledger then stays fenced and the call can be repeated.
    """
    keys = LedgerKeys(site)
    stored = await journal.last_stream_id()
    try:
        if await _is_whole(redis, keys, stored):
            return None
        await _drain(redis, site, journal)
        stored = await journal.last_stream_id()
        return await _rebuild(redis, keys, journal, tickets, stored, clock)
    except (RedisError, OSError, TimeoutError) as error:
        raise LedgerUnavailable("The admission ledger", str(error).rstrip(".")) from error


async def _is_whole(redis: Redis, keys: LedgerKeys, stored: str) -> bool:
    epoch: Any = await redis.get(keys.epoch)
    if epoch is None:
        return False
    if stream_order(stored) == (0, 0) or epoch.decode().partition(" ")[2] == stored:
        return True
    return bool(await redis.xrange(keys.journal, min=stored, max=stored))


async def _drain(redis: Redis, site: str, journal: JournalStore) -> None:
    """Whatever the stream still holds belongs into SQL before usage is folded: only the epoch may have been lost. From its
    very beginning, as ids of a stream that lost its tail may lie before what SQL has. The fence is up meanwhile, so nothing
    is added behind our back."""
    await redis.delete(LedgerKeys(site).epoch)
    stream = JournalStream(redis, site)
    last = FIRST
    while entries := await stream.read_after(last, BATCH, wait_ms=0):
        batch = [(entry.stream_id, entry.event) for entry in entries if entry.event is not None]
        await journal.store(batch)
        last = entries[-1].stream_id


async def _rebuild(
    redis: Redis, keys: LedgerKeys, journal: JournalStore, tickets: TicketStore, stored: str, clock: Clock
) -> int:
    usage: dict[TicketId, Usage] = {}
    lanes: dict[str, dict[Any, Any]] = {}
    async for event in journal.ticket_events():
        if event.ticket_id is not None:
            usage[event.ticket_id] = use(usage.get(event.ticket_id, Usage()), event)
        if isinstance(event, GrantIssued | GrantOutcome):
            lanes.setdefault(str(event.lane_id), {})["g"] = encode_event(event) if isinstance(event, GrantIssued) else b""
    for newest in await journal.newest_of_lanes():
        _remember_counters(lanes.setdefault(str(newest.lane_id), {"g": b""}), newest)
    # A fresh starting version: a lane that still holds a record from before the loss can never compare equal.
    # Random within the millisecond, so that not even a clock that was set back meets the same number again.
    version = int(clock.now().at.timestamp() * 1000) * 1000 + secrets.randbelow(1000)
    written = 0
    pipeline = redis.pipeline(transaction=False)
    async for ticket_id, entitlement in tickets.entitlements():
        record = TicketRecord(version, entitlement, usage.get(ticket_id, Usage()))
        columns: dict[Any, Any] = {
            "v": record.version,
            "e": msgspec.json.encode(entitlement),
            "u": msgspec.json.encode(record.usage),
        }
        pipeline.delete(keys.ticket(ticket_id))
        pipeline.hset(keys.ticket(ticket_id), mapping=columns)
        written += 1
        if written % BATCH == 0:
            await pipeline.execute()
    for lane_id, fields in lanes.items():
        pipeline.hset(keys.lane(lane_id), mapping=fields)
    await pipeline.execute()
    await _advance_stream(redis, keys, stored)
    await redis.set(keys.epoch, f"{version} {stored}")
    _log.info("the ledger was rebuilt from SQL: %s tickets", written)
    return written


def _remember_counters(lane: dict[Any, Any], event: JournalEvent) -> None:
    counters = accounted(event)
    if isinstance(event, GrantIssued | PassageConfirmed | GrantReleased):
        counters = {"counter_in": event.counter_in}
    for name, counter in counters.items():
        lane[COUNTER_FIELDS[name]] = str(counter)
    lane["s"] = str(max(int(lane.get("s", 0)), event.lane_seq))


async def _advance_stream(redis: Redis, keys: LedgerKeys, stored: str) -> None:
    """Let new entries come after everything that SQL holds, even if the wall clock was set back meanwhile."""
    if stream_order(stored) == (0, 0):
        return
    if not await redis.exists(keys.journal):
        placeholder: Any = await redis.xadd(keys.journal, {"e": b""})
        await redis.xdel(keys.journal, placeholder)
        last = placeholder.decode()
    else:
        information: Any = await redis.xinfo_stream(keys.journal)
        last = information["last-generated-id"].decode()
    if stream_order(last) < stream_order(stored):
        await redis.execute_command("XSETID", keys.journal, stored)  # type: ignore[no-untyped-call]
