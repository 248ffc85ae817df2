"""The lane machine under any order of things: guests, faults, restarts, jumps of the wall clock."""

from datetime import timedelta

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    AppendEvent,
    CodeSighted,
    Command,
    GrantConflicted,
    GrantStored,
    LedgerFailed,
    LookUp,
    ModeOrdered,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUncertain,
    SettleGrant,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
)
from resort.access.usage import use
from resort.ids import SeededIds
from resort.messages import GrantIssued, PassageConfirmed, PassageUncontrolled
from resort.ports import Sighting
from sim.day import at_once
from sim.memory_ledger import MemoryLedger
from tests.unit.resort.access.lane_stand import CODE, KEYS, RECORD, TICKET, LaneStand, status

OPEN_MS = 4_000


class LaneWorld(RuleBasedStateMachine):
    """One lane, one ticket, an arm, and a ledger that may fail before or after it stored."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = MemoryLedger()
        self.ledger.sell(TICKET, RECORD.entitlement)
        self.stand = LaneStand(started=False)
        self.counter_in = 7
        self.unlocked_ms = 0.0
        self.released = False
        self.pulsed: list[str] = []
        self.ledger_fails = ""
        self.pulse_fails = ""
        self.turns = 0
        self.starts = 0
        self._give(TurnstileSeen(self._status(), self.stand.clock.now()))  # counters from before the first reading mean nothing

    # ---- the world's moves

    @rule(wait_ms=st.sampled_from([1, 40, 700, 3_000, 7_000]))
    def time_passes(self, wait_ms: float) -> None:
        self.stand.clock.advance_ms(wait_ms)
        self.unlocked_ms = max(0.0, self.unlocked_ms - wait_ms)

    @rule()
    def look(self) -> None:
        self._give(TurnstileSeen(self._status(), self.stand.clock.now()))

    @rule()
    def lose_the_turnstile(self) -> None:
        self._give(TurnstileLost("away"))

    @rule(text=st.sampled_from([CODE, None, "nonsense"]), age_ms=st.integers(0, 500))
    def hold_up(self, text: str | None, age_ms: int) -> None:
        now = self.stand.clock.now()
        self._give(CodeSighted(Sighting(text, now.after_ms(-age_ms), now)))

    @rule()
    def push(self) -> None:
        if self.unlocked_ms > 0 or self.released:
            self.counter_in += 1
            self.turns += 1
            self.unlocked_ms = 0.0

    @rule(released=st.booleans())
    def fire(self, released: bool) -> None:
        self.released = released

    @rule(mode=st.sampled_from(["open", "closed"]))
    def order(self, mode: str) -> None:
        self._give(ModeOrdered(mode))  # type: ignore[arg-type]

    @rule(how=st.sampled_from(["", "before", "after"]))
    def ledger_breaks(self, how: str) -> None:
        self.ledger_fails = how

    @rule(how=st.sampled_from(["", "lost", "unconfirmed"]))
    def wire_breaks(self, how: str) -> None:
        self.pulse_fails = how

    @rule()
    def restart(self) -> None:
        clock = self.stand.clock
        self.starts += 1
        self.stand = LaneStand(started=False)
        self.stand.clock = clock
        memory = at_once(self.ledger.lane_memory(self.stand.machine.settings.lane_id))
        self.stand.machine = LaneMachine(self.stand.machine.settings, KEYS, SeededIds(f"machine {self.starts}"))
        self._give(Started(memory, "open"))

    @rule(hours=st.sampled_from([-2, 2]))
    def wall_clock_jumps(self, hours: int) -> None:
        now = self.stand.clock.now()
        self.stand.clock._now = msgspec.structs.replace(now, at=now.at + timedelta(hours=hours / 100))

    # ---- what must hold

    @invariant()
    def a_grant_is_pulsed_at_most_once(self) -> None:
        assert len(self.pulsed) == len(set(self.pulsed))

    @invariant()
    def nobody_passes_twice_on_one_ticket(self) -> None:
        passed = [event for event in self.ledger.journal if isinstance(event, PassageConfirmed)]
        assert len(passed) <= RECORD.entitlement.entries
        assert {event.grant_id for event in passed} <= {
            event.event_id for event in self.ledger.journal if isinstance(event, GrantIssued)
        }

    @invariant()
    def no_turn_is_counted_twice(self) -> None:
        passed = sum(isinstance(event, PassageConfirmed) for event in self.ledger.journal)
        free = sum(event.rotations for event in self.ledger.journal if isinstance(event, PassageUncontrolled))
        assert passed + free <= self.turns

    def teardown(self) -> None:
        """Once all is well again every turn is in the journal."""
        self.ledger_fails = self.pulse_fails = ""
        for _ in range(4):
            self.stand.clock.advance_ms(20_000)
            self.unlocked_ms = 0.0
            self._give(TurnstileSeen(self._status(), self.stand.clock.now()))
        passed = sum(isinstance(event, PassageConfirmed) for event in self.ledger.journal)
        free = sum(event.rotations for event in self.ledger.journal if isinstance(event, PassageUncontrolled))
        assert passed + free == self.turns

    # ---- the shell

    def _status(self):  # type: ignore[no-untyped-def]
        return status(
            counter_in=self.counter_in,
            unlocked=self.unlocked_ms > 0 or self.released,
            fire_release=self.released,
        )

    def _give(self, stimulus: Stimulus) -> None:
        steps: list[Command] = self._handle(stimulus)
        while steps:
            answer = self._run(steps.pop(0))
            if answer is not None:
                steps += self._handle(answer)

    def _handle(self, stimulus: Stimulus) -> list[Command]:
        commands = self.stand.machine.handle(stimulus, self.stand.clock.now())
        self.stand.machine.validate()
        return commands

    def _run(self, command: Command) -> Stimulus | None:
        match command:
            case LookUp():
                if self.ledger_fails:
                    return LedgerFailed("gone")
                return TicketFound(at_once(self.ledger.find(command.ticket_id)))
            case StoreGrant():
                if self.ledger_fails == "before":
                    return LedgerFailed("gone")
                conflict = at_once(self.ledger.commit_grant(command.grant, command.expected, command.usage))
                if self.ledger_fails == "after":
                    return LedgerFailed("reply lost")
                self._granted = command.grant.event_id
                return GrantStored() if conflict is None else GrantConflicted(conflict.record)
            case PulseTurnstile():
                self.pulsed.append(self._granted)
                if self.pulse_fails != "lost":
                    self.unlocked_ms = OPEN_MS
                return PulseUncertain("no answer") if self.pulse_fails else PulseAcknowledged(self.stand.clock.now())
            case SettleGrant():
                record = at_once(self.ledger.find(command.outcome.ticket_id))
                if record is not None and record.usage.open_grant == command.outcome.grant_id:
                    at_once(self.ledger.settle(command.outcome, record, use(record.usage, command.outcome)))
            case AppendEvent():
                at_once(self.ledger.append([command.event]))
        return None


TestLaneWorld = LaneWorld.TestCase
TestLaneWorld.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
