"""The journal actor: moves events from the stream to SQL, and rebuilds the ledger from SQL when it lost its memory.

Promise: an event leaves the stream only after SQL holds it; SQL holds each event id once, however often it was told and by
whichever way: by the stream, or past it from a lane's spool (`take_spooled`). Nothing is dropped: while SQL is away events
wait in the stream and in the spools. How far SQL is stands in the ledger, lane by lane, so that spools can forget. The
constructor's `start` is recovery: it goes on after the last stream id that SQL holds.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from actors.gate_lanes import GateLanes
from actors.gate_links import GateLink, LanesLink, spool_path
from actors.rejoin import Rejoin
from actors.tasks import lifelong
from resort.clock import SystemClock
from resort.errors import DatabaseUnavailable, LedgerUnavailable
from resort.guards import Guards
from resort.ids import GateId, LaneId
from resort.messages import JournalEvent
from storage.database import Database
from storage.journal_sql import JournalStore
from storage.journal_stream import JournalStream, stream_order
from storage.ledger_books import LedgerBooks
from storage.past_stream import store_past_stream
from storage.rebuild import begin_rebuild, finish_rebuild, is_whole
from storage.redis_client import connect
from storage.redis_ledger import ledger_term

BATCH = 1_000  # one transaction each; most hold what came within some milliseconds
WAIT_MS = 500
GATHER_S = 0.02  # between two transactions: events that come one by one are written by the handful
RETRY_S = 0.2
TRIM_EVERY_MS = 60_000
_log = logging.getLogger("snowgate.journal")


class JournalStanding(msgspec.Struct, frozen=True):
    """How far the writer is. `behind` is True while the stream holds events that SQL does not."""

    stored: int
    unreadable: int
    last_stored: str
    problem: str
    behind: bool
    stuck: bool = False  # events do not reach SQL by any way


class JournalActor:
    """One per site. `gates`: each with the first lane of every process that hosts its lanes. `ping` tells life; `drain` waits
    until SQL holds everything streamed so far."""

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        site_name: str,
        gates: Mapping[GateId, Sequence[LaneId]] = MappingProxyType({}),
        spools: str = "",
        guards: Guards = Guards(),  # noqa: B008 - frozen
    ) -> None:
        self._redis_url = redis_url
        self._database_url = database_url
        self._site_name = site_name
        self._gates = gates
        self._spools = spools
        self._guards = guards
        self._asked = 0  # the term in which the gates decide without the ledger, though it can be reached again
        self._clock = SystemClock()
        self._last = "0-0"  # read up to here
        self._last_stored = "0-0"  # the newest entry read that SQL holds
        self._stored = 0
        self._unreadable = 0
        self._problem = ""
        self._stuck = False
        self._advanced = asyncio.Condition()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the stores, rebuild the ledger where needed and begin to write."""
        self._redis = connect(self._redis_url)
        self._stream = JournalStream(self._redis, self._site_name)
        self._database = Database(self._database_url)
        self._store = JournalStore(self._database)
        self._books = LedgerBooks(self._database)
        gates = {gate_id: GateLink(gate_id) for gate_id in self._gates}
        lanes = {
            gate_id: GateLanes(gate_id, [LanesLink(first, spool_path(self._spools, first)) for first in hosts])
            for gate_id, hosts in self._gates.items()
        }
        redis, site, store, books = self._redis, self._site_name, self._store, self._books
        self._rejoin = Rejoin(
            gates,
            lanes,
            lambda: begin_rebuild(redis, site, store, books, self._clock),
            lambda events: store_past_stream(store, books, events),
            lambda rebuild, term: finish_rebuild(redis, site, store, books, rebuild, term),
            self._clock,
        )
        self._task = lifelong(self._write_for_ever(), "journal writer")

    async def ping(self) -> bool:
        """Proof of life."""
        return True

    async def standing(self) -> JournalStanding:
        """How far the writer is."""
        problem = self._problem
        try:
            behind = stream_order((await self._stream.position()).last_id) > stream_order(self._last)
        except LedgerUnavailable as error:
            behind, problem = True, str(error)
        return JournalStanding(self._stored, self._unreadable, self._last, problem, behind, self._stuck)

    async def drain(self, patience_s: float) -> bool:
        """Wait until SQL holds everything that was streamed when this was called; False if that takes longer."""
        try:
            target = stream_order((await self._stream.position()).last_id)
            async with asyncio.timeout(patience_s), self._advanced:
                await self._advanced.wait_for(lambda: stream_order(self._last) >= target)
        except (TimeoutError, LedgerUnavailable):
            return False
        return True

    async def take_spooled(self, events: Sequence[JournalEvent]) -> dict[LaneId, int]:
        """Store events past the stream; answers for each lane the number up to which SQL has what was told here.

        Tell each lane's events in their order, from the first that SQL may not have. Raises DatabaseUnavailable; tell them
        again then.
        """
        try:
            await store_past_stream(self._store, self._books, events)
        except DatabaseUnavailable:
            self._stuck = True
            raise
        self._stuck = False
        numbers = _numbers(events)
        await self._tell_stored(numbers)
        return numbers

    async def rejoin(self, term: int) -> None:
        """The gates decide without the ledger since `term`, and it can be reached again: give the tickets back to it, rebuilt.
        Returns at once."""
        self._asked = max(self._asked, term)

    async def close(self) -> None:
        """Stop writing and free the stores."""
        # The batch under way is finished: a cancelled SQL call would leave its connection in the air.
        self._closing = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._redis.aclose()
        await self._database.dispose()

    async def _write_for_ever(self) -> None:
        trimmed = self._clock.now()
        ready = False
        while not self._closing:
            try:
                if not ready or self._asked:
                    await self._make_whole()
                    self._last = self._last_stored = await self._store.last_stream_id()
                    if not self._guards.resume:
                        self._last = (await self._stream.position()).last_id
                    ready = True
                await self._write_once()
                now = self._clock.now()
                if now.ms_since(trimmed) > TRIM_EVERY_MS:
                    trimmed = now
                    await self._stream.trim_stored(await self._store.last_stream_id(), now)
                self._stuck = False
                self._tell("")
            except (LedgerUnavailable, DatabaseUnavailable) as error:
                self._stuck = isinstance(error, DatabaseUnavailable) or self._stuck
                ready = False  # it may come back empty
                self._tell(str(error))
                await asyncio.sleep(RETRY_S)

    async def _make_whole(self) -> None:
        """Nobody may decide on a ledger that lost something, or that the gates have left: they take it back together."""
        self._rejoin.about_to_run()
        whole = await is_whole(self._redis, self._site_name, await self._store.last_stream_id())
        term = await ledger_term(self._redis, self._site_name) if whole else None
        if term is None or term < self._asked:
            await self._rejoin.run()
        self._asked = 0

    async def _write_once(self) -> None:
        entries = await self._stream.read_after(self._last, BATCH, WAIT_MS)
        if not entries:
            # Nothing new for a while: a good moment to see that the ledger still has its memory.
            if not await is_whole(self._redis, self._site_name, self._last_stored):
                raise LedgerUnavailable("The admission ledger", "it lost its memory")
            return
        batch: list[tuple[str, JournalEvent]] = []
        for entry in entries:
            if entry.event is None:
                self._unreadable += 1
                _log.error("stream entry %s is no event of ours and stays only in the stream", entry.stream_id)
            else:
                batch.append((entry.stream_id, entry.event))
        if batch:
            self._stored += await self._store.store(batch)
            self._last_stored = batch[-1][0]
            await self._tell_stored(_numbers(event for _, event in batch))
        async with self._advanced:
            self._last = entries[-1].stream_id
            self._advanced.notify_all()
        if len(entries) < BATCH:
            await asyncio.sleep(GATHER_S)

    async def _tell_stored(self, numbers: dict[LaneId, int]) -> None:
        """Let spools forget. At the next batch if not now: what is told again does no harm."""
        with contextlib.suppress(LedgerUnavailable):
            await self._stream.tell_stored(numbers)

    def _tell(self, problem: str) -> None:
        """Log edges only."""
        if problem and not self._problem:
            _log.warning("the journal waits: %s", problem)
        elif self._problem and not problem:
            _log.info("the journal is written again")
        self._problem = problem


def _numbers(events: Iterable[JournalEvent]) -> dict[LaneId, int]:
    numbers: dict[LaneId, int] = {}
    for event in events:
        if event.lane_seq > numbers.get(event.lane_id, 0):
            numbers[event.lane_id] = event.lane_seq
    return numbers
