"""The admission ledger in memory: the same promises as the Redis one, for tests, virtual days and benches."""

from collections.abc import Sequence

import msgspec

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.ids import LaneId, TicketId
from resort.messages import GrantAnnulled, GrantIssued, GrantOutcome, JournalEvent, TicketEvent, TicketExited
from resort.ports import Conflict, LaneMemory, accounted

_EMPTY = LaneMemory(open_grant=None, counter_in=None, counter_out=None)


class MemoryLedger:
    """Tickets, lane memories and the journal as plain containers. `compare` False is the negative control of single use."""

    def __init__(self, *, compare: bool = True) -> None:
        self.tickets: dict[TicketId, TicketRecord] = {}
        self.journal: list[JournalEvent] = []
        self._lanes: dict[LaneId, LaneMemory] = {}
        self._compare = compare

    def sell(self, ticket_id: TicketId, entitlement: Entitlement) -> None:
        """Make a ticket known."""
        self.tickets[ticket_id] = TicketRecord(1, entitlement, Usage())

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands."""
        return self.tickets.get(ticket_id)

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """Compare and set, append, remember the lane's open grant."""
        return self._change(grant, expected, usage, open_grant=grant, counter_in=grant.counter_in)

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """Compare and set, append, forget the lane's open grant."""
        counter = getattr(outcome, "counter_in", None)
        counters = {} if counter is None else {"counter_in": counter}
        return self._change(outcome, expected, usage, open_grant=None, **counters)

    async def amend(self, event: GrantAnnulled | TicketExited, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set, append."""
        return self._change(event, expected, usage)

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Append and remember counters."""
        for event in events:
            if self._is_late(event):
                continue
            self.journal.append(event)
            last_seq = max(event.lane_seq, self._lanes.get(event.lane_id, _EMPTY).last_seq)
            self._remember(event.lane_id, last_seq=last_seq, **accounted(event))

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        """What a restarted lane needs to know."""
        return self._lanes.get(lane_id, _EMPTY)

    def _change(
        self, event: TicketEvent, expected: TicketRecord | None, usage: Usage | None, **changes: object
    ) -> Conflict | None:
        if self._is_late(event):
            return None
        if event.ticket_id is not None and expected is not None and usage is not None:
            present = self.tickets.get(event.ticket_id)
            if self._compare and (present is None or present.version != expected.version):
                return Conflict(present)
            self.tickets[event.ticket_id] = TicketRecord(expected.version + 1, expected.entitlement, usage)
        self.journal.append(event)
        last_seq = max(event.lane_seq, self._lanes.get(event.lane_id, _EMPTY).last_seq)
        self._remember(event.lane_id, last_seq=last_seq, **changes)
        return None

    def _is_late(self, event: JournalEvent) -> bool:
        return bool(event.lane_seq) and event.lane_seq <= self._lanes.get(event.lane_id, _EMPTY).last_seq

    def _remember(self, lane_id: LaneId, **changes: object) -> None:
        self._lanes[lane_id] = msgspec.structs.replace(self._lanes.get(lane_id, _EMPTY), **changes)
