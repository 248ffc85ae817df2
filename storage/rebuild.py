"""Rebuilding the ledger from SQL after it lost its memory, before anybody decides on it again (the epoch fence).

The ledger has lost something when it has no epoch (it is empty), or when its stream does not hold the entry that SQL stored
last (the end of its append-only file was lost with the power). Newer entries prove nothing: a lane may have appended first.
Trimming never takes that entry away; after a rebuild, which begins with an empty tail, the epoch itself names it.

The epoch is `<version> <last stored stream id> <term>`. Two steps, so that gates may go on without the ledger in between:
`begin_rebuild` writes every ticket as SQL has it, which takes its time; `finish_rebuild` writes what was touched since, the
lanes, and at last the epoch. Between them gates tell SQL what they did, and decide nowhere during the second.
"""

import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.clock import Clock
from resort.errors import LedgerUnavailable
from resort.ids import EventId, GrantId, LaneId
from resort.messages import GrantOutcomeUnknown, encode_event
from resort.ports import LaneMemory
from storage.journal_sql import PAST_STREAM, JournalStore
from storage.journal_stream import FIRST, JournalStream, stream_order
from storage.ledger_books import BookedTicket, LedgerBooks
from storage.past_stream import store_spools
from storage.redis_ledger import LedgerKeys

BATCH = 500
LEFT_BEHIND = timedelta(days=2)  # those from before were settled by rebuilds before
_log = logging.getLogger("snowgate.ledger")


class Rebuild(msgspec.Struct, frozen=True):
    """A rebuild that was begun. `version` is of every ticket, `since` the place in SQL up to which the ledger has all."""

    version: int
    since: int
    tickets: int
    term: int  # that the ledger had before, 0 if it knows none


async def recover_ledger(
    redis: Redis, site: str, journal: JournalStore, books: LedgerBooks, clock: Clock, spools: Path
) -> int | None:
    """Before a site opens: bring what streams and spools hold into SQL, and rebuild the ledger if it has lost anything. A
    ledger whose stream looks whole may still lack its newest entries, if SQL had not taken them; the spools have them. And it
    may lack what gates decided without it until the site was closed; SQL knows higher numbers of their lanes then.

    Answers and raises as `ensure_ledger` does.
    """
    stored = await journal.last_stream_id()
    if await is_whole(redis, site, stored):
        await _store_stream(redis, site, journal, stored)
    new = await store_spools(journal, books, spools)
    if new:
        _log.warning("%s events were in spools only", new)
    doubted = new > 0 or await _is_behind(redis, site, await books.lane_memories())
    return await ensure_ledger(redis, site, journal, books, clock, doubted=doubted)


async def ensure_ledger(
    redis: Redis,
    site: str,
    journal: JournalStore,
    books: LedgerBooks,
    clock: Clock,
    term: int = 0,
    *,
    doubted: bool = False,
) -> int | None:
    """Rebuild the ledger if it has lost anything, or is `doubted` (SQL learned of events that it may not have had). Answers
    the number of tickets written, None when nothing was lost.

    For when nobody decides without the ledger. Raises LedgerUnavailable or DatabaseUnavailable; the ledger then stays fenced
    and the call can be repeated.
    """
    if not doubted and await is_whole(redis, site, await journal.last_stream_id()):
        return None
    rebuild = await begin_rebuild(redis, site, journal, books, clock)
    await finish_rebuild(redis, site, journal, books, rebuild, max(term, rebuild.term))
    return rebuild.tickets


async def is_whole(redis: Redis, site: str, stored: str) -> bool:
    """Whether the ledger has its epoch, and in its stream the entry `stored` that SQL took last. Raises LedgerUnavailable."""
    keys = LedgerKeys(site)
    try:
        epoch: Any = await redis.get(keys.epoch)
        if epoch is None:
            return False
        if stream_order(stored) == (0, 0) or epoch.decode().split(" ")[1:2] == [stored]:
            return True
        return bool(await redis.xrange(keys.journal, min=stored, max=stored))
    except (RedisError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error


async def _is_behind(redis: Redis, site: str, memories: Mapping[LaneId, LaneMemory]) -> bool:
    """Whether the ledger lacks events of lanes that SQL has."""
    keys = LedgerKeys(site)
    pipeline = redis.pipeline(transaction=False)
    for lane_id in memories:
        pipeline.hget(keys.lane(lane_id), "s")
    try:
        numbers: list[Any] = await pipeline.execute()
    except (RedisError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error
    return any(memory.last_seq > int(number or 0) for memory, number in zip(memories.values(), numbers, strict=True))


async def begin_rebuild(redis: Redis, site: str, journal: JournalStore, books: LedgerBooks, clock: Clock) -> Rebuild:
    """Put up the fence, store what the stream still holds, and write every ticket. Raises LedgerUnavailable or
    DatabaseUnavailable; begin anew then."""
    keys = LedgerKeys(site)
    try:
        epoch: Any = await redis.getdel(keys.epoch)
        # Whatever the stream still holds belongs into SQL before usage is folded: only the epoch may have been lost. From its
        # very beginning, as ids of a stream that lost its tail may lie before what SQL has.
        await _store_stream(redis, site, journal, FIRST)
        await _settle_left_behind(journal, books, clock)
        since = await journal.last_seq()
        # A fresh starting version: a lane that still holds a record from before the loss can never compare equal.
        # Random within the millisecond, so that not even a clock that was set back meets the same number again.
        version = int(clock.now().at.timestamp() * 1000) * 1000 + secrets.randbelow(1000)
        written = await _write_tickets(redis, keys, books.tickets(), version)
    except (RedisError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error
    parts = [] if epoch is None else epoch.decode().split(" ")
    return Rebuild(version, since, written, int(parts[2]) if len(parts) > 2 else 0)


async def finish_rebuild(
    redis: Redis, site: str, journal: JournalStore, books: LedgerBooks, rebuild: Rebuild, term: int
) -> int:
    """Write what SQL learned since `begin_rebuild`, the lanes, and the epoch. Answers its term, at least `term`.

    From then on the ledger is decided on. Nobody may decide anywhere else meanwhile. Raises LedgerUnavailable (the epoch may
    then be there or not) or DatabaseUnavailable.
    """
    keys = LedgerKeys(site)
    try:
        # A version of their own: what somebody read in between must not compare equal either.
        written = await _write_tickets(redis, keys, books.tickets_since(rebuild.since), rebuild.version + 1)
        await _write_lanes(redis, keys, await books.lane_memories())
        stored = await journal.last_stream_id()
        await _advance_stream(redis, keys, stored)
        # In SQL first: a gate that starts while the ledger does not answer begins a term above it.
        term = max(term, await books.latest_term())
        await books.note_term(term)
        await redis.set(keys.epoch, f"{rebuild.version} {stored} {term}")
    except (RedisError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error
    _log.info("the ledger was rebuilt from SQL: %s tickets, %s of them again, term %s", rebuild.tickets, written, term)
    return term


async def _settle_left_behind(journal: JournalStore, books: LedgerBooks, clock: Clock) -> None:
    """Nobody tells any more what became of a grant that a ledger carried out unheard and whose lane went on without it: its
    ticket would be in use for ever."""
    now = clock.now().at
    for grant in await books.grants_left_behind(now - LEFT_BEHIND):
        told = GrantOutcomeUnknown(
            event_id=EventId(f"left-behind-{grant.event_id}"),
            caused_by=grant.event_id,
            at=now,
            gate_id=grant.gate_id,
            lane_id=grant.lane_id,
            grant_id=GrantId(grant.event_id),
            ticket_id=grant.ticket_id,
            detail="its lane never heard of it",
        )
        _log.warning("grant %s was left behind by lane %s: its outcome is unknown", grant.event_id, grant.lane_id)
        await journal.store([(PAST_STREAM, told)])


async def _store_stream(redis: Redis, site: str, journal: JournalStore, last: str) -> None:
    """Store what the stream holds behind `last`, while nobody adds to it."""
    stream = JournalStream(redis, site)
    while entries := await stream.read_after(last, BATCH, wait_ms=0):
        await journal.store([(entry.stream_id, entry.event) for entry in entries if entry.event is not None])
        last = entries[-1].stream_id


async def _write_tickets(redis: Redis, keys: LedgerKeys, tickets: AsyncIterator[BookedTicket], version: int) -> int:
    written = 0
    pipeline = redis.pipeline(transaction=False)
    async for ticket_id, allowed, usage in tickets:
        columns: dict[Any, Any] = {"v": version, "e": msgspec.json.encode(allowed), "u": msgspec.json.encode(usage)}
        pipeline.hset(keys.ticket(ticket_id), mapping=columns)
        written += 1
        if written % BATCH == 0:
            await pipeline.execute()
    await pipeline.execute()
    return written


async def _write_lanes(redis: Redis, keys: LedgerKeys, memories: Mapping[LaneId, LaneMemory]) -> None:
    pipeline = redis.pipeline(transaction=False)
    pipeline.delete(keys.stored)
    for lane_id, memory in memories.items():
        grant = memory.open_grant
        fields: dict[Any, Any] = {"g": b"" if grant is None else encode_event(grant), "s": memory.last_seq}
        if memory.counter_in is not None:
            fields["in"] = memory.counter_in
        if memory.counter_out is not None:
            fields["out"] = memory.counter_out
        pipeline.delete(keys.lane(lane_id))
        pipeline.hset(keys.lane(lane_id), mapping=fields)
        pipeline.hset(keys.stored, lane_id, str(memory.last_seq))
    await pipeline.execute()


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


def _unavailable(error: Exception) -> LedgerUnavailable:
    return LedgerUnavailable("The admission ledger", str(error).rstrip("."))
