"""Rebuilding the ledger from SQL after it lost its memory, before anybody decides on it again (the epoch fence).

The ledger has lost something when it has no epoch (it is empty), or when its stream stands behind what SQL has stored (the
end of its append-only file was lost with the power).
"""

import logging
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.access.entitlement import TicketRecord, Usage, use
from resort.clock import Clock
from resort.errors import LedgerUnavailable
from resort.ids import TicketId
from resort.messages import GrantIssued, GrantOutcome, GrantOutcomeUnknown
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream, stream_order
from storage.orders_sql import TicketStore
from storage.redis_ledger import LedgerKeys

BATCH = 500
_log = logging.getLogger("snowgate.ledger")


async def ensure_ledger(redis: Redis, site: str, journal: JournalStore, tickets: TicketStore, clock: Clock) -> int | None:
    """Rebuild the ledger if it has lost anything. Answers the number of tickets written, None when nothing was lost.

    Raises LedgerUnavailable or DatabaseUnavailable; the ledger then stays fenced and the call can be repeated.
    """
    keys = LedgerKeys(site)
    stored = await journal.last_stream_id()
    try:
        whole = await redis.exists(keys.epoch)
    except (RedisError, OSError, TimeoutError) as error:
        raise LedgerUnavailable("The admission ledger", str(error).rstrip(".")) from error
    if whole and stream_order((await JournalStream(redis, site).position()).last_id) >= stream_order(stored):
        return None
    try:
        return await _rebuild(redis, keys, journal, tickets, stored, clock)
    except (RedisError, OSError, TimeoutError) as error:
        raise LedgerUnavailable("The admission ledger", str(error).rstrip(".")) from error


async def _rebuild(
    redis: Redis, keys: LedgerKeys, journal: JournalStore, tickets: TicketStore, stored: str, clock: Clock
) -> int:
    await redis.delete(keys.epoch)
    usage: dict[TicketId, Usage] = {}
    lanes: dict[str, dict[Any, Any]] = {}
    async for event in journal.ticket_events():
        usage[event.ticket_id] = use(usage.get(event.ticket_id, Usage()), event)
        _remember(lanes, event)
    # A fresh starting version: a lane that still holds a record from before the loss can never compare equal.
    version = int(clock.now().at.timestamp() * 1000)
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
    await redis.set(keys.epoch, f"{version}")
    _log.info("the ledger was rebuilt from SQL: %s tickets", written)
    return written


def _remember(lanes: dict[str, dict[Any, Any]], event: GrantIssued | GrantOutcome) -> None:
    lane = lanes.setdefault(str(event.lane_id), {"g": b""})
    lane["g"] = msgspec.json.encode(event) if isinstance(event, GrantIssued) else b""
    if not isinstance(event, GrantOutcomeUnknown):
        lane["in"] = str(event.counter_in)


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
