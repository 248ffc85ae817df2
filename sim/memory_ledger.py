"""The admission ledger in memory: the same promises as the Redis one, for tests, virtual days and benches."""

from collections.abc import Sequence

import msgspec

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.ids import EventId, LaneId, TicketId
from resort.messages import GrantIssued, GrantOutcome, JournalEvent
from resort.ports import Conflict, LaneMemory, accounted

_EMPTY = LaneMemory(open_grant=None, counter_in=None, counter_out=None)


class MemoryLedger:
    """Tickets, lane memories and the journal as plain containers. `compare` False is the negative control of single use."""

    def __init__(self, *, compare: bool = True) -> None:
        self.tickets: dict[TicketId, TicketRecord] = {}
        self.journal: list[JournalEvent] = []
        self._lanes: dict[LaneId, LaneMemory] = {}
        self._last_event: dict[TicketId, EventId] = {}
        self._compare = compare

    def sell(self, ticket_id: TicketId, entitlement: Entitlement) -> None:
        """Make a ticket known."""
        self.tickets[ticket_id] = TicketRecord(1, entitlement, Usage())

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands."""
        return self.tickets.get(ticket_id)

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set, append, remember the lane's open grant."""
        conflict = self._change(grant, expected, usage)
        if conflict is None:
            self._remember(grant.lane_id, open_grant=grant, counter_in=grant.counter_in)
        return conflict

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set, append, forget the lane's open grant."""
        conflict = self._change(outcome, expected, usage)
        if conflict is None:
            counter = getattr(outcome, "counter_in", None)
            self._remember(outcome.lane_id, open_grant=None, **({} if counter is None else {"counter_in": counter}))
        return conflict

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Append and remember counters."""
        for event in events:
            self.journal.append(event)
            if counters := accounted(event):
                self._remember(event.lane_id, **counters)

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        """What a restarted lane needs to know."""
        return self._lanes.get(lane_id, _EMPTY)

    def _change(self, event: GrantIssued | GrantOutcome, expected: TicketRecord, usage: Usage) -> Conflict | None:
        if self._last_event.get(event.ticket_id) == event.event_id:
            return None
        present = self.tickets.get(event.ticket_id)
        if self._compare and (present is None or present.version != expected.version):
            return Conflict(present)
        self.tickets[event.ticket_id] = TicketRecord(expected.version + 1, expected.entitlement, usage)
        self._last_event[event.ticket_id] = event.event_id
        self.journal.append(event)
        return None

    def _remember(self, lane_id: LaneId, **changes: object) -> None:
        self._lanes[lane_id] = msgspec.structs.replace(self._lanes.get(lane_id, _EMPTY), **changes)
