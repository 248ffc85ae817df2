"""Keeps a lane process's spool: what it may forget because SQL has it, and what must be told to SQL past the ledger.

While the ledger is well, events reach SQL by its stream, and the journal says how far it is. What SQL does not have after a
while, and everything while the ledger is lost, is sent to the journal directly; SQL keeps each event once.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from actors.ledger_links import CentralLedger, JournalLink
from actors.tasks import lifelong
from resort.clock import Clock, Moment
from resort.errors import LedgerUnavailable
from resort.ids import LaneId
from resort.messages import JournalEvent

TEND_S = 0.5
LATE_MS = 4_000.0  # what SQL does not have by then did not come by the stream
SPOOL_KEEPS_MS = 5_000.0  # after SQL has it: gates that follow the ledger's stream are behind it, and may have to take over
BATCH = 500
_log = logging.getLogger("snowgate.lane")


class DiskSpool(Protocol):
    """What a keeper needs of `storage.spool.Spool`."""

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Have events on disk. Raises SpoolFull."""
        ...

    def check_room(self) -> None:
        """Raises SpoolFull when a grant would find no room."""
        ...

    @property
    def percent_used(self) -> float:
        """How much of the room for grants is taken; 100: none is granted any more."""
        ...

    async def flushed(self) -> None:
        """Wait until nothing is on its way to the disk."""
        ...

    def unconfirmed(self) -> list[JournalEvent]:
        """What SQL may not have."""
        ...

    def confirm(self, stored: Mapping[LaneId, int]) -> None:
        """SQL has each lane's events up to these numbers."""
        ...

    def last_seq(self, lane_id: LaneId) -> int:
        """The highest number that a lane ever had here."""
        ...

    async def close(self) -> None:
        """Finish and let the file go."""
        ...


class SpoolKeeper:
    """One per lane process. `at_ledger` says whether the lanes decide on the central ledger now."""

    def __init__(
        self,
        spool: DiskSpool,
        lanes: Sequence[LaneId],
        central: CentralLedger,
        journal: JournalLink,
        clock: Clock,
        at_ledger: Callable[[], bool],
    ) -> None:
        self._spool = spool
        self._lanes = lanes
        self._central = central
        self._journal = journal
        self._clock = clock
        self._at_ledger = at_ledger
        self._told: dict[LaneId, int] = {}  # the highest number of each lane that SQL is known to have
        self._stored: deque[tuple[Moment, dict[LaneId, int]]] = deque()  # what SQL had, and when that was heard
        self._oldest: tuple[tuple[LaneId, int], Moment] | None = None  # the oldest event that SQL lacks, and since when
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tend the spool."""
        self._task = lifelong(self._tend_for_ever(), "spool")

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Have events on disk. Raises SpoolFull."""
        await self._spool.append(events)

    def check_room(self) -> None:
        """Raises SpoolFull when a grant, with all that may become of it, would find no room."""
        self._spool.check_room()

    @property
    def percent_used(self) -> float:
        """How much of the spool's room for grants is taken."""
        return self._spool.percent_used

    def unconfirmed(self) -> list[JournalEvent]:
        """What SQL may not have."""
        return self._spool.unconfirmed()

    def last_seq(self, lane_id: LaneId) -> int:
        """The highest number of a lane's events that the spool ever had."""
        return self._spool.last_seq(lane_id)

    async def flushed(self) -> None:
        """Wait until what was appended is on disk."""
        await self._spool.flushed()

    async def tend(self) -> None:
        """Forget what SQL has; tell it what it lacks."""
        at_ledger = self._at_ledger()
        with contextlib.suppress(LedgerUnavailable):
            if at_ledger:
                stored = await self._central.stored(self._lanes)
                # What was told past the ledger is kept while the gates decide: a lane that restarts folds it again.
                self._told = {lane: max(stored.get(lane, 0), self._told.get(lane, 0)) for lane in self._lanes}
                self._forget()
            waiting = self._waiting()
            if waiting and (not at_ledger or self._is_late(waiting[0])):
                await self._tell_sql(waiting)

    async def close(self) -> None:
        """Stop tending and give the file free."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._spool.close()

    def _forget(self) -> None:
        now = self._clock.now()
        self._stored.append((now, self._told))
        while self._stored and now.ms_since(self._stored[0][0]) > SPOOL_KEEPS_MS:
            self._spool.confirm(self._stored.popleft()[1])

    def _waiting(self) -> list[JournalEvent]:
        """What SQL was not yet heard to have."""
        return [event for event in self._spool.unconfirmed() if event.lane_seq > self._told.get(event.lane_id, 0)]

    async def _tell_sql(self, waiting: Sequence[JournalEvent]) -> None:
        for start in range(0, len(waiting), BATCH):
            self._told |= await self._journal.take_spooled(waiting[start : start + BATCH])

    def _is_late(self, first: JournalEvent) -> bool:
        now = self._clock.now()
        place = (first.lane_id, first.lane_seq)
        if self._oldest is None or self._oldest[0] != place:
            self._oldest = (place, now)
        return now.ms_since(self._oldest[1]) > LATE_MS

    async def _tend_for_ever(self) -> None:
        while True:
            await self.tend()
            await asyncio.sleep(TEND_S)
