"""What a lane writes into the journal: every event in one place, with the lane's names on it. Pure.

The lane machine decides that something happened; this file only says how it is written down.
"""

from datetime import datetime
from typing import TypedDict
from zoneinfo import ZoneInfo

import msgspec

from resort.access.entitlement import TicketRecord
from resort.access.gate_rules import GateRules, gate_rules
from resort.access.reasons import Reason
from resort.clock import Moment
from resort.ids import EventId, GateId, GrantId, IdSource, LaneId, ScanId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    LaneChanged,
    PassageConfirmed,
    PassageOut,
    PassageUncontrolled,
    ScanRefused,
)
from resort.ports import TurnstileStatus
from resort.site import Direction, GateSite, LaneClass, LaneLimits, LaneSite, Site

COUNTER_MODULUS = 2**32


class LaneSettings(msgspec.Struct, frozen=True):
    """What the site file says of this lane; see `lane_settings`."""

    gate_id: GateId
    lane_id: LaneId
    lane_class: LaneClass
    limits: LaneLimits
    zone: ZoneInfo  # the time zone
    direction: Direction = "entry"
    rules: GateRules | None = None  # None: a gate with no zone, lift or intervals

    @property
    def gate(self) -> GateRules:
        """What the rules need to know of the gate."""
        return self.rules or GateRules(self.gate_id, self.zone)


def lane_settings(site: Site, gate: GateSite, lane: LaneSite) -> LaneSettings:
    """Everything the site file says of one lane."""
    return LaneSettings(gate.id, lane.id, lane.lane_class, site.lane_limits, site.zone, lane.direction, gate_rules(site, gate))


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


class _OutcomeHead(_Head):
    grant_id: GrantId
    ticket_id: TicketId | None


class LaneJournal:
    """Writes down what happens at one lane. `last_seq` is the number of the lane's newest event; set it when starting."""

    def __init__(self, settings: LaneSettings, ids: IdSource) -> None:
        self._gate_id, self._lane_id, self._zone = settings.gate_id, settings.lane_id, settings.zone
        self._ids = ids
        self.last_seq = 0

    def grant(self, scan_id: ScanId, ticket_id: TicketId, ticket: TicketRecord, counter_in: int, now: Moment) -> GrantIssued:
        """A guest may pass; `counter_in` is the entry counter before the pulse."""
        return GrantIssued(
            **self._head("grant", scan_id, now),
            ticket_id=ticket_id,
            scan_id=scan_id,
            product=ticket.entitlement.product,
            unit=ticket.entitlement.unit,
            counter_in=counter_in,
            day=now.at.astimezone(self._zone).date(),
        )

    def refused(self, scan_id: ScanId, ticket_id: TicketId | None, reason: Reason, ms: float, now: Moment) -> ScanRefused:
        """The turnstile stays shut; `ms` is how long the decision took."""
        return ScanRefused(
            **self._head("event", scan_id, now), scan_id=scan_id, ticket_id=ticket_id, reason=reason, decision_ms=ms
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

    def uncontrolled(self, status: TurnstileStatus, rotations: int, now: Moment) -> PassageUncontrolled:
        """The arm turned inwards without a grant."""
        return PassageUncontrolled(
            **self._head("event", "counter", now),
            counter_in=status.counter_in,
            rotations=rotations,
            released=status.fire_release,
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
