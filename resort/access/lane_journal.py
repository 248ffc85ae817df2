"""What a lane writes into the journal: every event in one place, with the lane's names on it. Pure.

The lane machine decides that something happened; this file only says how it is written down.
"""

from datetime import date, datetime
from typing import TypedDict

import msgspec

from resort.access.entitlement import TicketRecord
from resort.access.lane_messages import AdmitByHand, AnnulLast, StaffOrder
from resort.access.lane_scan import HeldScan
from resort.access.lane_settings import LaneSettings as LaneSettings
from resort.access.reasons import Reason
from resort.access.service_day import service_day
from resort.clock import Moment
from resort.ids import EventId, GateId, GrantId, IdSource, LaneId, ScanId, TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    GrantReleased,
    LaneChanged,
    PassageConfirmed,
    PassageOut,
    PassageUncontrolled,
    ScanRefused,
    StaffActed,
    TicketExited,
    TurnCause,
)
from resort.ports import TurnstileStatus

COUNTER_MODULUS = 2**32


class Latency(msgspec.Struct):
    """How long a guest waited, as far as this process knows it; ms. See `PassageConfirmed`."""

    decision_ms: float | None = None
    open_ms: float | None = None


class _Head(TypedDict):
    event_id: EventId
    caused_by: str
    at: datetime
    gate_id: GateId
    lane_id: LaneId
    lane_seq: int


class _GrantHead(_Head):
    scan_id: ScanId
    counter_in: int
    day: date
    zone: str
    lift: str


class _OutcomeHead(_Head):
    grant_id: GrantId
    ticket_id: TicketId | None


class LaneJournal:
    """Writes down what happens at one lane. `last_seq` is the number of the lane's newest event; set it when starting."""

    def __init__(self, settings: LaneSettings, ids: IdSource) -> None:
        self._gate_id, self._lane_id, self._gate = settings.gate_id, settings.lane_id, settings.gate
        self._ids = ids
        self.last_seq = 0

    def grant(self, held: HeldScan, record: TicketRecord, warning: Reason | None, counter_in: int, now: Moment) -> GrantIssued:
        """The holder of the ticket may pass, one person; `counter_in` is the entry counter before the pulse."""
        allowed, reading = record.entitlement, held.reading
        assert reading is not None
        return GrantIssued(
            **self._grant_head(held.scan_id, counter_in, now),
            ticket_id=reading.ticket_id,
            product=allowed.product,
            unit=allowed.unit,
            medium=reading.medium,
            step=reading.step,
            steps_off=reading.steps_off,
            member=record.usage.used % allowed.party + 1,
            party=allowed.party,
            attention=allowed.attention,
            warning=warning,
            decided_by=held.decided_by,
            face=held.face,
            face_away=held.face_away,
            face_by=held.face_by,
        )

    def grant_by_hand(self, scan_id: ScanId, order: AdmitByHand, counter_in: int, now: Moment) -> GrantIssued:
        """Staff let somebody pass; likewise."""
        head = self._grant_head(scan_id, counter_in, now)
        return GrantIssued(**head, ticket_id=None, product="", unit="", by=order.by, note=order.note)

    def refused(self, held: HeldScan, reason: Reason, now: Moment) -> ScanRefused:
        """The turnstile stays shut."""
        reading = held.reading
        return ScanRefused(
            **self._head("event", held.scan_id, now),
            scan_id=held.scan_id,
            ticket_id=held.ticket_id,
            reason=reason,
            decision_ms=now.ms_since(held.began),
            medium=None if reading is None else reading.medium,
            step=0 if reading is None else reading.step,
            steps_off=0 if reading is None else reading.steps_off,
            face=held.face,
            face_away=held.face_away,
            code_mark=held.mark,
        )

    def passage(self, grant: GrantIssued, latency: Latency, now: Moment, *, recovered: bool) -> PassageConfirmed:
        """The arm turned once on this grant."""
        return PassageConfirmed(
            **self._outcome_head(grant, now),
            counter_in=(grant.counter_in + 1) % COUNTER_MODULUS,
            decision_ms=latency.decision_ms,
            open_ms=latency.open_ms,
            recovered=recovered,
        )

    def released(self, grant: GrantIssued, latency: Latency, now: Moment) -> GrantReleased:
        """The arm did not turn on this grant, for certain."""
        return GrantReleased(
            **self._outcome_head(grant, now),
            counter_in=grant.counter_in,
            decision_ms=latency.decision_ms,
            open_ms=latency.open_ms,
        )

    def unknown(self, grant: GrantIssued, detail: str, now: Moment) -> GrantOutcomeUnknown:
        """Nobody can tell whether the arm turned on this grant."""
        return GrantOutcomeUnknown(**self._outcome_head(grant, now), detail=detail)

    def annulled(self, outcome: GrantOutcome, order: AnnulLast, now: Moment) -> GrantAnnulled:
        """Staff take a grant back, after its outcome."""
        assert outcome.ticket_id is not None
        head = self._head("event", order.request_id, now)
        # Made from the grant's id, so that the journal holds one, whoever takes it back.
        head["event_id"] = EventId(f"{outcome.grant_id}:annulled")
        return GrantAnnulled(
            **head,
            grant_id=outcome.grant_id,
            ticket_id=outcome.ticket_id,
            was_unknown=isinstance(outcome, GrantOutcomeUnknown),
            by=order.by,
            note=order.note,
        )

    def exited(self, scan_id: ScanId, ticket_id: TicketId, zone: str, now: Moment) -> TicketExited:
        """The ticket was shown at an exit of `zone`."""
        return TicketExited(**self._head("event", scan_id, now), ticket_id=ticket_id, zone=zone)

    def acted(self, order: StaffOrder, action: str, outcome: str, ticket_id: TicketId | None, now: Moment) -> StaffActed:
        """Staff ordered what no other event tells."""
        note = order.note if isinstance(order, AdmitByHand | AnnulLast) else ""
        head = self._head("event", order.request_id, now)
        return StaffActed(**head, by=order.by, action=action, note=note, outcome=outcome, ticket_id=ticket_id)

    def uncontrolled(
        self, status: TurnstileStatus, rotations: int, why: tuple[TurnCause, GrantId | None], now: Moment
    ) -> PassageUncontrolled:
        """The arm turned inwards without a grant; `why` as `LaneArm.why` tells it."""
        return PassageUncontrolled(
            **self._head("event", "counter", now),
            counter_in=status.counter_in,
            rotations=rotations,
            released=status.fire_release,
            cause=why[0],
            grant_id=why[1],
        )

    def out(self, status: TurnstileStatus, rotations: int, now: Moment) -> PassageOut:
        """The arm turned outwards."""
        return PassageOut(**self._head("event", "counter", now), counter_out=status.counter_out, rotations=rotations)

    def changed(self, state: str, detail: str, counters: tuple[int | None, int | None], now: Moment) -> LaneChanged:
        """The lane entered a lasting state; `counters`: in and out, as far as they are accounted."""
        return LaneChanged(
            **self._head("event", self._lane_id, now),
            state=state,
            detail=detail,
            counter_in=counters[0],
            counter_out=counters[1],
        )

    def _head(self, prefix: str, caused_by: str, now: Moment) -> _Head:
        return {
            "event_id": EventId(self._ids.new(prefix)),
            "caused_by": caused_by,
            "at": now.at,
            "gate_id": self._gate_id,
            "lane_id": self._lane_id,
            "lane_seq": self._next_seq(),
        }

    def _grant_head(self, scan_id: ScanId, counter_in: int, now: Moment) -> _GrantHead:
        gate = self._gate
        return {
            **self._head("grant", scan_id, now),
            "scan_id": scan_id,
            "counter_in": counter_in,
            "day": service_day(now.at, gate.timezone, gate.day_begins),
            "zone": gate.zone,
            "lift": gate.lift,
        }

    def _outcome_head(self, grant: GrantIssued, now: Moment) -> _OutcomeHead:
        # The outcome's id is made from the grant's: a grant can have one outcome in the journal, whoever reports it.
        return {
            "event_id": EventId(f"{grant.event_id}:outcome"),
            "caused_by": grant.event_id,
            "at": now.at,
            "gate_id": grant.gate_id,
            "lane_id": grant.lane_id,
            "lane_seq": self._next_seq(),
            "grant_id": GrantId(grant.event_id),
            "ticket_id": grant.ticket_id,
        }

    def _next_seq(self) -> int:
        self.last_seq += 1
        return self.last_seq


def turns(before: int | None, counter: int) -> int | None:
    """How often a counter moved since `before` (0 for the first reading); None when it went backwards."""
    moved = 0 if before is None else (counter - before) % COUNTER_MODULUS
    return moved if moved < COUNTER_MODULUS // 2 else None
