"""A gate's copy of the tickets that may be shown today, and of what the lanes last did. Pure.

While the ledger is well a replica follows its journal stream, one version of a ticket after the other. When the ledger is
lost, it takes over what the stream did not bring any more from the lanes' spools (`take_over`) and is then the place where
the tickets of one home gate are decided on, with the same compare-and-set.
"""

from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.access.lane_memory import NO_MEMORY, remember
from resort.access.reconcile import fold_usage
from resort.access.usage import use
from resort.ids import GrantId, LaneId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcome,
    JournalEvent,
    TicketChanged,
    TicketEvent,
    TicketIssued,
)
from resort.ports import Conflict, LaneMemory

_UNUSED = Usage()
replace = msgspec.structs.replace


class TicketReplica:
    """Tickets by id and lane memories by lane. Records and entitlements that are equal are held once."""

    def __init__(self) -> None:
        self._tickets: dict[TicketId, TicketRecord] = {}
        self._lanes: dict[LaneId, LaneMemory] = {}
        self._entitlements: dict[Entitlement, Entitlement] = {}
        self._unplaced: dict[TicketId, list[TicketEvent]] = {}  # what was done with tickets that are not known here yet

    def __len__(self) -> int:
        return len(self._tickets)

    # ---- loading

    def learn(self, ticket_id: TicketId, record: TicketRecord) -> None:
        """Take a ticket as a store has it, unless a newer version is known."""
        known = self._tickets.get(ticket_id)
        if known is not None and known.version >= record.version:
            return
        usage = _UNUSED if record.usage == _UNUSED else record.usage
        self._tickets[ticket_id] = TicketRecord(record.version, self._shared(record.entitlement), usage)

    def learn_sold(self, ticket_id: TicketId, version: int, entitlement: Entitlement, events: Iterable[TicketEvent]) -> None:
        """Take a ticket that was sold so shortly before that no store brought it here, with what SQL and lanes tell of it."""
        usage = fold_usage([*events, *self._unplaced.pop(ticket_id, [])])
        self.learn(ticket_id, TicketRecord(version, entitlement, usage))

    def learn_lane(self, lane_id: LaneId, memory: LaneMemory) -> None:
        """Take a lane's memory as a store has it, unless a newer one is known."""
        if memory.last_seq >= self.memory(lane_id).last_seq:
            self._lanes[lane_id] = memory

    def forget_before(self, day: date) -> None:
        """Forget tickets whose last day is before `day`."""
        gone = [
            ticket_id
            for ticket_id, record in self._tickets.items()
            if (record.entitlement.valid_until or record.entitlement.valid_on) < day and record.usage.open is None
        ]
        for ticket_id in gone:
            del self._tickets[ticket_id]
        self._entitlements = {record.entitlement: record.entitlement for record in self._tickets.values()}

    # ---- following the stream

    def follow(self, event: JournalEvent, version: int) -> TicketId | None:
        """Take one entry of the stream; answers the ticket whose versions have a gap and must be read again, if any."""
        if event.lane_id:
            self._lanes[event.lane_id] = remember(self.memory(event.lane_id), event)
        if isinstance(event, TicketIssued):
            self.learn(event.ticket_id, TicketRecord(version, event.entitlement, _UNUSED))
            return None
        if not isinstance(event, TicketEvent | TicketChanged) or event.ticket_id is None:
            return None
        known = self._tickets.get(event.ticket_id)
        if known is not None and version <= known.version:
            return None
        if known is None or version != known.version + 1:
            return event.ticket_id
        self._tickets[event.ticket_id] = _changed(known, event)
        return None

    # ---- taking over

    def take_over(self, events: Iterable[TicketEvent]) -> None:
        """Take what lanes did and the stream did not tell. An event that is not above its lane's number is known already.

        Grants of one ticket at several lanes followed each other, each after the outcome of the one before. So they are
        taken in that order, whatever order they come in: first those with an outcome, the open one last.
        """
        by_ticket: dict[TicketId, list[TicketEvent]] = {}
        by_lane: dict[LaneId, list[TicketEvent]] = {}
        for event in events:
            if event.lane_seq > self.memory(event.lane_id).last_seq:
                by_lane.setdefault(event.lane_id, []).append(event)
                if event.ticket_id is not None:
                    by_ticket.setdefault(event.ticket_id, []).append(event)
        for ticket_id, of_ticket in by_ticket.items():
            known = self._tickets.get(ticket_id)
            if known is not None:
                usage = fold_late(known.usage, of_ticket)
                self._tickets[ticket_id] = TicketRecord(known.version + len(of_ticket), known.entitlement, usage)
            else:
                self._unplaced.setdefault(ticket_id, []).extend(of_ticket)
        for lane_id, of_lane in by_lane.items():
            memory = self.memory(lane_id)
            for event in sorted(of_lane, key=lambda event: event.lane_seq):
                memory = remember(memory, event)
            self._lanes[lane_id] = memory

    # ---- deciding

    def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands here."""
        return self._tickets.get(ticket_id)

    def commit(self, event: TicketEvent, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set, as the ledger's script does it; None: stored, now or before."""
        if event.lane_seq and event.lane_seq <= self.memory(event.lane_id).last_seq:
            return None
        if event.ticket_id is not None:
            known = self._tickets.get(event.ticket_id)
            if known is None or known.version != expected.version:
                return Conflict(known)
            self._tickets[event.ticket_id] = TicketRecord(known.version + 1, known.entitlement, usage)
        self._lanes[event.lane_id] = remember(self.memory(event.lane_id), event)
        return None

    def change(self, change: TicketChanged) -> bool:
        """Give a ticket its new status; False when it is not known."""
        known = self._tickets.get(change.ticket_id)
        if known is None:
            return False
        if known.entitlement.status != change.status:
            self._tickets[change.ticket_id] = _changed(known, change)
        return True

    def memory(self, lane_id: LaneId) -> LaneMemory:
        """What is known of a lane."""
        return self._lanes.get(lane_id, NO_MEMORY)

    def _shared(self, entitlement: Entitlement) -> Entitlement:
        return self._entitlements.setdefault(entitlement, entitlement)


def _changed(known: TicketRecord, event: TicketEvent | TicketChanged) -> TicketRecord:
    if isinstance(event, TicketChanged):
        return TicketRecord(known.version + 1, replace(known.entitlement, status=event.status), known.usage)
    return TicketRecord(known.version + 1, known.entitlement, use(known.usage, event))


def fold_late(usage: Usage, events: Sequence[TicketEvent]) -> Usage:
    """The usage after events of one ticket that may come in any order: outcomes follow their grants, the open grant is last,
    exits and annulments come after what they are about."""
    outcomes = {event.grant_id: event for event in events if isinstance(event, GrantOutcome)}
    grants = [event for event in events if isinstance(event, GrantIssued)]
    rest = [event for event in events if not isinstance(event, GrantIssued | GrantOutcome)]
    if usage.open is not None and usage.open.grant_id in outcomes:
        usage = use(usage, outcomes[usage.open.grant_id])
    grants.sort(key=lambda grant: (GrantId(grant.event_id) not in outcomes, grant.at, grant.event_id))
    for grant in grants:
        usage = use(usage, grant)
        outcome = outcomes.get(GrantId(grant.event_id))
        if outcome is not None:
            usage = use(usage, outcome)
    for event in sorted(rest, key=lambda event: (event.at, event.event_id)):
        usage = use(usage, event)
    return usage
