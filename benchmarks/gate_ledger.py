"""The ledger of a bench's lanes, put together as a lane actor does it: the central one and a spool on disk beside it.

There is no gate to go to when the central ledger is lost, and no journal: what SQL has, and spools may forget, is said by
`journal_says_stored`, which takes every event for stored half a second later.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

from redis.asyncio import Redis

from actors.lane_ledger import LaneLedger
from actors.ledger_links import Route
from actors.spool_keeper import SpoolKeeper
from resort.access.entitlement import TicketRecord, Usage
from resort.clock import SystemClock
from resort.errors import LedgerUnavailable
from resort.ids import GateId, LaneId, TicketId
from resort.messages import JournalEvent, TicketEvent
from storage.redis_client import connect
from storage.redis_ledger import LedgerKeys, RedisLedger
from storage.spool import Spool

SPOOL_BYTES = 128 << 20  # lanes of a bench write half a second's events as fast as they can
STORED_S = 0.5


class NobodyElse:
    """A gate and a journal that are not there."""

    async def lost(self, route: Route) -> Route:
        """See `HomeGate`."""
        self._away()

    async def find(self, route: Route, ticket_id: TicketId) -> TicketRecord | None:
        """See `HomeGate`."""
        self._away()

    async def commit(self, route: Route, event: TicketEvent, expected: TicketRecord, usage: Usage) -> NoReturn:
        """See `HomeGate`."""
        self._away()

    async def memory(self, lane_id: LaneId) -> NoReturn:
        """See `HomeGate`."""
        self._away()

    async def take_spooled(self, events: Sequence[JournalEvent]) -> dict[LaneId, int]:
        """See `JournalLink`."""
        self._away()

    async def rejoin(self, term: int) -> None:
        """See `JournalLink`."""
        self._away()

    def _away(self) -> NoReturn:
        raise LedgerUnavailable("The bench", "it has neither gates nor a journal")


class BenchLedger:
    """One for each lane process. `lanes` is what lanes are given; `central` and `spool` are its parts."""

    def __init__(self, redis_url: str, patience_s: float, site: str, gate: GateId, spool: Path, lanes: Sequence[str]) -> None:
        """Takes the spool's file; blocks for some milliseconds."""
        clock, nobody = SystemClock(), NobodyElse()
        self.central = RedisLedger(connect(redis_url, patience_s), site)
        disk = Spool.open(spool, SPOOL_BYTES)
        ids = [LaneId(lane) for lane in lanes]
        self.spool = SpoolKeeper(disk, ids, self.central, nobody, clock, lambda: True)
        self.lanes = LaneLedger(self.central, self.spool, {gate: nobody}, gate, clock, Route("ledger", 0))
        self.spool.start()

    async def close(self) -> None:
        """Give the file back and hang up."""
        await self.lanes.close()
        await self.spool.close()
        await self.central.close()


@asynccontextmanager
async def journal_says_stored(redis: Redis, site: str, lanes: Sequence[str], always: Sequence[str] = ()) -> AsyncIterator[None]:
    """While the block runs, SQL is said to have what the ledger has of `lanes`, and anything of the lanes `always`."""
    keys = LedgerKeys(site)

    async def say() -> NoReturn:
        while True:
            pipeline = redis.pipeline(transaction=False)
            for lane in lanes:
                pipeline.hget(keys.lane(lane), "s")
            numbers = dict(zip(lanes, await pipeline.execute(), strict=True)) | dict.fromkeys(always, 2**53)
            stored: dict[Any, Any] = {lane: int(number) for lane, number in numbers.items() if number}
            if stored:  # nothing yet, at the beginning
                await redis.hset(keys.stored, mapping=stored)
            await asyncio.sleep(STORED_S)

    task = asyncio.create_task(say(), name="stored")
    try:
        yield
        if task.done() and (error := task.exception()) is not None:
            raise error  # spools grew without end, and what was measured is something else
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
