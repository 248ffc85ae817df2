"""A lane machine, its shell, the real driver, the wire's bytes, a controller's registers and the steel, in one thread.

The shell does what `actors/lane_runtime.py` does, step by step and without waiting, so that a property test may put any fault
between any two steps.
"""

from typing import Literal

import msgspec

from devices.profile import TurnstileProfile, load_profile
from devices.profile_points import CommandOrder
from devices.turnstile import ModbusTurnstile
from resort.access.codes import issue_code
from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    AmendTicket,
    AppendEvent,
    CodeSighted,
    Command,
    GrantConflicted,
    GrantStored,
    LedgerFailed,
    LookUp,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUncertain,
    PulseUnsent,
    SettleGrant,
    ShowLamp,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
)
from resort.access.usage import use
from resort.errors import TurnstileUnreachable
from resort.ids import SeededIds, TicketId
from resort.messages import GrantIssued, PassageConfirmed, PassageUncontrolled
from resort.ports import Sighting
from sim.day import at_once
from sim.memory_ledger import MemoryLedger
from sim.memory_wire import MemoryWire
from sim.turnstile import SimTurnstile
from tests.unit.resort.access.lane_stand import KEYS, RECORD, LaneStand

PROFILES = {name: load_profile(name) for name in ("pulse_coil", "command_register", "mode_register", "relay_board")}
_ORDER = PROFILES["command_register"].commands.pulse_entry
assert isinstance(_ORDER, CommandOrder)
# Nothing waits here, so an acknowledgement is looked for once.
_ORDER = msgspec.structs.replace(_ORDER, acknowledge=msgspec.structs.replace(_ORDER.acknowledge, within_ms=0))
PROFILES["command_register"] = msgspec.structs.replace(
    PROFILES["command_register"],
    commands=msgspec.structs.replace(PROFILES["command_register"].commands, pulse_entry=_ORDER),
)
PARTY = 3  # persons whom the last ticket lets in together
TICKETS = [TicketId(f"{number:016x}") for number in range(1, 4)]
CODES = [issue_code(ticket, KEYS) for ticket in TICKETS]
ENTITLEMENTS = {ticket: RECORD.entitlement for ticket in TICKETS}
ENTITLEMENTS[TICKETS[2]] = msgspec.structs.replace(RECORD.entitlement, party=PARTY)
LedgerFault = Literal["none", "away", "answer lost"]


class LaneSteel:
    """One lane from its machine down to its arm, with what happened to the arm on record."""

    def __init__(self, profile: TurnstileProfile = PROFILES["pulse_coil"]) -> None:
        stand = LaneStand(started=False)
        self.clock = stand.clock
        self.settings = stand.machine.settings
        self.ledger = MemoryLedger()
        for ticket in TICKETS:
            self.ledger.sell(ticket, ENTITLEMENTS[ticket])
        self.ledger_fault: LedgerFault = "none"
        self.profile = profile
        self.steel = SimTurnstile(profile.timings.open_window_ms, self.clock)
        self.steel.counter_in = self.steel.counter_out = 2**32 - 2  # about to come round, in 32 bits as in 16
        self.wire = MemoryWire(self.steel, profile)
        self.turnstile = ModbusTurnstile(self.wire, profile)
        self.pulsed: list[str] = []  # the grant of each pulse that the lane sent
        self.pulses_taken = 0  # pulses that reached the steel from the lane
        self.sent_under_release = 0  # pulses sent although the last reading said that fire release was on
        self._granted = ""
        self._starts = 0
        self.machine = stand.machine
        self.look()

    def restart(self) -> None:
        """The lane's process ends here and begins again."""
        self._starts += 1
        self.machine = LaneMachine(self.settings, KEYS, SeededIds(f"lane process {self._starts}"))
        self.turnstile = ModbusTurnstile(self.wire, self.profile)
        memory = at_once(self.ledger.lane_memory(self.settings.lane_id))
        self.turnstile.recall(memory.counter_in, memory.counter_out)
        self.give(Started(memory, "open"))

    def look(self) -> None:
        """One reading of the turnstile."""
        asked = self.clock.now()
        try:
            self.give(TurnstileSeen(at_once(self.turnstile.status()), asked))
        except TurnstileUnreachable as error:
            self.give(TurnstileLost(error.detail))

    def hold_up(self, text: str | None) -> None:
        """A code before the camera."""
        now = self.clock.now()
        self.give(CodeSighted(Sighting(text, now, now)))

    def give(self, stimulus: Stimulus) -> None:
        """A stimulus, its commands, and their answers, to the end."""
        steps = self._handle(stimulus)
        while steps:
            answer = self._run(steps.pop(0))
            if answer is not None:
                steps += self._handle(answer)

    @property
    def grants(self) -> set[str]:
        """Every grant that the ledger took."""
        return {event.event_id for event in self.ledger.journal if isinstance(event, GrantIssued)}

    @property
    def turns_told(self) -> int:
        """How many turns inwards the journal tells of."""
        uncontrolled = sum(event.rotations for event in self.ledger.journal if isinstance(event, PassageUncontrolled))
        return len(self.passages) + uncontrolled

    @property
    def passages(self) -> list[PassageConfirmed]:
        """Every passage on a grant."""
        return [event for event in self.ledger.journal if isinstance(event, PassageConfirmed)]

    def _handle(self, stimulus: Stimulus) -> list[Command]:
        commands = self.machine.handle(stimulus, self.clock.now())
        self.machine.validate()
        return commands

    def _run(self, command: Command) -> Stimulus | None:
        match command:
            case LookUp():
                if self.ledger_fault == "away":
                    return LedgerFailed("away")
                return TicketFound(at_once(self.ledger.find(command.ticket_id)))
            case StoreGrant():
                return self._store(command)
            case PulseTurnstile():
                return self._pulse()
            case ShowLamp():
                try:
                    at_once(self.turnstile.show(command.lamp))
                except TurnstileUnreachable:
                    return None
            case SettleGrant():
                ticket_id = command.outcome.ticket_id
                record = at_once(self.ledger.find(ticket_id)) if ticket_id else None
                if not ticket_id:
                    at_once(self.ledger.settle(command.outcome, None, None))
                elif record is not None and record.usage.open_grant == command.outcome.grant_id:
                    at_once(self.ledger.settle(command.outcome, record, use(record.usage, command.outcome)))
            case AmendTicket():
                record = at_once(self.ledger.find(command.event.ticket_id))
                if record is not None:
                    at_once(self.ledger.amend(command.event, record, use(record.usage, command.event)))
            case AppendEvent():
                at_once(self.ledger.append([command.event]))
        return None

    def _store(self, command: StoreGrant) -> Stimulus:
        if self.ledger_fault == "away":
            return LedgerFailed("away")
        conflict = at_once(self.ledger.commit_grant(command.grant, command.expected, command.usage))
        if self.ledger_fault == "answer lost":
            return LedgerFailed("answer lost")
        if conflict is not None:
            return GrantConflicted(conflict.record)
        self._granted = command.grant.event_id
        return GrantStored()

    def _pulse(self) -> Stimulus:
        self.pulsed.append(self._granted)
        if self.machine.status is not None and self.machine.status.fire_release:
            self.sent_under_release += 1
        before = self.steel.pulses
        try:
            at_once(self.turnstile.pulse_entry())
        except TurnstileUnreachable as error:
            return PulseUncertain(error.detail) if error.sent else PulseUnsent(error.detail)
        finally:
            self.pulses_taken += self.steel.pulses - before
        return PulseAcknowledged(self.clock.now())
