"""Lanes of one small resort that share a ledger, each with an arm and a shell that may stop between any two commands.

The shell does what `actors/lane_runtime.py` does, one command at a time, so that a property test may let lanes overtake each
other, break the ledger, or end a lane's process at any point.
"""

from collections import deque
from datetime import date, time
from typing import Literal

import msgspec

from resort.access.codes import issue_code
from resort.access.entitlement import Entitlement, TicketRecord
from resort.access.gate_rules import GateRules
from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    AmendTicket,
    Answer,
    AppendEvent,
    Command,
    CompareFace,
    FaceAway,
    FaceCompared,
    GrantConflicted,
    GrantStored,
    LedgerFailed,
    LookUp,
    OpenLook,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUncertain,
    PulseUnsent,
    SettleGrant,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileSeen,
)
from resort.access.lane_settings import LaneSettings
from resort.access.usage import use
from resort.clock import ManualClock
from resort.face_rules import FaceDecision, FaceReason, FaceVerdict
from resort.ids import GateId, LaneId, ScanId, SeededIds, TicketId
from resort.messages import GrantAnnulled, GrantOutcome, TicketExited
from resort.site import Direction, LaneLimits
from sim.day import at_once
from sim.memory_ledger import MemoryLedger
from tests.unit.resort.access.lane_stand import KEYS, ZONE, status

OPEN_MS = 4_000
INTERVAL_S = 60
NORTH = GateRules(
    GateId("north"), ZONE, zone="base", passback="hard", lift="chair", min_interval_s=INTERVAL_S, day_begins=time(5)
)
SUMMIT = GateRules(GateId("summit"), ZONE, zone="peak", lift="gondola", travel_s={GateId("north"): 120}, day_begins=time(5))
PLACES: dict[str, tuple[GateRules, Direction]] = {
    "north-1": (NORTH, "entry"),
    "summit-1": (SUMMIT, "entry"),
    "north-out": (NORTH, "exit"),
}
SINGLE, GROUP, SEASON, COMPANION = (TicketId(f"{number:016x}") for number in range(1, 5))
_SINGLE = Entitlement("single", "adult", date(2026, 12, 12), 1, ("standard",))
SOLD: dict[TicketId, Entitlement] = {
    SINGLE: _SINGLE,
    GROUP: msgspec.structs.replace(_SINGLE, entries=2, party=3),
    SEASON: msgspec.structs.replace(
        _SINGLE, entries=None, valid_until=date(2027, 4, 5), media=("printed", "phone", "card", "face")
    ),
    COMPANION: msgspec.structs.replace(_SINGLE, entries=None, companion_of=SEASON, valid_until=date(2027, 4, 5)),
}
CODES = {ticket_id: issue_code(ticket_id, KEYS) for ticket_id in SOLD}
LedgerFault = Literal["", "away", "answer lost"]
FaceAnswered = Literal["nobody", "pass", "look", "refuse", "away"]
PulseFault = Literal["", "unsent", "lost", "unconfirmed"]


def face_decision(verdict: FaceVerdict, holder: TicketId | None = None) -> FaceDecision:
    """What the pool would answer."""
    return FaceDecision(verdict=verdict, reason=FaceReason.MATCH, score=0.5, threshold=0.43, holder=holder, model_id="played")


class WorldLane:
    """One lane: its machine, the commands that wait, and its steel."""

    def __init__(self, name: str, clock: ManualClock, ledger: MemoryLedger) -> None:
        rules, direction = PLACES[name]
        self.settings = LaneSettings(
            rules.gate_id, LaneId(name), "standard", LaneLimits(), ZONE, direction, rules, "identify", "look"
        )
        self.clock, self.ledger = clock, ledger
        self.waiting: deque[Command] = deque()
        self.counter_in, self.turns = 7, 0
        self.unlocked_ms = 0.0
        self.released = False
        self.pulsed: list[str] = []
        self.answers: list[Answer] = []
        self.ledger_fault: LedgerFault = ""
        self.pulse_fault: PulseFault = ""
        self.face: FaceAnswered = "nobody"
        self.looks: list[ScanId] = []  # opened for staff, newest last
        self._granted = ""
        self._starts = 0
        self.restart()
        self.look()
        self.work()

    def restart(self) -> None:
        """The process ends wherever it is, and begins again."""
        self._starts += 1
        self.waiting.clear()
        self.machine = LaneMachine(self.settings, KEYS, SeededIds(f"{self.settings.lane_id} {self._starts}"))
        self.give(Started(at_once(self.ledger.lane_memory(self.settings.lane_id)), "open"))

    def look(self) -> None:
        """One reading of the turnstile."""
        unlocked = self.unlocked_ms > 0 or self.released
        reading = status(counter_in=self.counter_in, unlocked=unlocked, fire_release=self.released)
        self.give(TurnstileSeen(reading, self.clock.now()))

    def push(self, *, by_force: bool) -> None:
        """Somebody leans on the arm."""
        if by_force or self.unlocked_ms > 0 or self.released:
            self.counter_in += 1
            self.turns += 1
            self.unlocked_ms = 0.0

    def give(self, stimulus: Stimulus) -> None:
        """The next stimulus, once everything asked for before it is done."""
        self.work()
        self._handle(stimulus)

    def work(self, most: int = 1_000) -> None:
        """Run commands, at most so many."""
        while self.waiting and most:
            most -= 1
            answer = self._run(self.waiting.popleft())
            if answer is not None:
                self._handle(answer)

    def _handle(self, stimulus: Stimulus) -> None:
        self.waiting += self.machine.handle(stimulus, self.clock.now())
        self.machine.validate()

    def _run(self, command: Command) -> Stimulus | None:
        match command:
            case LookUp():
                if self.ledger_fault:
                    return LedgerFailed("gone")
                return TicketFound(at_once(self.ledger.find(command.ticket_id)))
            case CompareFace():
                return self._compare()
            case OpenLook():
                self.looks.append(command.scan_id)
            case StoreGrant():
                return self._store(command)
            case PulseTurnstile():
                self.pulsed.append(self._granted)
                if self.pulse_fault == "unsent":
                    return PulseUnsent("not connected")
                if self.pulse_fault != "lost":
                    self.unlocked_ms = OPEN_MS
                return PulseUncertain("no answer") if self.pulse_fault else PulseAcknowledged(self.clock.now())
            case SettleGrant():
                self._settle(command.outcome)
            case AmendTicket():
                self._amend(command.event)
            case AppendEvent():
                at_once(self.ledger.append([command.event]))
            case Answer():
                self.answers.append(command)
        return None

    def _compare(self) -> Stimulus:
        if self.face == "away":
            return FaceAway("gone")
        return FaceCompared(None if self.face == "nobody" else face_decision(FaceVerdict(self.face)))

    def _store(self, command: StoreGrant) -> Stimulus:
        if self.ledger_fault == "away":
            return LedgerFailed("gone")
        conflict = at_once(self.ledger.commit_grant(command.grant, command.expected, command.usage))
        if self.ledger_fault:
            return LedgerFailed("reply lost")
        self._granted = command.grant.event_id
        return GrantStored() if conflict is None else GrantConflicted(conflict.record)

    def _settle(self, outcome: GrantOutcome) -> None:
        record: TicketRecord | None = None
        if outcome.ticket_id is None:
            opened = at_once(self.ledger.lane_memory(self.settings.lane_id)).open_grant
            if opened is not None and opened.event_id == outcome.grant_id:
                at_once(self.ledger.settle(outcome, None, None))
            return
        record = at_once(self.ledger.find(outcome.ticket_id))
        if record is not None and record.usage.open_grant == outcome.grant_id:
            assert at_once(self.ledger.settle(outcome, record, use(record.usage, outcome))) is None

    def _amend(self, event: GrantAnnulled | TicketExited) -> None:
        record = at_once(self.ledger.find(event.ticket_id))
        assert record is not None
        assert at_once(self.ledger.amend(event, record, use(record.usage, event))) is None
