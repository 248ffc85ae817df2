"""The lane machine: one turnstile path, from a sighted code to a stored outcome. Pure and synchronous.

    STARTING ──recovered──► IDLE ──code_read · ordered · party_follows──► DECIDING ──grant_stored──► AWAITING_PASSAGE
        │                    ▲ ▲                                             │                              │
        └─grant_recovered─┐  │ └────────refused · answered · party_over──────┘                              │
                          │  └────── arm_turned · arm_relocked · pulse_unsent · outcome_unknown ────────────┤
                          └─────────────────────────────────────────────────────────────────────────────────┘

The cycle above is a table. Beside it stand lasting facts (mode, policy, link to the turnstile, fault, fire release); what a
console calls the lane's state is derived from both. What is looked up and weighed is in `lane_scan.py`, what becomes of a grant
in `lane_passage.py`, what staff order in `lane_staff.py`, lanes that people leave by in `lane_exit.py`.

A party passes person by person: when one has turned the arm, the ticket is found and decided on again for the next, who has
a grant, a compare-and-set and a pulse of his own.
"""

from resort.access.codes import CodeReading, SiteKeys, code_mark, examine_code
from resort.access.lane_cycle import Cycle, LaneCycle
from resort.access.lane_exit import ExitDesk
from resort.access.lane_journal import LaneJournal, Latency
from resort.access.lane_lamp import LaneLamp
from resort.access.lane_messages import (
    AdmitByHand,
    AnnulLast,
    AppendEvent,
    CodeSighted,
    Command,
    GrantConflicted,
    GrantStored,
    LaneMode,
    LedgerFailed,
    LookUp,
    ModeOrdered,
    PolicyOrdered,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUncertain,
    PulseUnsent,
    SettleGrant,
    StaffOrder,
    Started,
    Stimulus,
    StoreGrant,
    TestScan,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
)
from resort.access.lane_passage import OpenGrant, PassageWatch
from resort.access.lane_scan import HeldScan
from resort.access.lane_settings import LaneSettings
from resort.access.lane_staff import StaffDesk
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
        self._staff = StaffDesk(self._journal, settings.direction)
        self._exit = ExitDesk(settings, keys, ids, self._journal, self._lamp) if settings.direction == "exit" else None
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
        """`starting`, `released`, `faulted`, `closed` or `ready`: what holds whatever guest comes."""
        if self.cycle is Cycle.STARTING and not self._lost_before_reached:
            return "starting"
        if self.status is None:
            return "faulted"
        if self.status.fire_release:
            return "released"
        if self.status.fault:
            return "faulted"
        return "closed" if self.mode == "closed" else "ready"

    def forget_next(self) -> None:
        """Serve nobody after the present guest, neither a code that is held up nor the rest of a party: the lane is stopped."""
        self._next_sighting = None
        self._leaving = True

    def use_keys(self, keys: SiteKeys) -> None:
        """Verify codes with these keys from now on."""
        self._keys = keys
        if self._exit is not None:
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
            case TicketFound():
                self._deciding("TicketFound").found(stimulus.record, stimulus.decided_by)
                return self._weigh(now)
            case GrantConflicted():
                self._deciding("GrantConflicted").changed(stimulus.record)
                return self._weigh(now)
            case GrantStored():
                return self._on_stored(now)
            case PulseAcknowledged():
                return self._on_acknowledged(stimulus.acknowledged)
            case PulseUncertain() | PulseUnsent():
                return self._on_unconfirmed(stimulus, now)
            case LedgerFailed():
                return self._on_ledger_failed(stimulus.reason, now)
            case TurnstileLost():
                return self._on_lost(stimulus.detail)
            case StaffOrder():
                return self._on_order(stimulus, now)
            case ModeOrdered():
                self.mode = stimulus.mode
            case PolicyOrdered():
                self.admits = stimulus.admits
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
        self._watch.arm.counter_in = started.memory.counter_in
        self._watch.arm.counter_out = started.memory.counter_out
        self._journal.last_seq = started.memory.last_seq
        # The machine stays STARTING until the turnstile was read once: only its counter tells what happened meanwhile.
        self._recovered = started.memory.open_grant

    def _recover(self, now: Moment) -> None:
        grant, self._recovered = self._recovered, None
        if grant is None:
            self._cycle.move("recovered")
            self._free_since = now
            return
        self._watch.recover(grant, now)
        self._cycle.move("grant_recovered")

    # ---- the turnstile

    def _on_lost(self, detail: str) -> list[Command]:
        self.status = None
        self._watch.arm.lost()
        self._link_detail = detail
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
        return commands + self._lamp.look(now)

    # ---- the scan

    def _on_sighting(self, sighting: Sighting, now: Moment) -> list[Command]:
        if self._exit is not None:
            return self._exit.pass_by(sighting, now)
        state = self.lasting_state
        if state in ("starting", "released"):
            return []  # nothing to decide: not ready, or everybody may go
        if self.cycle is not Cycle.IDLE:
            self._next_sighting = sighting
            return []
        if now.ms_since(sighting.read_at) > self.settings.limits.repeat_code_ms:
            return []  # whoever held it up may have left; who has not is read again
        held = HeldScan(ScanId(self._ids.new("scan")), sighting.read_at, sighting.frame_at)
        if self._free_since is not None and self._free_since.tick_ns > held.frame_at.tick_ns:
            held.frame_at = self._free_since
            held.began = max(held.began, self._free_since, key=lambda moment: moment.tick_ns)
        self._hold(held, "code_read")
        return self._read(sighting.text, now)

    def _read(self, text: str | None, now: Moment) -> list[Command]:
        """Begin with what is held up: everything that can be said of it without looking anything up."""
        held, state = self._deciding("code"), self.lasting_state
        if state == "closed":
            return self._refuse(Reason.LANE_CLOSED, now)
        if state == "faulted":
            return self._refuse(Reason.TURNSTILE_UNAVAILABLE, now)
        if text is None:
            return self._refuse(Reason.UNREADABLE, now)
        reading = examine_code(text, self._keys, now.at)
        if not isinstance(reading, CodeReading):
            held.mark = code_mark(text, self._keys)
            return self._refuse(reading, now)
        held.reading = reading
        if reading.stale:
            return self._refuse(Reason.STALE_CODE, now)
        return [LookUp(held.scan_id, reading.ticket_id)]

    def _follow(self, passed: OpenGrant, now: Moment) -> list[Command]:
        """The next person of the party, if there is one: decided on anew, with a grant and a pulse of his own."""
        grant, reading = passed.grant, passed.reading
        if reading is None or grant.member >= grant.party or self._leaving or self.lasting_state != "ready":
            return []
        self._hold(HeldScan(grant.scan_id, now, now, reading, follows=True), "party_follows")
        return [LookUp(grant.scan_id, reading.ticket_id)]

    def _weigh(self, now: Moment) -> list[Command]:
        held = self._deciding("ticket")
        verdict = held.weigh(self.settings, self.admits, now)
        if isinstance(verdict, LookUp):
            return [verdict]
        if held.party_is_over:
            self._release("party_over", now)
            return []
        if held.order is not None:
            self._release("answered", now)
            return self._staff.tested(held, verdict, now)
        record, counter_in = held.record, self._watch.arm.counter_in
        if not verdict.admitted or record is None:
            return self._refuse(verdict.reason, now)
        if held.tries > self.settings.limits.conflict_tries:
            return self._refuse(Reason.LANE_BUSY, now)
        if self.lasting_state != "ready" or counter_in is None:
            return self._refuse(Reason.TURNSTILE_UNAVAILABLE, now)
        held.grant = self._journal.grant(held, record, verdict.warning, counter_in, now)
        return [StoreGrant(held.grant, record, use(record.usage, held.grant))]

    def _on_stored(self, now: Moment) -> list[Command]:
        held = self._deciding("GrantStored")
        grant = held.grant
        if grant is None:
            raise self._cycle.impossible("GrantStored")
        self._watch.open = OpenGrant(grant, now, held.reading, held.frame_at, Latency(now.ms_since(held.began)))
        self._held = None
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

    def _on_acknowledged(self, acknowledged: Moment) -> list[Command]:
        opened = self._watch.open
        if opened is None or opened.frame_at is None:
            raise self._cycle.impossible("PulseAcknowledged")
        opened.acknowledged = True
        opened.latency.open_ms = acknowledged.ms_since(opened.frame_at)
        return []

    def _on_unconfirmed(self, failed: PulseUncertain | PulseUnsent, now: Moment) -> list[Command]:
        if self._watch.open is None:
            raise self._cycle.impossible(type(failed).__name__)
        self.status = None
        self._link_detail = failed.detail
        if isinstance(failed, PulseUncertain):
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

    def _on_order(self, order: StaffOrder, now: Moment) -> list[Command]:
        repeated = self._staff.repeated(order)
        if repeated is not None:
            return repeated
        objection = self._staff.objection(order, self.lasting_state, self.cycle)
        if objection is not None:
            return self._staff.refuse(order, objection, now)
        if isinstance(order, AnnulLast):
            return self._staff.annul(order, now)
        scan_id = ScanId(order.request_id)
        self._hold(HeldScan(scan_id, now, now, order=order), "ordered")
        if isinstance(order, TestScan):
            return self._read(order.code, now)
        assert isinstance(order, AdmitByHand)
        assert self._watch.arm.counter_in is not None
        grant = self._journal.grant_by_hand(scan_id, order, self._watch.arm.counter_in, now)
        self._deciding("AdmitByHand").grant = grant
        return [StoreGrant(grant, None, None)]

    # ---- small parts

    def _tell_state(self, now: Moment) -> list[Command]:
        """One event per edge of the lasting state."""
        state = self.lasting_state
        self.detail = self._describe(state)
        if state in (self._told_state, "starting"):
            return []
        self._told_state = state
        changed = self._journal.changed(state, self.detail, (self._watch.arm.counter_in, self._watch.arm.counter_out), now)
        return [AppendEvent(changed)]

    def _describe(self, state: str) -> str:
        if state == "faulted":
            return self._link_detail if self.status is None else "the turnstile reports a fault"
        return {"closed": "closed by order", "released": "fire release is asserted"}.get(state, "")

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
        self._held = None
        self._free_since = now

    def _deciding(self, trigger: str) -> HeldScan:
        if self._held is None:
            raise self._cycle.impossible(trigger)
        return self._held
