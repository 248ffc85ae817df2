"""A morning at the gates in virtual time: seeded guests against the real lane machines, no cluster and no waiting.

The same seed and site give the same journal, byte for byte. It is the pure core's rehearsal; the real stack is rehearsed by
`sim/stage.py`.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from resort.access.codes import KEY_BYTES, PRINTED, SiteKeys, issue_code, step_at
from resort.access.entitlement import Entitlement
from resort.access.lane_cycle import Cycle
from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    AmendTicket,
    Answer,
    AppendEvent,
    CodeSighted,
    Command,
    GrantConflicted,
    GrantStored,
    LookUp,
    PulseAcknowledged,
    PulseTurnstile,
    SettleGrant,
    ShowLamp,
    StaffOutcome,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileSeen,
)
from resort.access.lane_settings import lane_settings
from resort.access.service_day import site_day
from resort.access.usage import use
from resort.clock import ManualClock
from resort.ids import SeededIds, TicketId
from resort.messages import JournalEvent, encode_event
from resort.ports import Sighting
from resort.site import GateSite, LaneSite, Site
from sim.memory_ledger import MemoryLedger
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import SimTurnstile

OPEN_WINDOW_MS = 4_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DayPlan:
    """How the morning goes. Shares are of guests; the rest is honest and brisk."""

    guests: int = 500
    mean_gap_ms: float = 400.0  # between two guests anywhere at the site
    used: float = 0.06
    wrong_day: float = 0.05
    forged: float = 0.04
    unreadable: float = 0.04
    hesitant: float = 0.03
    phone: float = 0.2  # honest, with a code that rotates
    party: float = 0.04  # three persons on one code
    rider: float = 0.06  # with a season pass, who comes again and again
    begins: datetime = datetime(2026, 12, 12, 1, 0, tzinfo=UTC)  # 9:00 at the demo resort


@dataclass(slots=True)
class DayOutcome:
    """What came of it."""

    journal: list[JournalEvent] = field(default_factory=list)
    sold: dict[TicketId, Entitlement] = field(default_factory=dict)
    virtual_ms: float = 0.0

    @property
    def digest(self) -> str:
        """SHA-256 over the journal's lines: equal days have equal digests."""
        lines = hashlib.sha256()
        for event in self.journal:
            lines.update(encode_event(event) + b"\n")
        return lines.hexdigest()


class VirtualLane:
    """A lane machine with its steel and ledger, run to the end of each stimulus at one virtual instant."""

    def __init__(
        self,
        site: Site,
        gate: GateSite,
        lane: LaneSite,
        keys: SiteKeys,
        ledger: MemoryLedger,
        clock: ManualClock,
        ids: SeededIds,
    ) -> None:
        self.steel = SimTurnstile(OPEN_WINDOW_MS, clock)
        self.turnstile = MemoryTurnstile(self.steel)
        self.machine = LaneMachine(lane_settings(site, gate, lane), keys, ids)
        self.answers: list[StaffOutcome] = []
        self._ledger = ledger
        self._clock = clock
        self.give(Started(at_once(ledger.lane_memory(lane.id)), "open"))
        self.look()

    def look(self) -> None:
        """Read the turnstile now."""
        self.give(TurnstileSeen(at_once(self.turnstile.status()), self._clock.now()))

    def show_code(self, text: str | None) -> None:
        """Hold something up to the reader now."""
        now = self._clock.now()
        self.give(CodeSighted(Sighting(text, now, now)))

    def give(self, stimulus: Stimulus) -> None:
        """Feed the machine and run its commands, in order, to the end."""
        commands = self.machine.handle(stimulus, self._clock.now())
        while commands:
            answer = self._run(commands.pop(0))
            if answer is not None:
                commands += self.machine.handle(answer, self._clock.now())
        self.machine.validate()

    def _run(self, command: Command) -> Stimulus | None:
        match command:
            case LookUp():
                return TicketFound(at_once(self._ledger.find(command.ticket_id)))
            case StoreGrant():
                conflict = at_once(self._ledger.commit_grant(command.grant, command.expected, command.usage))
                return GrantStored() if conflict is None else GrantConflicted(conflict.record)
            case PulseTurnstile():
                at_once(self.turnstile.pulse_entry())
                return PulseAcknowledged(self._clock.now())
            case ShowLamp():
                at_once(self.turnstile.show(command.lamp))
            case SettleGrant():
                self._settle(command)
            case AppendEvent():
                at_once(self._ledger.append([command.event]))
            case AmendTicket():
                self._amend(command)
            case Answer():
                self.answers.append(command.outcome)
        return None

    def _amend(self, command: AmendTicket) -> None:
        record = at_once(self._ledger.find(command.event.ticket_id))
        if record is not None:
            assert at_once(self._ledger.amend(command.event, record, use(record.usage, command.event))) is None

    def _settle(self, command: SettleGrant) -> None:
        outcome = command.outcome
        if outcome.ticket_id is None:
            assert at_once(self._ledger.settle(outcome, None, None)) is None
            return
        record = at_once(self._ledger.find(outcome.ticket_id))
        assert record is not None
        assert record.usage.open_grant == outcome.grant_id
        assert at_once(self._ledger.settle(outcome, record, use(record.usage, outcome))) is None


def at_once(work: Coroutine[object, object, T]) -> T:
    """The result of a coroutine that never waits: the in-memory ports."""
    try:
        work.send(None)
    except StopIteration as finished:
        result: T = finished.value
        return result
    work.close()
    raise RuntimeError("an in-memory port waited, which virtual time does not allow")


class _Day:
    def __init__(self, site: Site, seed: int, plan: DayPlan) -> None:
        self.site, self.plan = site, plan
        self.random = random.Random(f"day {seed}")
        self.ids = SeededIds(f"day {seed}")
        self.clock = ManualClock(plan.begins)
        self.keys = SiteKeys(1, {1: self.random.randbytes(KEY_BYTES)})
        self.forger = SiteKeys(1, {1: self.random.randbytes(KEY_BYTES)})
        self.ledger = MemoryLedger()
        self.used_codes: list[str] = []
        self.lanes = [
            VirtualLane(site, gate, lane, self.keys, self.ledger, self.clock, self.ids) for gate, lane in site.lanes()
        ]
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._now_ms = 0.0
        self._order = 0

    def run(self) -> DayOutcome:
        arrival_ms = 0.0
        for _ in range(self.plan.guests):
            arrival_ms += self.random.expovariate(1 / self.plan.mean_gap_ms)
            self.at(arrival_ms, self._arrive)
        while self._due:
            due_ms, _, action = heapq.heappop(self._due)
            self.clock.advance_ms(due_ms - self._now_ms)
            self._now_ms = due_ms
            action()
        sold = {ticket_id: record.entitlement for ticket_id, record in self.ledger.tickets.items()}
        return DayOutcome(self.ledger.journal, sold, self._now_ms)

    def at(self, ms: float, action: Callable[[], None]) -> None:
        """Do `action` at `ms` of virtual time; equal times in the order in which they were asked for."""
        self._order += 1
        heapq.heappush(self._due, (ms, self._order, action))

    def after(self, ms: float, action: Callable[[], None]) -> None:
        self.at(self._now_ms + ms, action)

    def _arrive(self) -> None:
        kinds = ("used", "wrong_day", "forged", "unreadable", "hesitant", "phone", "party", "rider")
        shares = [getattr(self.plan, kind) for kind in kinds]
        kind = self.random.choices((*kinds, "honest"), [*shares, max(0.0, 1 - sum(shares))])[0]
        self._stand_at(self.random.choice(self.lanes), kind, self._medium(kind))

    def _stand_at(self, lane: VirtualLane, kind: str, show: Callable[[], str | None]) -> None:
        if lane.machine.cycle is not Cycle.IDLE:  # somebody is in the arm: wait behind
            self.after(200, lambda: self._stand_at(lane, kind, show))
            return
        code = show()
        lane.show_code(code)
        if kind == "rider":
            again = self.random.choice(self.lanes)
            self.after(self.random.uniform(60_000, 900_000), lambda: self._stand_at(again, self._weary(), show))
        if not lane.steel.unlocked:
            return
        if kind == "hesitant":
            limits = self.site.lane_limits
            self.after(max(limits.passage_timeout_ms, OPEN_WINDOW_MS) + 50, lane.look)
            self.after(max(limits.passage_timeout_ms, OPEN_WINDOW_MS) + 900, lambda: self._stand_at(lane, "honest", show))
            return
        if code is not None and kind == "honest":
            self.used_codes.append(code)
        self.after(self.random.uniform(300, 1_200), lambda: self._push(lane))

    def _weary(self) -> str:
        """A rider comes once more, or for the last time."""
        return self.random.choice(("rider", "last ride"))

    def _push(self, lane: VirtualLane) -> None:
        lane.steel.push_in()
        lane.look()
        if lane.steel.unlocked:  # for the next of the party
            self.after(self.random.uniform(300, 1_200), lambda: self._push(lane))

    def _medium(self, kind: str) -> Callable[[], str | None]:
        """What a guest of this kind holds up whenever he stands at a reader."""
        if kind == "unreadable":
            return lambda: None
        if kind == "used" and self.used_codes:
            used = self.random.choice(self.used_codes)
            return lambda: used
        ticket_id: TicketId = self.ids.ticket_id()
        if kind == "forged":
            return lambda: issue_code(ticket_id, self.forger)
        today = site_day(self.clock.now().at, self.site)
        day = today + timedelta(days=kind == "wrong_day")
        allowed = Entitlement("single-fast", "adult", day, 1, ("standard", "fast"))
        if kind == "party":
            allowed = msgspec.structs.replace(allowed, product="group-3", party=3)
        elif kind == "rider":
            until = day + timedelta(days=90)
            allowed = msgspec.structs.replace(allowed, product="season", entries=None, valid_until=until)
        self.ledger.sell(ticket_id, allowed)
        rotates = kind == "phone"
        return lambda: issue_code(ticket_id, self.keys, step_at(self.clock.now().at) if rotates else PRINTED)


def run_day(site: Site, seed: int, plan: DayPlan | None = None) -> DayOutcome:
    """Play the day and answer its journal."""
    return _Day(site, seed, plan or DayPlan()).run()
