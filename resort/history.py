"""Checking a whole history: do the journal's grants, outcomes, tickets and lanes fit together?

Pure and one pass: `HistoryCheck.take` for every event in the order in which SQL holds them, then `conclude`. It judges by the
journal and the tickets sold, nothing else; what the steel itself counted is compared in `benchmarks/drills/witness.py`. It
shares no code with the rules that admit (`resort/access`), so that one mistake cannot hide in both.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum

import msgspec

from resort.access.entitlement import Entitlement
from resort.ids import LaneId, TicketId
from resort.messages import (
    AdmissionConflict,
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    GrantReleased,
    JournalEvent,
    LaneChanged,
    PassageConfirmed,
    PassageUncontrolled,
    TicketChanged,
    TicketIssued,
)

COUNTER_MODULUS = 2**32
STATUS_GRACE = timedelta(seconds=1)  # so long a block may take to reach every lane


class Broken(StrEnum):
    """What can be wrong with a history."""

    EVENT_TWICE = "event_twice"  # one event id, two rows
    SCAN_GRANTED_TWICE = "scan_granted_twice"  # one scan, two grants for the same person of its party
    OUTCOME_WITHOUT_GRANT = "outcome_without_grant"  # so passages would be more than grants
    OUTCOME_TWICE = "outcome_twice"  # one grant, two outcomes
    OUTCOME_ELSEWHERE = "outcome_elsewhere"  # of another lane or ticket than the grant
    ADMITTED_TOO_OFTEN = "admitted_too_often"  # more passages than the ticket has entries
    GRANTED_TOO_OFTEN = "granted_too_often"  # likewise, counting grants whose outcome nobody knows
    NOT_ENTITLED = "not_entitled"  # a ticket nobody sold, another day, or one that was blocked
    LANE_ORDER = "lane_order"  # a lane's events are stored in another order than the lane wrote them
    GRANT_OVER_GRANT = "grant_over_grant"  # a lane granted while its last grant had no outcome
    TURN_MISSING = "turn_missing"  # the arm's counter moved between two events that both were stored, and no event tells why


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong: with what (a ticket's, grant's or lane's id), seen at which event, and in words."""

    broken: Broken
    subject: str
    event_id: str
    detail: str

    def __str__(self) -> str:
        return f"{self.broken}: {self.subject}: {self.detail} (event {self.event_id})"


class HistoryReport(msgspec.Struct, frozen=True):
    """What a history amounts to."""

    figures: dict[str, int]
    findings: list[Finding]

    def count(self, *broken: Broken) -> int:
        """How many findings are of these kinds."""
        return sum(finding.broken in broken for finding in self.findings)


class _Granted(msgspec.Struct):
    """A grant and what became of it."""

    grant: GrantIssued
    outcome: GrantOutcome | None = None
    annulled: bool = False

    @property
    def used(self) -> bool:
        """Whether it uses up an entry, or may have."""
        return not self.annulled and not isinstance(self.outcome, GrantReleased)

    @property
    def passed(self) -> bool:
        """Whether somebody is known to have gone through on it."""
        return not self.annulled and isinstance(self.outcome, PassageConfirmed)


_Counted = GrantIssued | GrantOutcome | PassageUncontrolled | LaneChanged


class HistoryCheck:
    """Takes a history, event by event. Memory grows with grants and lane events; time is one step an event, plus one sort of
    what came out of order.

    `sold` are tickets known from elsewhere (the table of tickets); those with a `TicketIssued` need not be in it.
    """

    def __init__(self, sold: Mapping[TicketId, Entitlement] | None = None) -> None:
        self._sold: dict[TicketId, Entitlement] = dict(sold or {})
        self._ids: set[str] = set()
        self._grants: dict[str, _Granted] = {}
        self._scans: set[tuple[str, int]] = set()
        self._orphans: list[GrantOutcome] = []  # outcomes whose grant did not come before them
        self._annulled: list[GrantAnnulled] = []
        self._lanes: dict[LaneId, list[_Counted]] = {}
        self._newest: dict[LaneId, int] = {}
        self._status: dict[TicketId, list[TicketChanged]] = {}
        self._conflicts: set[TicketId] = set()
        self._uncontrolled = 0
        self._findings: list[Finding] = []

    def take(self, event: JournalEvent) -> None:
        """The next event, in the order in which SQL holds them."""
        if event.event_id in self._ids:
            self._find(Broken.EVENT_TWICE, event.event_id, event, f"this {type(event).__name__} is stored twice")
            return
        self._ids.add(event.event_id)
        self._keep_order(event)
        match event:
            case GrantIssued():
                self._take_grant(event)
            case PassageConfirmed() | GrantReleased() | GrantOutcomeUnknown():
                self._take_outcome(event)
            case GrantAnnulled():
                self._annulled.append(event)
            case PassageUncontrolled():
                self._uncontrolled += event.rotations
                self._lanes.setdefault(event.lane_id, []).append(event)
            case LaneChanged():
                self._lanes.setdefault(event.lane_id, []).append(event)
            case TicketIssued():
                self._sold[event.ticket_id] = event.entitlement
            case TicketChanged():
                self._status.setdefault(event.ticket_id, []).append(event)
            case AdmissionConflict():
                self._conflicts.add(event.ticket_id)

    def conclude(self) -> HistoryReport:
        """The verdict. Call once, after the last event."""
        for outcome in self._orphans:  # stored before its grant was: an order of lanes, judged below
            granted = self._grants.get(outcome.grant_id)
            if granted is None and isinstance(outcome, GrantReleased):
                continue  # nobody knows whether the ledger took the grant: it is told to be void, and admitted nobody
            if granted is None:
                detail = f"a {type(outcome).__name__} of grant {outcome.grant_id}, which is not stored"
                self._find(Broken.OUTCOME_WITHOUT_GRANT, outcome.grant_id, outcome, detail)
            else:
                self._settle(granted, outcome)
        for annulled in self._annulled:
            if annulled.grant_id in self._grants:
                self._grants[annulled.grant_id].annulled = True
        for lane_id, events in self._lanes.items():
            self._walk_lane(lane_id, events)
        self._judge_tickets()
        outcomes = [granted.outcome for granted in self._grants.values()]
        figures = {
            "events": len(self._ids),
            "grants": len(self._grants),
            "passages": sum(isinstance(outcome, PassageConfirmed) for outcome in outcomes),
            "released": sum(isinstance(outcome, GrantReleased) for outcome in outcomes),
            "unknown": sum(isinstance(outcome, GrantOutcomeUnknown) for outcome in outcomes),
            "without_outcome": sum(outcome is None for outcome in outcomes),
            "uncontrolled": self._uncontrolled,
            "conflicts_reported": len(self._conflicts),
        }
        return HistoryReport(figures, self._findings)

    # ---- taking

    def _keep_order(self, event: JournalEvent) -> None:
        if not event.lane_seq:
            return
        newest = self._newest.get(event.lane_id, 0)
        if event.lane_seq <= newest:
            detail = f"number {event.lane_seq} is stored after number {newest}"
            self._find(Broken.LANE_ORDER, event.lane_id, event, detail)
        self._newest[event.lane_id] = max(newest, event.lane_seq)

    def _take_grant(self, grant: GrantIssued) -> None:
        person = (grant.scan_id, grant.member)
        if person in self._scans:
            self._find(Broken.SCAN_GRANTED_TWICE, grant.scan_id, grant, f"person {grant.member} of it was granted twice")
        self._scans.add(person)
        self._grants[grant.event_id] = _Granted(grant)
        self._lanes.setdefault(grant.lane_id, []).append(grant)

    def _take_outcome(self, outcome: GrantOutcome) -> None:
        self._lanes.setdefault(outcome.lane_id, []).append(outcome)
        granted = self._grants.get(outcome.grant_id)
        if granted is None:
            self._orphans.append(outcome)
        else:
            self._settle(granted, outcome)

    def _settle(self, granted: _Granted, outcome: GrantOutcome) -> None:
        grant = granted.grant
        if granted.outcome is not None:
            detail = f"{type(granted.outcome).__name__} and then {type(outcome).__name__}"
            self._find(Broken.OUTCOME_TWICE, outcome.grant_id, outcome, detail)
            return
        granted.outcome = outcome
        if (outcome.lane_id, outcome.ticket_id) != (grant.lane_id, grant.ticket_id):
            detail = f"granted at {grant.lane_id} to {grant.ticket_id}, ended at {outcome.lane_id} for {outcome.ticket_id}"
            self._find(Broken.OUTCOME_ELSEWHERE, outcome.grant_id, outcome, detail)

    # ---- lanes

    def _walk_lane(self, lane_id: LaneId, events: list[_Counted]) -> None:
        """One lane in its own order: one grant at a time, and every step of its entry counter told by an event."""
        if all(event.lane_seq for event in events):
            events = sorted(events, key=lambda event: event.lane_seq)  # nearly sorted, so nearly one pass
        counter: int | None = None
        opened: GrantIssued | None = None
        for event in events:
            before, after = _counters(event)
            if counter is not None and before is not None and before != counter:
                missing = (before - counter) % COUNTER_MODULUS
                # Half way round means backwards: the controller lost its memory, which is no turn of anybody.
                if missing < COUNTER_MODULUS // 2:
                    detail = f"{missing} turns between counter {counter} and {before}"
                    self._find(Broken.TURN_MISSING, lane_id, event, detail)
            if isinstance(event, GrantOutcomeUnknown):
                counter = None  # it says nothing of the counter, which may have lost its memory
            elif after is not None:
                counter = after
            if isinstance(event, GrantIssued):
                if opened is not None:
                    detail = f"grant {opened.event_id} was still open when {event.event_id} was given"
                    self._find(Broken.GRANT_OVER_GRANT, lane_id, event, detail)
                opened = event
            elif isinstance(event, GrantOutcome) and opened is not None and str(event.grant_id) == opened.event_id:
                opened = None

    # ---- tickets

    def _judge_tickets(self) -> None:
        by_ticket: dict[TicketId, list[_Granted]] = {}
        for granted in self._grants.values():
            # Staff who admit by hand overrule the rules, and say so in the event.
            if granted.grant.ticket_id is not None and not granted.grant.by:
                by_ticket.setdefault(granted.grant.ticket_id, []).append(granted)
        for ticket_id, grants in by_ticket.items():
            entitlement = self._sold.get(ticket_id)
            if entitlement is None:
                self._find(Broken.NOT_ENTITLED, ticket_id, grants[0].grant, "no such ticket was sold")
                continue
            self._judge_entries(ticket_id, entitlement, grants)
            self._judge_days(ticket_id, entitlement, grants)
            self._judge_status(ticket_id, grants)

    def _judge_entries(self, ticket_id: TicketId, entitlement: Entitlement, grants: Iterable[_Granted]) -> None:
        if entitlement.entries is None:
            return
        allowed = entitlement.entries * entitlement.party
        used = [granted for granted in grants if granted.used]
        passed = [granted for granted in used if granted.passed]
        if len(used) <= allowed or ticket_id in self._conflicts:
            return  # a conflict that the journal itself reports is stated behaviour; it is counted in the figures
        broken, beyond = Broken.GRANTED_TOO_OFTEN, used[allowed:]
        if len(passed) > allowed:
            broken, beyond = Broken.ADMITTED_TOO_OFTEN, passed[allowed:]
        lanes = ", ".join(granted.grant.lane_id for granted in used)
        for granted in beyond:
            detail = f"{len(passed)} passed and {len(used) - len(passed)} may have, where {allowed} may: {lanes}"
            self._find(broken, ticket_id, granted.grant, detail)

    def _judge_days(self, ticket_id: TicketId, entitlement: Entitlement, grants: Iterable[_Granted]) -> None:
        last = entitlement.valid_until or entitlement.valid_on
        days: set[date] = set()
        for granted in grants:
            day = granted.grant.day
            days |= {day} if granted.used else set()
            if not entitlement.valid_on <= day <= last or day in entitlement.blackout:
                self._find(Broken.NOT_ENTITLED, ticket_id, granted.grant, f"granted on {day}, which it does not cover")
            elif entitlement.days_of_use is not None and len(days) > entitlement.days_of_use:
                detail = f"granted on {day}, the day number {len(days)} of {entitlement.days_of_use}"
                self._find(Broken.NOT_ENTITLED, ticket_id, granted.grant, detail)

    def _judge_status(self, ticket_id: TicketId, grants: Iterable[_Granted]) -> None:
        changes = self._status.get(ticket_id)
        if not changes:
            return
        for granted in grants:
            status = _status_at(changes, granted.grant.at)
            if status != "active":
                self._find(Broken.NOT_ENTITLED, ticket_id, granted.grant, f"granted although it was {status}")

    def _find(self, broken: Broken, subject: str, event: JournalEvent, detail: str) -> None:
        self._findings.append(Finding(broken, subject, event.event_id, detail))


def _counters(event: _Counted) -> tuple[int | None, int | None]:
    """The entry counter that the event supposes before it, and the one it leaves; None where it does not say."""
    match event:
        case GrantIssued() | GrantReleased() | LaneChanged():
            return event.counter_in, event.counter_in
        case PassageConfirmed():
            return (event.counter_in - 1) % COUNTER_MODULUS, event.counter_in
        case PassageUncontrolled():
            return (event.counter_in - event.rotations) % COUNTER_MODULUS, event.counter_in
        case _:
            return None, None


def _status_at(changes: Iterable[TicketChanged], at: datetime) -> str:
    """The status that held at every lane at that moment; for `STATUS_GRACE` after a change either may."""
    status = "active"
    for change in sorted(changes, key=lambda change: change.at):
        if change.at + STATUS_GRACE < at or (change.status == "active" and change.at <= at):
            status = change.status
    return status
