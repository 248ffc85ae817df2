"""One lane of a virtual day: the real lane machine with its steel, run to the end of each stimulus at one instant. No guests.

What takes time (a guest who steps up, the arm that turns) is the gate's business (`sim/mountain/gate.py`).
"""

from resort.access.codes import SiteKeys
from resort.access.lane_cycle import Cycle
from resort.access.lane_machine import LaneMachine
from resort.access.lane_messages import (
    AdmitByHand,
    AmendTicket,
    AppendEvent,
    CodeSighted,
    Command,
    CompareFace,
    FaceCompared,
    FaceRecognised,
    GrantConflicted,
    GrantStored,
    LaneMode,
    LookUp,
    ModeOrdered,
    PulseAcknowledged,
    PulseTurnstile,
    SettleGrant,
    ShowLamp,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
)
from resort.access.lane_settings import LaneSettings
from resort.access.reasons import Reason
from resort.face_rules import FaceDecision, FaceReason, FaceVerdict
from resort.ids import SeededIds, TicketId
from resort.messages import ScanRefused
from resort.ports import LaneMemory, Sighting, TurnstileStatus
from resort.site import LaneClass
from sim.mountain.course import Course
from sim.mountain.virtual_ledger import VirtualLedger
from sim.turnstile import SimTurnstile

OPEN_WINDOW_MS = 4_000.0
LIKENESS, THRESHOLD = 0.62, 0.43  # of an enrolled guest, and what OneToMany asks: no picture is looked at in virtual time
_NOBODY_YET = LaneMemory(open_grant=None, counter_in=None, counter_out=None)


class VirtualLane:
    """Machine, arm and ledger of one lane. `reached` False: the lane's program does not reach its turnstile."""

    def __init__(
        self, settings: LaneSettings, keys: SiteKeys, ledger: VirtualLedger, course: Course, ids: SeededIds, *, checked: bool
    ) -> None:
        self.id = settings.lane_id
        self.lane_class: LaneClass = settings.lane_class
        self.steel = SimTurnstile(OPEN_WINDOW_MS, course)
        self.machine = LaneMachine(settings, keys, ids)
        self.reached = True
        self.refused = Reason.LANE_CLOSED  # why the last guest was refused
        self._ids = ids
        self._ledger = ledger
        self._course = course
        self._checked = checked
        self._give(Started(_NOBODY_YET, "open"))
        self.look()

    @property
    def ready(self) -> bool:
        """Whether a guest could be served now."""
        return self.machine.lasting_state == "ready" and self.machine.cycle is Cycle.IDLE and self.reached

    @property
    def state(self) -> str:
        """What holds whatever guest comes: `ready`, `closed`, `faulted` or `released`."""
        return self.machine.lasting_state

    def look(self) -> None:
        """Read the turnstile now."""
        if not self.reached:
            return
        steel = self.steel
        status = TurnstileStatus(
            steel.counter_in, steel.counter_out, steel.unlocked, steel.fault, False, steel.fire_release, 0, steel.firmware
        )
        self._give(TurnstileSeen(status, self._course.now()))

    def show_code(self, text: str | None) -> bool:
        """Hold something up to the reader now. True: the arm is unlocked."""
        now = self._course.now()
        self._give(CodeSighted(Sighting(text, now, now)))
        return self.steel.unlocked

    def show_face(self, ticket_id: TicketId) -> bool:
        """The lane recognises an enrolled face. True: the arm is unlocked."""
        now = self._course.now()
        decision = FaceDecision(
            verdict=FaceVerdict.PASS, reason=FaceReason.MATCH, score=LIKENESS, threshold=THRESHOLD, holder=ticket_id
        )
        self._give(FaceRecognised(decision, now, now))
        return self.steel.unlocked

    def admit_by_hand(self, note: str) -> bool:
        """Staff let one person pass. True: the arm is unlocked."""
        self._give(AdmitByHand(self._ids.new("order"), "attendant", note))
        return self.steel.unlocked

    def order(self, mode: LaneMode) -> None:
        """Open or close the lane; whoever is in it finishes."""
        self._give(ModeOrdered(mode))

    def lose(self) -> None:
        """The turnstile cannot be reached any more."""
        self._give(TurnstileLost("no answer within 300 ms"))
        self.reached = False

    def find(self) -> None:
        """It can be reached again: the counters tell what happened meanwhile."""
        self.reached = True
        self.look()

    def _give(self, stimulus: Stimulus) -> None:
        now = self._course.now()
        handle, run = self.machine.handle, self._run
        commands = handle(stimulus, now)
        for command in commands:  # grows while it runs: commands in order, each to its end
            if type(command) is ShowLamp:
                continue  # nobody looks
            answer = run(command)
            if answer is not None:
                commands += handle(answer, now)
        if self._checked:
            self.machine.validate()

    def _run(self, command: Command) -> Stimulus | None:
        match command:
            case LookUp():
                return TicketFound(self._ledger.tickets.get(command.ticket_id))
            case StoreGrant():
                if self._ledger.grant(command.grant, command.expected, command.usage):
                    return GrantStored()
                return GrantConflicted(self._ledger.tickets.get(command.grant.ticket_id or TicketId("")))
            case PulseTurnstile():
                self.steel.pulse_entry()
                return PulseAcknowledged(self._course.now())
            case SettleGrant():
                self._ledger.change(command.outcome)
            case AppendEvent():
                if isinstance(command.event, ScanRefused):
                    self.refused = command.event.reason
                self._ledger.append(command.event)
            case AmendTicket():
                self._ledger.change(command.event)
            case CompareFace():
                return FaceCompared(None)  # nobody's face is on file in virtual time, so none can refuse
        return None
