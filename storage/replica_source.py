"""Where a gate's replica gets its tickets from: the ledger and its stream while they are well, SQL while they are not.

Reading only. Which of the two is asked, and when, is the gate's business (`actors/gate_ledger.py`).
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.replica import TicketReplica
from resort.errors import LedgerUnavailable
from resort.ids import LaneId, TicketId
from resort.messages import TicketEvent
from storage.journal_stream import JournalStream, StreamEntry
from storage.ledger_books import LedgerBooks
from storage.redis_ledger import LedgerKeys, RedisLedger, ledger_term

SCAN_COUNT = 1_000
SQL_VERSION = 1 << 40  # above every version that a sale begins with: what a lane read before the loss never compares equal


class ReplicaSource:
    """Reads for one gate. `probe` and `follow` need their own connections, as the second one blocks."""

    def __init__(self, site: str, probing: Redis, following: Redis, books: LedgerBooks, lanes: list[LaneId]) -> None:
        self._site = site
        self._keys = LedgerKeys(site)
        self._probing = probing
        self._following = following
        self._stream = JournalStream(following, site)
        self._ledger = RedisLedger(following, site)
        self._books = books
        self._lanes = lanes

    async def term(self) -> int | None:
        """The term of the whole ledger; None when it has lost its memory. Raises LedgerUnavailable."""
        return await ledger_term(self._probing, self._site)

    async def latest_term(self) -> int:
        """The term of the newest ledger that was ever whole, as SQL knows it. Raises DatabaseUnavailable."""
        return await self._books.latest_term()

    async def load(self, today: date) -> tuple[TicketReplica, str]:
        """Everything the ledger has of today and later, and the stream id after which to follow. Raises LedgerUnavailable."""
        replica = TicketReplica()
        position = await self._stream.position()
        for lane_id in self._lanes:  # before the tickets: what a lane's number covers is in tickets that are read after it
            replica.learn_lane(lane_id, await self._ledger.lane_memory(lane_id))
        try:
            cursor = 0
            while True:
                answer: Any = await self._following.scan(cursor, match=self._keys.ticket("*"), count=SCAN_COUNT)
                cursor, names = answer
                await self._learn(replica, names, today)
                if cursor == 0:
                    return replica, position.last_id
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    async def read_after(self, stream_id: str, most: int, wait_ms: int) -> list[StreamEntry]:
        """The stream. Raises LedgerUnavailable."""
        return await self._stream.read_after(stream_id, most, wait_ms)

    async def read_ticket(self, ticket_id: TicketId) -> TicketRecord | None:
        """One ticket from the ledger. Raises LedgerUnavailable."""
        return await self._ledger.find(ticket_id)

    async def load_from_sql(self, today: date) -> TicketReplica:
        """Everything SQL has of today and later. Raises DatabaseUnavailable."""
        replica = TicketReplica()
        for lane_id, memory in (await self._books.lane_memories()).items():
            replica.learn_lane(lane_id, memory)
        async for ticket_id, entitlement, usage in self._books.tickets():
            if _last_day(entitlement) >= today:
                replica.learn(ticket_id, TicketRecord(SQL_VERSION, entitlement, usage))
        return replica

    async def stored_past(self, numbers: Mapping[LaneId, int]) -> list[TicketEvent]:
        """What SQL has of these lanes past these numbers, about tickets. Raises DatabaseUnavailable."""
        return await self._books.ticket_events_past(numbers)

    async def ticket_from_sql(self, ticket_id: TicketId) -> tuple[Entitlement, list[TicketEvent]] | None:
        """A ticket that was sold while the ledger was away, or just before, and its uses. Raises DatabaseUnavailable."""
        entitlement = await self._books.entitlement(ticket_id)
        if entitlement is None:
            return None
        return entitlement, (await self._books.ticket_events([ticket_id])).get(ticket_id, [])

    async def close(self) -> None:
        """Close the connections."""
        await self._ledger.close()
        await self._probing.aclose()

    async def _learn(self, replica: TicketReplica, names: list[bytes], today: date) -> None:
        pipeline = self._following.pipeline(transaction=False)
        for name in names:
            pipeline.hmget(name, ["v", "e", "u"])
        for name, (version, body, used) in zip(names, await pipeline.execute(), strict=True):
            if version is None:
                continue
            entitlement = msgspec.json.decode(body, type=Entitlement)
            if _last_day(entitlement) >= today:
                ticket_id = TicketId(name.decode().rpartition(":")[2])
                replica.learn(ticket_id, TicketRecord(int(version), entitlement, msgspec.json.decode(used, type=Usage)))


def _last_day(entitlement: Entitlement) -> date:
    return entitlement.valid_until or entitlement.valid_on


def _unavailable(error: Exception) -> LedgerUnavailable:
    return LedgerUnavailable("The admission ledger", str(error).rstrip("."))
