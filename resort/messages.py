"""Journal events: what happened at the gates, once and for ever.

Each event crosses processes and is stored, so each is a frozen tagged struct with an id of its own (`event_id`, UNIQUE in
SQL), its cause and aware UTC time. Events are past tense, are never changed, and carry no secret, picture or vector.
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from resort.access.entitlement import Attention, Entitlement, Medium, TicketStatus
from resort.access.reasons import Reason
from resort.face_rules import FaceDecision
from resort.faces import ConsentGiver, FaceOrigin, ForgetReason
from resort.heights import HeightBand
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.texts import Text

DecidedBy = Literal["ledger", "home", "alone"]
TurnCause = Literal["tailgating", "forced", "no_grant", "fire_release", "unobserved"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Common part. `caused_by` is the id of the scan, grant, command or observation that led to the event.

    `lane_seq` is the lane's own strictly growing number, also over restarts, with gaps; 0 where no lane wrote the event. A
    ledger takes no event of a lane whose number is not above the lane's last one, so appending twice is appending once.
    """

    event_id: EventId
    caused_by: str
    at: datetime
    gate_id: GateId
    lane_id: LaneId
    lane_seq: int = 0


class GrantIssued(Event, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """A person may pass. Stored before the pulse; `counter_in` is the entry counter then, the evidence for what follows.

    `decided_by`: the central ledger, the ticket's home gate while that is away, or a gate cut off alone. Staff who admit by
    hand are named in `by` with their reason in `note`; then there may be no ticket.
    """

    ticket_id: TicketId | None
    scan_id: ScanId
    product: str
    unit: str
    counter_in: int
    day: date
    zone: str = ""
    lift: str = ""
    medium: Medium | None = None
    step: int = 0  # of a rotating code, 0 for others
    steps_off: int = 0  # how far the phone's clock was from the lane's, in steps
    member: int = 1  # which person of the ticket's party
    party: int = 1
    attention: tuple[Attention, ...] = ()  # what staff should look at when the holder passes
    warning: Reason | None = None  # a rule that only warns would have refused for this
    decided_by: DecidedBy = "ledger"
    by: str = ""
    note: str = ""
    face: FaceDecision | None = None  # scores, thresholds and model of the holder's face, where it was looked at
    face_away: bool = False  # it should have been, and could not
    face_by: str = ""  # who on the staff compared the pictures and confirmed it
    height: HeightBand | None = None  # by the lane's sensor, where staff are to look at it


class PassageConfirmed(Event, frozen=True, kw_only=True, tag=True):
    """The arm turned on a grant. `recovered` tells that a restarted lane found the turn by its counter."""

    grant_id: GrantId
    ticket_id: TicketId | None
    counter_in: int
    decision_ms: float | None = None  # code read to verdict stored; None when the lane was restarted in between
    open_ms: float | None = None  # frame (or scanner line) received to pulse acknowledged; None likewise
    recovered: bool = False


class GrantReleased(Event, frozen=True, kw_only=True, tag=True):
    """The arm did not turn and is locked again: the ticket may be shown once more."""

    grant_id: GrantId
    ticket_id: TicketId | None
    counter_in: int
    decision_ms: float | None = None
    open_ms: float | None = None


class GrantOutcomeUnknown(Event, frozen=True, kw_only=True, tag=True):
    """Nobody can tell whether the arm turned. The ticket stays used until staff decide; it is never pulsed again."""

    grant_id: GrantId
    ticket_id: TicketId | None
    detail: str


class GrantAnnulled(Event, frozen=True, kw_only=True, tag=True):
    """Staff took a grant back after its outcome: the ticket has its entry again. A correction, not an outcome."""

    grant_id: GrantId
    ticket_id: TicketId
    was_unknown: bool
    by: str
    note: str


class TicketExited(Event, frozen=True, kw_only=True, tag=True):
    """A ticket was shown at an exit: its holder left `zone`."""

    ticket_id: TicketId
    zone: str


class ScanRefused(Event, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """The turnstile stayed shut, and why. `ticket_id` is None where the code did not name a real one."""

    scan_id: ScanId
    ticket_id: TicketId | None
    reason: Reason
    decision_ms: float
    medium: Medium | None = None
    step: int = 0
    steps_off: int = 0
    face: FaceDecision | None = None  # as for `GrantIssued`
    face_away: bool = False
    code_mark: str = ""  # keyed digest of what was shown where it named no ticket: tells one code at many lanes, not the code


class PassageUncontrolled(Event, frozen=True, kw_only=True, tag=True):
    """The arm turned `rotations` times without a grant.

    `cause`: `tailgating` (more turns than the grant `grant_id`), `forced` (it was locked), `no_grant` (it was unlocked, but by
    no grant of ours), `fire_release`, or `unobserved` (it turned while no process watched).
    """

    counter_in: int
    rotations: int
    released: bool
    cause: TurnCause = "no_grant"
    grant_id: GrantId | None = None


class PassageOut(Event, frozen=True, kw_only=True, tag=True):
    """The arm turned `rotations` times in the exit direction, which is always free."""

    counter_out: int
    rotations: int


class LaneChanged(Event, frozen=True, kw_only=True, tag=True):
    """The lane entered a lasting state (`ready`, `closed`, `faulted`, `released`), with the reason in words.

    It carries the counters up to which every turn is accounted, so that a lane that restarts misses none; None before the
    turnstile was read for the first time.
    """

    state: str
    detail: str
    counter_in: int | None = None
    counter_out: int | None = None


class AlarmRaised(Event, frozen=True, kw_only=True, tag=True):
    """An alarm began. Raised once per edge; `alarm_key` names kind and place. What follows is `caused_by` this event."""

    alarm_key: str
    severity: str  # "info" | "warning" | "critical"
    text: Text
    evidence: dict[str, str | int | float] = {}  # what was counted, against which threshold, and ids of events


class AlarmCleared(Event, frozen=True, kw_only=True, tag=True):
    """The cause of an alarm is gone."""

    alarm_key: str


class AlarmAcknowledged(Event, frozen=True, kw_only=True, tag=True):
    """Somebody has seen an open alarm and says so."""

    alarm_key: str
    by: str
    note: str


class StaffActed(Event, frozen=True, kw_only=True, tag=True):
    """Somebody on the staff ordered something at a lane that no other event tells (mode, policy, test scan); the audit trail.

    `outcome` is what came of it, in stable words (`ok`, a reason code, an error code).
    """

    by: str
    action: str
    note: str
    outcome: str
    ticket_id: TicketId | None = None


class TicketIssued(Event, frozen=True, kw_only=True, tag=True):
    """A ticket was made known to the lanes. No lane wrote this: gate and lane are empty."""

    ticket_id: TicketId
    entitlement: Entitlement


class TicketChanged(Event, frozen=True, kw_only=True, tag=True):
    """A ticket was blocked, unblocked, revoked, refunded or transferred. No lane wrote this."""

    ticket_id: TicketId
    status: TicketStatus
    by: str
    note: str


class FaceEnrolled(Event, frozen=True, kw_only=True, tag=True):
    """A face was stored for a ticket, with consent to the wording of that version. It tells nothing of the face itself."""

    ticket_id: TicketId
    origin: FaceOrigin
    model_id: str
    wording: str
    given_by: ConsentGiver
    by: str


class FaceForgotten(Event, frozen=True, kw_only=True, tag=True):
    """A ticket's face was deleted, and why."""

    ticket_id: TicketId
    reason: ForgetReason
    by: str


class AdmissionConflict(Event, frozen=True, kw_only=True, tag=True):
    """Afterwards it was found that a ticket was admitted more often than it allows, by gates that were cut off."""

    ticket_id: TicketId
    grants: list[GrantId]
    allowed: int | None
    used: int


AlarmEvent = AlarmRaised | AlarmCleared | AlarmAcknowledged
GrantOutcome = PassageConfirmed | GrantReleased | GrantOutcomeUnknown
TicketEvent = GrantIssued | GrantOutcome | GrantAnnulled | TicketExited  # what changes a ticket's usage
JournalEvent = (
    TicketEvent
    | ScanRefused
    | PassageUncontrolled
    | PassageOut
    | LaneChanged
    | AlarmRaised
    | AlarmCleared
    | AlarmAcknowledged
    | StaffActed
    | TicketIssued
    | TicketChanged
    | FaceEnrolled
    | FaceForgotten
    | AdmissionConflict
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[JournalEvent] = msgspec.json.Decoder(JournalEvent)


def encode_event(event: JournalEvent) -> bytes:
    """The event as JSON: the one form in which it is streamed, stored and hashed."""
    return _encoder.encode(event)


def decode_event(body: bytes | str) -> JournalEvent:
    """The event that `encode_event` wrote. Raises msgspec.ValidationError on anything else."""
    return _decoder.decode(body)
