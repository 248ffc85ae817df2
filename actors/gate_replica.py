"""A gate's copy of the tickets, kept near the ledger while that is well, so that the gate can take over when it is lost.

What the copy holds when the ledger is lost comes from three places that overlap: the stream as far as it was followed, what
the lanes' spools still have (they keep an event for `SPOOL_KEEPS_MS` after SQL has it), and SQL, which is asked where the first
two may leave something out: a gate that was too busy to follow, or that waited long before it could take over.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import date

from actors.spool_keeper import SPOOL_KEEPS_MS
from resort.access.replica import TicketReplica
from resort.access.service_day import site_day
from resort.clock import Clock, Moment
from resort.errors import DatabaseUnavailable, LedgerUnavailable
from resort.ids import EventId, LaneId
from resort.messages import JournalEvent, TicketEvent
from resort.site import Site
from storage.replica_source import ReplicaSource

FOLLOW_MS = 500
BATCH = 512
GATHER_S = 0.05  # between two reads: a hundred events a second then cost twenty reads of each gate, not a hundred
NEAR_MS = 1_500.0  # followed up to so long before the loss: with a patient spool nothing is left out
FENCED_MS = 3_000.0  # all lanes are fenced so soon after the loss; the two together stay under SPOOL_KEEPS_MS
AGAIN_S = 0.05
_log = logging.getLogger("snowgate.gate")
assert NEAR_MS + FENCED_MS < SPOOL_KEEPS_MS


class GateReplica:
    """One per gate. `at_ledger` tells the term in which the gate's lanes decide on the ledger, None when they do not;
    `lost` is told when the ledger does not answer."""

    def __init__(
        self, site: Site, source: ReplicaSource, clock: Clock, at_ledger: Callable[[], int | None], lost: Callable[[], None]
    ) -> None:
        self.tickets = TicketReplica()
        self.current = False  # it follows the ledger, or was taken over
        self._site = site
        self._source = source
        self._clock = clock
        self._at_ledger = at_ledger
        self._lost = lost
        self._followed = clock.now()  # the copy has everything that the stream had then

    def leave(self) -> None:
        """The ledger's versions began anew: read it again before anything else."""
        self.current = False

    async def read_sql(self) -> None:
        """Take everything from SQL. Raises DatabaseUnavailable."""
        self.tickets = await self._source.load_from_sql(self._today())
        self.current = True

    async def missed(self, left: Moment) -> list[TicketEvent]:
        """What happened before the ledger was `left` and neither the stream brought nor the spools may have any more. Ask once
        all lanes are fenced. Raises DatabaseUnavailable where that cannot be told without SQL."""
        behind = left.ms_since(self._followed) > NEAR_MS
        if not behind and self._clock.now().ms_since(left) < FENCED_MS:
            return []
        try:
            return await self._source.stored_past({lane.id: self._number(lane.id) for _, lane in self._site.lanes()})
        except DatabaseUnavailable:
            if behind:
                raise
            return []  # while the ledger is lost no spool forgets anything: it was only a long wait

    def take_over(self, events: Iterable[JournalEvent]) -> None:
        """Take what lanes did and the stream did not tell; the same event may come from several places."""
        by_id: dict[EventId, TicketEvent] = {event.event_id: event for event in events if isinstance(event, TicketEvent)}
        self.tickets.take_over(by_id.values())

    async def follow_for_ever(self) -> None:
        """Keep the copy near the ledger, whenever the lanes decide there."""
        position, term = "", None
        while True:
            if self._at_ledger() is None:
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                if self.current and term == self._at_ledger():
                    position = await self._follow(position, term)
                else:
                    term = self._at_ledger()
                    position = await self._load(term)
            except LedgerUnavailable:
                self._lost()
                await asyncio.sleep(AGAIN_S)

    # ---- parts

    async def _load(self, term: int | None) -> str:
        began = self._clock.now()
        tickets, position = await self._source.load(self._today())
        if self._at_ledger() == term:  # else it may be a mixture of two ledgers
            self.tickets, self.current, self._followed = tickets, True, began
        return position

    async def _follow(self, position: str, term: int | None) -> str:
        """Take the next entries of the stream; answers up to where it was followed."""
        began = self._clock.now()
        entries = await self._source.read_after(position, BATCH, FOLLOW_MS)
        for entry in entries:
            if not self.current or self._at_ledger() != term:
                return position
            if entry.event is not None:
                await self._take(entry.event, entry.version)
            position = entry.stream_id
        if len(entries) < BATCH:
            self._followed = began
            await asyncio.sleep(GATHER_S)
        return position

    async def _take(self, event: JournalEvent, version: int) -> None:
        gap = self.tickets.follow(event, version)
        if gap is None:
            return
        try:
            record = await self._source.read_ticket(gap)
        except LedgerUnavailable:
            self.current = False  # the lane's number says that its event is known, and the ticket does not show it
            raise
        if record is not None:
            self.tickets.learn(gap, record)

    def _number(self, lane_id: LaneId) -> int:
        return self.tickets.memory(lane_id).last_seq

    def _today(self) -> date:
        return site_day(self._clock.now().at, self._site)
