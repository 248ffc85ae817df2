"""The lane machine: one turnstile path, from a sighted code to a stored outcome. Pure and synchronous.

    STARTING ──recovered──► IDLE ──code_read──► DECIDING ──grant_stored──► AWAITING_PASSAGE
        │                    ▲ ▲                   │                              │
        └─grant_recovered─┐  │ └─────refused───────┘                              │
                          │  └──── arm_turned · arm_relocked · outcome_unknown ───┤
                          └───────────────────────────────────────────────────────┘

The cycle above is a table. Beside it stand lasting facts (mode, link to the turnstile, fault, fire release); what a
console calls the lane's state is derived from both. What becomes of a grant is decided by the arm's counter alone:

- it moved: `PassageConfirmed`, also when a restarted lane finds that it moved;
- it did not, the pulse was acknowledged in this process's life and the arm is locked again: `GrantReleased`;
- anything else (pulse not acknowledged, restart, counter lost): `GrantOutcomeUnknown`. Never pulsed again.
"""

from collections import deque
from enum import StrEnum

import msgspec

from resort.access.codes import CodeReading, SiteKeys, read_code
from resort.access.decision import Decision, decide, refusal, scan_at
from resort.access.entitlement import TicketRecord
from resort.access.lane_journal import LaneJournal, LaneSettings, Latency, turns
from resort.access.lane_messages import (
    AppendEvent,
    CodeSighted,
    Command,
    GrantConflicted,
    GrantStored,
    Lamp,
    LaneMode,
    LedgerFailed,
    LookUp,
    ModeOrdered,
    PulseAcknowledged,
    PulseTurnstile,
    PulseUncertain,
    SettleGrant,
    ShowLamp,
    Started,
    Stimulus,
    StoreGrant,
    TicketFound,
    TurnstileLost,
    TurnstileSeen,
)
from resort.access.reasons import Reason
from resort.access.usage import use
from resort.clock import Moment
from resort.errors import InvalidTransition
from resort.ids import IdSource, ScanId, TicketId
from resort.messages import GrantIssued
from resort.ports import Sighting, TurnstileStatus

STORY_LENGTH = 12
LAMP_REFUSED_MS = 1_200


class Cycle(StrEnum):
    """Where the lane is between two guests."""

    STARTING = "starting"
    IDLE = "idle"
    DECIDING = "deciding"
    AWAITING_PASSAGE = "awaiting_passage"


CYCLE_TABLE: dict[tuple[Cycle, str], Cycle] = {
    (Cycle.STARTING, "recovered"): Cycle.IDLE,
    (Cycle.STARTING, "grant_recovered"): Cycle.AWAITING_PASSAGE,
    (Cycle.IDLE, "code_read"): Cycle.DECIDING,
    (Cycle.DECIDING, "refused"): Cycle.IDLE,
    (Cycle.DECIDING, "grant_stored"): Cycle.AWAITING_PASSAGE,
    (Cycle.AWAITING_PASSAGE, "arm_turned"): Cycle.IDLE,
    (Cycle.AWAITING_PASSAGE, "arm_relocked"): Cycle.IDLE,
    (Cycle.AWAITING_PASSAGE, "outcome_unknown"): Cycle.IDLE,
}


class _Pending(msgspec.Struct):
    """The scan being decided, and its times for the latency figures."""

    scan_id: ScanId
    ticket_id: TicketId | None
    began: Moment  # the later of "code read" and "lane free for it"
    frame_at: Moment  # the later of "frame received" and "lane free for it"
    tries: int = 0
    record: TicketRecord | None = None
    grant: GrantIssued | None = None


class _OpenGrant(msgspec.Struct):
    """The grant that waits for its rotation."""

    grant: GrantIssued
    since: Moment
    frame_at: Moment | None = None  # None: recovered after a restart
    latency: Latency = msgspec.field(default_factory=Latency)
    acknowledged: bool = False  # the turnstile confirmed the pulse to this very process


class LaneMachine:
    """Rules of one lane. Feed stimuli in order with the present Moment; run the returned commands in order.

    Not thread-safe, never blocks, raises InvalidTransition on an impossible stimulus (a bug of the shell).
    """

    def __init__(self, settings: LaneSettings, keys: SiteKeys, ids: IdSource) -> None:
        self.settings = settings
        self.mode: LaneMode = "open"
        self.status: TurnstileStatus | None = None  # last reading, None while the turnstile is away
        self.detail = ""
        self._keys = keys
        self._ids = ids
        self._journal = LaneJournal(settings, ids)
        self._cycle = Cycle.STARTING
        self._counter_in: int | None = None  # entry counter up to which every rotation is in the journal
        self._counter_out: int | None = None
        self._link_detail = "not yet reached"
        self._pending: _Pending | None = None
        self._open: _OpenGrant | None = None
        self._recovered: GrantIssued | None = None  # open in the ledger when this process began
        self._lost_before_reached = False
        self._next_sighting: Sighting | None = None  # held up while the guest before was still passing; newest wins
        self._free_since: Moment | None = None
        self._lamp: Lamp = "idle"
        self._lamp_since: Moment | None = None
        self._told_state = ""
        self._story: deque[str] = deque(maxlen=STORY_LENGTH)

    # ---- what others see

    @property
    def cycle(self) -> Cycle:
        """Where the lane is between two guests."""
        return self._cycle

    @property
    def awaits_rotation(self) -> bool:
        """True while the turnstile should be read often."""
        return self._cycle is Cycle.AWAITING_PASSAGE

    @property
    def lasting_state(self) -> str:
        """`starting`, `released`, `faulted`, `closed` or `ready`: what holds whatever guest comes."""
        if self._cycle is Cycle.STARTING and not self._lost_before_reached:
            return "starting"
        if self.status is None:
            return "faulted"
        if self.status.fire_release:
            return "released"
        if self.status.fault:
            return "faulted"
        return "closed" if self.mode == "closed" else "ready"

    def forget_next(self) -> None:
        """Do not serve the code that is held up behind the present guest: the lane is being stopped."""
        self._next_sighting = None

    def validate(self) -> None:
        """Assert what ties the fields together; for tests and rehearsal."""
        assert (self._cycle is Cycle.DECIDING) == (self._pending is not None), self._cycle
        assert (self._cycle is Cycle.AWAITING_PASSAGE) == (self._open is not None), self._cycle
        assert self._cycle is not Cycle.STARTING or self.status is None
        assert self._open is None or self._counter_in is not None

    # ---- the one entrance

    def handle(self, stimulus: Stimulus, now: Moment) -> list[Command]:
        """Take one stimulus; returns the commands to run, in order."""
        self._story.append(type(stimulus).__name__)
        match stimulus:
            case TurnstileSeen():
                commands = self._on_seen(stimulus.status, stimulus.asked, now)
            case CodeSighted():
                commands = self._on_sighting(stimulus.sighting, now)
            case TicketFound() | GrantConflicted():
                commands = self._on_record(stimulus.record, now)
            case GrantStored():
                commands = self._on_stored(now)
            case PulseAcknowledged():
                commands = self._on_acknowledged(stimulus.acknowledged)
            case PulseUncertain():
                commands = self._on_uncertain(stimulus.detail)
            case LedgerFailed():
                commands = self._on_ledger_failed(now)
            case TurnstileLost():
                self.status = None
                self._link_detail = stimulus.detail
                self._lost_before_reached = self._cycle is Cycle.STARTING
                commands = []
            case ModeOrdered():
                self.mode = stimulus.mode
                commands = []
            case Started():
                commands = self._on_started(stimulus)
            case _:
                raise self._impossible(type(stimulus).__name__)
        commands += self._tell_state(now)
        if self._cycle is Cycle.IDLE and self._next_sighting is not None:
            sighting, self._next_sighting = self._next_sighting, None
            if now.ms_since(sighting.read_at) <= self.settings.limits.repeat_code_ms:
                commands += self._on_sighting(sighting, now)
        return commands

    # ---- start

    def _on_started(self, started: Started) -> list[Command]:
        if self._cycle is not Cycle.STARTING or self._open is not None:
            raise self._impossible("Started")
        self.mode = started.mode
        self._counter_in = started.memory.counter_in
        self._counter_out = started.memory.counter_out
        self._journal.last_seq = started.memory.last_seq
        # The machine stays STARTING until the turnstile was read once: only its counter tells what happened meanwhile.
        self._recovered = started.memory.open_grant
        return []

    def _recover(self, now: Moment) -> None:
        grant, self._recovered = self._recovered, None
        if grant is None:
            self._move("recovered")
            self._free_since = now
            return
        self._counter_in = grant.counter_in
        self._open = _OpenGrant(grant, since=now)
        self._move("grant_recovered")

    # ---- the turnstile

    def _on_seen(self, status: TurnstileStatus, asked: Moment, now: Moment) -> list[Command]:
        if self._cycle is Cycle.STARTING:
            self._recover(now)
        self.status = status
        commands = self._account_out(status, now)
        commands += self._account_in(status, asked, now)
        if self._lamp == "refused" and self._lamp_since and now.ms_since(self._lamp_since) >= LAMP_REFUSED_MS:
            commands += self._show("idle", now)
        return commands

    def _account_in(self, status: TurnstileStatus, asked: Moment, now: Moment) -> list[Command]:
        """Every entry rotation becomes exactly one event: a grant's passage first, the rest uncontrolled."""
        turned = turns(self._counter_in, status.counter_in)
        self._counter_in = status.counter_in
        if turned is None:
            return self._outcome_unknown("the turnstile's counter went backwards", now) if self._open else []
        commands: list[Command] = []
        if self._open is not None:
            if turned:
                commands += self._passage(self._open, now)
                turned -= 1
            else:
                commands += self._perhaps_over(self._open, status, asked, now)
        if turned:
            commands.append(AppendEvent(self._journal.uncontrolled(status, turned, now)))
        return commands

    def _account_out(self, status: TurnstileStatus, now: Moment) -> list[Command]:
        turned = turns(self._counter_out, status.counter_out)
        self._counter_out = status.counter_out
        return [AppendEvent(self._journal.out(status, turned, now))] if turned else []

    def _passage(self, held: _OpenGrant, now: Moment) -> list[Command]:
        passage = self._journal.passage(held.grant, held.latency, now, recovered=held.frame_at is None)
        return self._close_grant("arm_turned", SettleGrant(passage), now)

    def _perhaps_over(self, held: _OpenGrant, status: TurnstileStatus, asked: Moment, now: Moment) -> list[Command]:
        """Nothing turned yet. While the arm is unlocked somebody may still go; a fire release keeps it unlocked."""
        if status.unlocked or status.fire_release:
            return []
        if held.frame_at is None:
            # Recovered after a restart: the arm is locked and did not turn, but whether the old process's pulse is still
            # under way on a slow bus cannot be known.
            return self._outcome_unknown("the lane was restarted before the arm turned", now)
        # By the moment of asking: a reading that waited (a frozen process) must not judge what came after it.
        if asked.ms_since(held.since) < self.settings.limits.passage_timeout_ms:
            return []
        if not held.acknowledged:
            return self._outcome_unknown("the turnstile did not confirm the pulse", now)
        return self._close_grant("arm_relocked", SettleGrant(self._journal.released(held.grant, held.latency, now)), now)

    def _outcome_unknown(self, detail: str, now: Moment) -> list[Command]:
        assert self._open is not None
        return self._close_grant("outcome_unknown", SettleGrant(self._journal.unknown(self._open.grant, detail, now)), now)

    def _close_grant(self, trigger: str, settle: SettleGrant, now: Moment) -> list[Command]:
        self._open = None
        self._free_since = now
        self._move(trigger)
        return [settle, *self._show("idle", now)]

    # ---- the scan

    def _on_sighting(self, sighting: Sighting, now: Moment) -> list[Command]:
        state = self.lasting_state
        if state in ("starting", "released"):
            return []  # nothing to decide: not ready, or everybody may go
        if self._cycle is not Cycle.IDLE:
            self._next_sighting = sighting
            return []
        pending = _Pending(ScanId(self._ids.new("scan")), None, sighting.read_at, sighting.frame_at)
        if self._free_since is not None and self._free_since.tick_ns > pending.frame_at.tick_ns:
            pending.frame_at = self._free_since
            pending.began = max(pending.began, self._free_since, key=lambda moment: moment.tick_ns)
        self._pending = pending
        self._move("code_read")
        if state == "closed":
            return self._refuse(refusal(Reason.LANE_CLOSED), now)
        if state == "faulted":
            return self._refuse(refusal(Reason.TURNSTILE_UNAVAILABLE), now)
        if sighting.text is None:
            return self._refuse(refusal(Reason.UNREADABLE), now)
        reading = read_code(sighting.text, self._keys, now.at)
        if not isinstance(reading, CodeReading):
            return self._refuse(refusal(reading), now)
        pending.ticket_id = reading.ticket_id
        return [LookUp(pending.scan_id, reading.ticket_id)]

    def _on_record(self, record: TicketRecord | None, now: Moment) -> list[Command]:
        pending = self._deciding("TicketFound")
        pending.tries += 1
        gate = self.settings.gate
        decision = decide(scan_at(gate, self.settings.lane_class, now.at), record, gate)
        if not decision.admitted or record is None or pending.ticket_id is None:
            return self._refuse(decision, now)
        if pending.tries > self.settings.limits.conflict_tries:
            return self._refuse(refusal(Reason.LANE_BUSY), now)
        if self.lasting_state != "ready" or self._counter_in is None:
            return self._refuse(refusal(Reason.TURNSTILE_UNAVAILABLE), now)
        pending.record = record
        pending.grant = self._journal.grant(pending.scan_id, pending.ticket_id, record, self._counter_in, now)
        return [StoreGrant(pending.grant, record, use(record.usage, pending.grant))]

    def _on_stored(self, now: Moment) -> list[Command]:
        pending = self._deciding("GrantStored")
        if pending.grant is None:
            raise self._impossible("GrantStored")
        self._open = _OpenGrant(pending.grant, now, pending.frame_at, Latency(now.ms_since(pending.began)))
        self._pending = None
        self._move("grant_stored")
        return [PulseTurnstile(), *self._show("go", now)]

    def _on_ledger_failed(self, now: Moment) -> list[Command]:
        pending = self._deciding("LedgerFailed")
        grant = pending.grant
        commands = self._refuse(refusal(Reason.LEDGER_UNAVAILABLE), now)
        if grant is not None:
            # The grant may have been stored although the answer was lost. It never reached the arm: releasing it is certain.
            commands.append(SettleGrant(self._journal.released(grant, Latency(), now)))
        return commands

    def _on_acknowledged(self, acknowledged: Moment) -> list[Command]:
        if self._open is None or self._open.frame_at is None:
            raise self._impossible("PulseAcknowledged")
        self._open.acknowledged = True
        self._open.latency.open_ms = acknowledged.ms_since(self._open.frame_at)
        return []

    def _on_uncertain(self, detail: str) -> list[Command]:
        if self._open is None:
            raise self._impossible("PulseUncertain")
        self.status = None
        self._link_detail = detail
        return []

    def _refuse(self, decision: Decision, now: Moment) -> list[Command]:
        pending = self._deciding("refusal")
        took_ms = now.ms_since(pending.began)
        refused = self._journal.refused(pending.scan_id, pending.ticket_id, decision.reason, took_ms, now)
        self._pending = None
        self._free_since = now
        self._move("refused")
        return [*self._show("refused", now), AppendEvent(refused)]

    # ---- small parts

    def _tell_state(self, now: Moment) -> list[Command]:
        """One event per edge of the lasting state."""
        state = self.lasting_state
        self.detail = self._describe(state)
        if state in (self._told_state, "starting"):
            return []
        self._told_state = state
        changed = self._journal.changed(state, self.detail, (self._counter_in, self._counter_out), now)
        return [AppendEvent(changed)]

    def _describe(self, state: str) -> str:
        if state == "faulted":
            return self._link_detail if self.status is None else "the turnstile reports a fault"
        return {"closed": "closed by order", "released": "fire release is asserted"}.get(state, "")

    def _show(self, lamp: Lamp, now: Moment) -> list[Command]:
        # Verdicts are shown again even if the lamp is lit already: the next guest must see that it is meant for him.
        if lamp == self._lamp == "idle":
            return []
        self._lamp, self._lamp_since = lamp, now
        return [ShowLamp(lamp)]

    def _deciding(self, trigger: str) -> _Pending:
        if self._pending is None:
            raise self._impossible(trigger)
        return self._pending

    def _move(self, trigger: str) -> None:
        target = CYCLE_TABLE.get((self._cycle, trigger))
        if target is None:
            raise self._impossible(trigger)
        self._cycle = target

    def _impossible(self, trigger: str) -> InvalidTransition:
        return InvalidTransition(f"lane {self.settings.lane_id}", self._cycle, trigger, tuple(self._story))
