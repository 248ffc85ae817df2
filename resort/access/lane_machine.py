"""The lane machine: one turnstile path, from a sighted code to a stored outcome. Pure and synchronous.

    STARTING ──recovered──► IDLE ──code_read · face_read · ordered ·──► DECIDING ──grant_stored──► AWAITING_PASSAGE
        │                    ▲ ▲    party_follows                          │                                │
        └─grant_recovered─┐  │ └─ refused · answered · party_over ·────────┘                                │
                          │  │    face_only_compared                                                        │
                          │  └────── arm_turned · arm_relocked · pulse_unsent · outcome_unknown ────────────┤
                          └─────────────────────────────────────────────────────────────────────────────────┘

The cycle above is a table. Beside it stand lasting facts (mode, policy, link to the turnstile, fault, fire release, the
arm's way); a console's state is derived from both. What is weighed is in `lane_scan.py`, what becomes of a grant in
`lane_passage.py`, what staff order in `lane_staff.py`, lanes that people leave by in `lane_exit.py`, `lane_way.py`.

A face is compared once all other rules admit (`lane_face.py`). A party passes person by person: when one has turned the arm,
the ticket is found and decided on again for the next, who has a grant, a compare-and-set and a pulse of his own.
"""

from resort.access.codes import SiteKeys
from resort.access.lane_cycle import Cycle, LaneCycle
from resort.access.lane_exit import ExitDesk
from resort.access.lane_face import FaceGuard
from resort.access.lane_journal import LaneJournal, Latency
from resort.access.lane_lamp import LaneLamp
from resort.access.lane_lasting import SHUT, described, lasting_state
from resort.access.lane_messages import (
    AdmitByHand,
    AnnulLast,
    AppendEvent,
    CodeSighted,
    Command,
    ConfirmFace,
    FaceAnswer,
    FaceRecognised,
    GrantConflicted,
    GrantStored,
    LaneMode,
    LedgerFailed,
    LookOrder,
    LookUp,
    ModeOrdered,
    PolicyOrdered,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUncertain,
    PulseUnconfirmed,
    SettleGrant,
    StaffOrder,
    Started,
    Stimulus,
    StoreGrant,
    TestScan,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
    WayTold,
)
from resort.access.lane_passage import OpenGrant, PassageWatch
from resort.access.lane_scan import HeldScan
from resort.access.lane_settings import LaneSettings
from resort.access.lane_staff import StaffDesk
from resort.access.lane_way import LaneWay
from resort.access.reasons import Reason
from resort.access.rules import NOBODY_ELSE
from resort.access.usage import use
from resort.clock import Moment
from resort.ids import IdSource, ScanId
from resort.messages import GrantIssued, GrantOutcome
from resort.ports import Sighting, TurnstileStatus
from resort.site import LaneClass


class LaneMachine:
    """Rules of one lane. Feed stimuli in order with the present Moment; run the returned commands in order.

    Not thread-safe, never blocks, raises InvalidTransition on an impossible stimulus (a bug of the shell).
    """

    def __init__(self, settings: LaneSettings, keys: SiteKeys, ids: IdSource) -> None:
        self.settings = settings
        self.mode: LaneMode = "open"
        self.admits: frozenset[LaneClass] = NOBODY_ELSE  # the policy of the moment: whose tickets pass besides the lane's own
        self.status: TurnstileStatus | None = None  # last reading, None while the turnstile is away
        self.detail = ""
        self._keys = keys
        self._ids = ids
        self._journal = LaneJournal(settings, ids)
        self._lamp = LaneLamp()
        self._faces = FaceGuard(settings)
        self._staff = StaffDesk(self._journal, settings.direction)
        self._way = LaneWay(reversible=settings.reversible, clearance_ms=settings.limits.clearance_ms)
        self._exit = ExitDesk(settings, keys, ids, self._journal, self._lamp)
        self._cycle = LaneCycle(settings.lane_id)
        self._watch = PassageWatch(self._journal, settings.limits.passage_timeout_ms)
        self._link_detail = "not yet reached"
        self._held: HeldScan | None = None
        self._recovered: GrantIssued | None = None  # open in the ledger when this process began
        self._lost_before_reached = False
        self._next_sighting: Sighting | None = None  # held up while the guest before was still passing; newest wins
        self._leaving = False
        self._free_since: Moment | None = None
        self._told_state = ""

    # ---- what others see

    @property
    def cycle(self) -> Cycle:
        """Where the lane is between two guests."""
        return self._cycle.state

    @property
    def awaits_rotation(self) -> bool:
        """True while the turnstile should be read often."""
        return self.cycle is Cycle.AWAITING_PASSAGE

    @property
    def lasting_state(self) -> str:
        """`starting`, `released`, `faulted`, `closed`, `exit` or `ready`: what holds whatever guest comes."""
        starting = self.cycle is Cycle.STARTING and not self._lost_before_reached
        return lasting_state(self.status, self.mode, starting=starting, way_set=self._way.is_set(self.mode))

    def forget_next(self) -> None:
        """Serve nobody after the present guest, neither a code that is held up nor the rest of a party: the lane is stopped."""
        self._next_sighting = None
        self._leaving = True

    def use_keys(self, keys: SiteKeys) -> None:
        """Verify codes with these keys from now on."""
        self._keys = keys
        self._exit.use_keys(keys)

    def validate(self) -> None:
        """Assert what ties the fields together; for tests and rehearsal."""
        assert (self.cycle is Cycle.DECIDING) == (self._held is not None), self._cycle
        assert (self.cycle is Cycle.AWAITING_PASSAGE) == (self._watch.open is not None), self._cycle
        assert self.cycle is not Cycle.STARTING or self.status is None
        assert self._watch.open is None or self._watch.arm.counter_in is not None

    # ---- the one entrance

    def handle(self, stimulus: Stimulus, now: Moment) -> list[Command]:
        """Take one stimulus; returns the commands to run, in order."""
        self._cycle.tell(type(stimulus).__name__)
        commands = self._take(stimulus, now)
        commands += self._tell_state(now)
        if self.cycle is Cycle.IDLE and self._next_sighting is not None:
            sighting, self._next_sighting = self._next_sighting, None
            commands += self._on_sighting(sighting, now)
        return commands

    def _take(self, stimulus: Stimulus, now: Moment) -> list[Command]:
        match stimulus:
            case TurnstileSeen():
                return self._on_seen(stimulus.status, stimulus.asked, now)
            case CodeSighted():
                return self._on_sighting(stimulus.sighting, now)
            case FaceRecognised():
                return self._on_face(stimulus, now)
            case FaceAnswer():
                return self._on_compared(stimulus, now)
            case TicketFound() | GrantConflicted():
                self._deciding(type(stimulus).__name__).take(stimulus)
                return self._weigh(now)
            case GrantStored():
                return self._on_stored(now)
            case PulseAcknowledged() | PulseUnconfirmed():
                return self._on_pulsed(stimulus, now)
            case LedgerFailed():
                return self._on_ledger_failed(stimulus.reason, now)
            case TurnstileLost():
                return self._on_lost(stimulus.detail)
            case StaffOrder():
                return self._on_order(stimulus, now)
            case ModeOrdered() | PolicyOrdered() | WayTold():
                self._on_wish(stimulus, now)
            case Started():
                self._on_started(stimulus)
            case _:
                raise self._cycle.impossible(type(stimulus).__name__)
        return []

    # ---- start

    def _on_started(self, started: Started) -> None:
        if self.cycle is not Cycle.STARTING or self._watch.open is not None:
            raise self._cycle.impossible("Started")
        self.mode = started.mode
        self._watch.arm.counter_in, self._watch.arm.counter_out = started.memory.counter_in, started.memory.counter_out
        self._journal.last_seq = started.memory.last_seq
        # The machine stays STARTING until the turnstile was read once: only its counter tells what happened meanwhile.
        self._recovered = started.memory.open_grant

    def _recover(self, now: Moment) -> None:
        grant, self._recovered = self._recovered, None
        self._free_since = now
        if grant is not None:
            self._watch.recover(grant, now)
        self._cycle.move("recovered" if grant is None else "grant_recovered")

    # ---- the turnstile

    def _on_lost(self, detail: str) -> list[Command]:
        self.status, self._link_detail = None, detail
        self._watch.arm.lost()
        self._way.lost()
        self._lost_before_reached = self.cycle is Cycle.STARTING
        return []

    def _on_seen(self, status: TurnstileStatus, asked: Moment, now: Moment) -> list[Command]:
        if self.cycle is Cycle.STARTING:
            self._recover(now)
        self.status = status
        turned_out = self._watch.arm.turns_out(status)
        commands: list[Command] = [AppendEvent(self._journal.out(status, turned_out, now))] if turned_out else []
        opened = self._watch.open
        told = self._watch.account(status, asked, now)
        if told.outcome is not None:
            commands += [*self._close(told.trigger, told.outcome, now), *self._lamp.show("idle", now)]
        if told.uncontrolled is not None:
            commands.append(AppendEvent(told.uncontrolled))
        if opened is not None and told.trigger == "arm_turned":
            commands += self._follow(opened, now)
        commands += self._way.look(self.mode, now, idle=self.cycle is Cycle.IDLE)
        return commands + self._lamp.look(now)

    # ---- the scan

    def _on_sighting(self, sighting: Sighting, now: Moment) -> list[Command]:
        state = self.lasting_state
        if "exit" in (self.settings.direction, state):
            return self._exit.pass_by(sighting, now)
        if state in ("starting", "released"):
            return []  # nothing to decide: not ready, or everybody may go
        if self.cycle is not Cycle.IDLE:
            self._next_sighting = sighting
            return []
        if now.ms_since(sighting.read_at) > self.settings.limits.repeat_code_ms:
            return []  # whoever held it up may have left; who has not is read again
        self._hold(HeldScan.of(ScanId(self._ids.new("scan")), sighting, self._free_since), "code_read")
        return self._read(sighting.text, now)

    def _read(self, text: str | None, now: Moment) -> list[Command]:
        """Begin with what is held up: everything that can be said of it without looking anything up."""
        return self._ask(SHUT.get(self.lasting_state) or self._deciding("code").read(text, self._keys, now), now)

    def _ask(self, asked: LookUp | Reason, now: Moment) -> list[Command]:
        return self._refuse(asked, now) if isinstance(asked, Reason) else [asked]

    def _on_face(self, seen: FaceRecognised, now: Moment) -> list[Command]:
        """A face alone: a scan like that of a code, except that nothing is said where none begins."""
        held = self._faces.begun(seen, self._ids, now) if self.cycle is Cycle.IDLE and self.lasting_state == "ready" else None
        if held is None:
            return []
        self._hold(held, "face_read")
        return [held.look_up]

    def _on_compared(self, answer: FaceAnswer, now: Moment) -> list[Command]:
        held = self._deciding(type(answer).__name__)
        reason = self._faces.answered(held, answer)
        if reason is None:
            return self._weigh(now)
        refused = self._refuse(reason, now)
        return [*refused, *self._faces.open_look(held, now)] if reason is Reason.FACE_UNSURE else refused

    def _follow(self, passed: OpenGrant, now: Moment) -> list[Command]:
        """The next person of the party, if there is one: decided on anew, with a grant and a pulse of his own."""
        if passed.next_of_party is None or self._leaving or self.lasting_state != "ready":
            return []
        held = HeldScan(passed.grant.scan_id, now, now, passed.next_of_party, follows=True)
        self._hold(held, "party_follows")
        return [held.look_up]

    def _weigh(self, now: Moment) -> list[Command]:
        held = self._deciding("ticket")
        verdict = held.weigh(self.settings, self.admits, now)
        if isinstance(verdict, LookUp):
            return [verdict]
        if held.party_is_over:
            self._release("party_over", now)
            return []
        if isinstance(held.order, TestScan):
            self._release("answered", now)
            return self._staff.tested(held, verdict, now)
        if held.by_face_alone and verdict.reason is Reason.WRONG_MEDIUM:
            self._release("face_only_compared", now)  # he did not ask to be let in by it: he will show his ticket
            return []
        record, counter_in = held.record, self._watch.arm.counter_in
        if not verdict.admitted or record is None:
            return self._refuse(verdict.reason, now)
        if held.tries > self.settings.limits.conflict_tries:
            return self._refuse(Reason.LANE_BUSY, now)
        if self.lasting_state != "ready" or counter_in is None:
            return self._refuse(Reason.TURNSTILE_UNAVAILABLE, now)
        if (question := self._faces.question(held, record)) is not None:
            return [question]
        held.grant = self._journal.grant(held, record, verdict.warning, counter_in, now)
        return [StoreGrant(held.grant, record, use(record.usage, held.grant))]

    def _on_stored(self, now: Moment) -> list[Command]:
        held = self._deciding("GrantStored")
        grant = held.grant
        if grant is None:
            raise self._cycle.impossible("GrantStored")
        self._watch.open = OpenGrant(grant, now, held.reading, held.frame_at, Latency(now.ms_since(held.began)))
        self._held = None
        if grant.ticket_id is not None:
            self._faces.granted(grant.ticket_id)
        self._cycle.move("grant_stored")
        answered = self._staff.admitted(held.order, grant) if held.order is not None else []
        return [PulseTurnstile(), *self._lamp.show("go", now), *answered]

    def _on_ledger_failed(self, reason: Reason, now: Moment) -> list[Command]:
        grant = self._deciding("LedgerFailed").grant
        commands = self._refuse(reason, now)
        if grant is not None:
            # The grant may have been stored although the answer was lost. It never reached the arm: releasing it is certain.
            commands.append(SettleGrant(self._journal.released(grant, Latency(), now)))
        return commands

    def _on_pulsed(self, told: PulseAcknowledged | PulseUnconfirmed, now: Moment) -> list[Command]:
        confirmed = isinstance(told, PulseAcknowledged) and self._watch.acknowledged(told.acknowledged)
        if confirmed:
            return []
        if self._watch.open is None or isinstance(told, PulseAcknowledged):
            raise self._cycle.impossible(type(told).__name__)
        self.status, self._link_detail = None, told.detail
        if isinstance(told, PulseUncertain):
            return []  # the counter will tell
        closed = self._close("pulse_unsent", self._watch.not_pulsed(now), now)
        # The lamp comes last: its line is away, and nobody shall hear of that later because of it.
        return [*closed, *self._tell_state(now), *self._lamp.show("refused", now, briefly=True)]

    def _refuse(self, reason: Reason, now: Moment) -> list[Command]:
        held = self._deciding("refusal")
        if held.order is not None:
            self._release("answered", now)
            return self._staff.refuse(held.order, reason, now, held.ticket_id)
        self._release("refused", now)
        return [*self._lamp.show("refused", now, briefly=True), AppendEvent(self._journal.refused(held, reason, now))]

    # ---- staff

    def _on_wish(self, ordered: ModeOrdered | PolicyOrdered | WayTold, now: Moment) -> None:
        if isinstance(ordered, WayTold):
            self._way.told(ordered)
        elif isinstance(ordered, ModeOrdered):
            self._way.ordered(self.mode, ordered.mode, now)
            self.mode = ordered.mode
        else:
            self.admits = ordered.admits

    def _on_order(self, order: StaffOrder, now: Moment) -> list[Command]:
        if (repeated := self._staff.repeated(order)) is not None:
            return repeated
        if isinstance(order, LookOrder):
            return self._staff.looked(order, self._faces.look(order, now), now)
        if (objection := self._staff.objection(order, self.lasting_state, self.cycle)) is not None:
            return self._staff.refuse(order, objection, now)
        if isinstance(order, AnnulLast):
            return self._staff.annul(order, now)
        held = HeldScan(ScanId(order.request_id), now, now, order=order)
        self._hold(held, "ordered")
        if isinstance(order, TestScan):
            return self._read(order.code, now)
        if isinstance(order, ConfirmFace):
            return self._ask(SHUT.get(self.lasting_state) or self._faces.confirmed(held, order, now), now)
        assert isinstance(order, AdmitByHand)
        assert self._watch.arm.counter_in is not None
        held.grant = self._journal.grant_by_hand(held.scan_id, order, self._watch.arm.counter_in, now)
        return [StoreGrant(held.grant, None, None)]

    # ---- small parts

    def _tell_state(self, now: Moment) -> list[Command]:
        """One event per edge of the lasting state."""
        state = self.lasting_state
        self.detail = described(state, self.status, self._link_detail, self._way.detail(self.mode))
        if state in (self._told_state, "starting"):
            return []
        self._told_state = state
        changed = self._journal.changed(state, self.detail, (self._watch.arm.counter_in, self._watch.arm.counter_out), now)
        return [AppendEvent(changed)]

    def _close(self, trigger: str, outcome: GrantOutcome, now: Moment) -> list[Command]:
        """The open grant has come to its end."""
        self._cycle.move(trigger)
        self._free_since = now
        self._staff.settled(outcome)
        return [SettleGrant(outcome)]

    def _hold(self, held: HeldScan, trigger: str) -> None:
        self._cycle.move(trigger)
        self._held = held

    def _release(self, trigger: str, now: Moment) -> None:
        self._cycle.move(trigger)
        self._held, self._free_since = None, now

    def _deciding(self, trigger: str) -> HeldScan:
        if self._held is None:
            raise self._cycle.impossible(trigger)
        return self._held
