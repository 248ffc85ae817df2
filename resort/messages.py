"""Journal events: what happened at the gates, once and for ever.

Each event crosses processes and is stored, so each is a frozen tagged struct with an id of its own (`event_id`, UNIQUE in
SQL), its cause and aware UTC time. Events are past tense, are never changed, and carry no secret, picture or vector.
"""

from datetime import datetime

import msgspec

from resort.access.reasons import Reason
from resort.ids import EventId, GateId, GrantId, LaneId, ScanId, TicketId
from resort.texts import Text


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Common part. `caused_by` is the id of the scan, grant, command or observation that led to the event."""

    event_id: EventId
    caused_by: str
    at: datetime
    gate_id: GateId
    lane_id: LaneId


class GrantIssued(Event, frozen=True, kw_only=True, tag=True):
    """A guest may pass. Stored before the pulse; `counter_in` is the entry counter then, the evidence for what follows."""

    ticket_id: TicketId
    scan_id: ScanId
    product: str
    unit: str
    counter_in: int


class PassageConfirmed(Event, frozen=True, kw_only=True, tag=True):
    """The arm turned on a grant. `recovered` tells that a restarted lane found the turn by its counter."""

    grant_id: GrantId
    ticket_id: TicketId
    counter_in: int
    decision_ms: float | None = None  # code read to verdict stored; None when the lane was restarted in between
    open_ms: float | None = None  # frame (or scanner line) received to pulse acknowledged; None likewise
    recovered: bool = False


class GrantReleased(Event, frozen=True, kw_only=True, tag=True):
    """The arm did not turn and is locked again: the ticket may be shown once more."""

    grant_id: GrantId
    ticket_id: TicketId
    counter_in: int
    decision_ms: float | None = None
    open_ms: float | None = None


class GrantOutcomeUnknown(Event, frozen=True, kw_only=True, tag=True):
    """Nobody can tell whether the arm turned. The ticket stays used until staff decide; it is never pulsed again."""

    grant_id: GrantId
    ticket_id: TicketId
    detail: str


class ScanRefused(Event, frozen=True, kw_only=True, tag=True):
    """The turnstile stayed shut, and why. `ticket_id` is None where the code did not name a real one."""

    scan_id: ScanId
    ticket_id: TicketId | None
    reason: Reason
    decision_ms: float


class PassageUncontrolled(Event, frozen=True, kw_only=True, tag=True):
    """The arm turned `rotations` times without a grant: forced, tailgated, or free under fire release."""

    counter_in: int
    rotations: int
    released: bool


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
    """An alarm began. Raised once per edge; `alarm_key` names kind and place."""

    alarm_key: str
    severity: str  # "info" | "warning" | "critical"
    text: Text


class AlarmCleared(Event, frozen=True, kw_only=True, tag=True):
    """The cause of an alarm is gone."""

    alarm_key: str


JournalEvent = (
    GrantIssued
    | PassageConfirmed
    | GrantReleased
    | GrantOutcomeUnknown
    | ScanRefused
    | PassageUncontrolled
    | PassageOut
    | LaneChanged
    | AlarmRaised
    | AlarmCleared
)

GrantOutcome = PassageConfirmed | GrantReleased | GrantOutcomeUnknown

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[JournalEvent] = msgspec.json.Decoder(JournalEvent)


def encode_event(event: JournalEvent) -> bytes:
    """The event as JSON: the one form in which it is streamed, stored and hashed."""
    return _encoder.encode(event)


def decode_event(body: bytes | str) -> JournalEvent:
    """The event that `encode_event` wrote. Raises msgspec.ValidationError on anything else."""
    return _decoder.decode(body)
