"""What the lane machine is told (stimuli) and what it asks for (commands). Values inside one process; never stored."""

from typing import Literal

import msgspec

from resort.access.entitlement import Attention, TicketRecord, Usage
from resort.access.reasons import Reason
from resort.clock import Moment
from resort.face_rules import FaceDecision
from resort.ids import GrantId, ScanId, TicketId
from resort.messages import DecidedBy, GrantAnnulled, GrantIssued, GrantOutcome, JournalEvent, TicketExited
from resort.ports import ArmWay, LaneMemory, Sighting, TurnstileStatus
from resort.site import LaneClass
from resort.texts import Text

LaneMode = Literal["open", "closed", "exit"]  # exit: a reversible lane that people leave by
Lamp = Literal["idle", "go", "refused"]


class Stimulus(msgspec.Struct, frozen=True, tag=True):
    """Base of what happens to a lane; each comes with the present Moment."""


class Started(Stimulus, frozen=True):
    """The process began: what the ledger remembers, and the mode that was ordered. The only way to start."""

    memory: LaneMemory
    mode: LaneMode


class CodeSighted(Stimulus, frozen=True):
    """The reader saw a code, or something unreadable."""

    sighting: Sighting


class FaceRecognised(Stimulus, frozen=True):
    """A face alone was recognised (1:N, verdict pass); the moments are those of its newest frame and of the answer."""

    decision: FaceDecision
    frame_at: Moment
    read_at: Moment


class FaceAnswer(Stimulus, frozen=True):
    """Base of the answers to `CompareFace`."""


class FaceCompared(FaceAnswer, frozen=True):
    """The answer to `CompareFace`; None: nobody's face is enrolled for that ticket."""

    decision: FaceDecision | None


class FaceAway(FaceAnswer, frozen=True):
    """The face could not be compared: no frames, no answer, or none in time."""

    detail: str


class TicketFound(Stimulus, frozen=True):
    """The ledger answered a `LookUp`; `decided_by` is who will take a grant on this record."""

    record: TicketRecord | None
    decided_by: DecidedBy = "ledger"


class GrantStored(Stimulus, frozen=True):
    """The ledger took the grant: from now on the ticket is in use here."""


class GrantConflicted(Stimulus, frozen=True):
    """The ticket changed between look-up and grant."""

    record: TicketRecord | None


class LedgerFailed(Stimulus, frozen=True):
    """A `LookUp` or `StoreGrant` failed; a grant may or may not be stored. `reason` is what the guest is told."""

    detail: str
    reason: Reason = Reason.LEDGER_UNAVAILABLE


class PulseAcknowledged(Stimulus, frozen=True):
    """The turnstile confirmed the pulse; `acknowledged` is when its answer came."""

    acknowledged: Moment


class PulseUnconfirmed(Stimulus, frozen=True):
    """Base of what may come of a pulse besides its acknowledgement."""

    detail: str


class PulseUncertain(PulseUnconfirmed, frozen=True):
    """The turnstile did not confirm: the arm may or may not be unlocked."""


class PulseUnsent(PulseUnconfirmed, frozen=True):
    """The pulse did not leave this process, or the controller refused it: the arm is as it was, for certain."""


class TurnstileSeen(Stimulus, frozen=True):
    """A reading of the turnstile, and when it was asked for: what happened after that moment it cannot know."""

    status: TurnstileStatus
    asked: Moment


class TurnstileLost(Stimulus, frozen=True):
    """A reading failed."""

    detail: str


class WayTold(Stimulus, frozen=True):
    """Base of the answers to `SetWay`."""


class WaySet(WayTold, frozen=True):
    """The turnstile confirmed how its arm is set."""

    way: ArmWay


class WayNotSet(WayTold, frozen=True):
    """It did not."""

    detail: str


class ModeOrdered(Stimulus, frozen=True):
    """Staff or the orchestrator want the lane open, closed, or to lead out."""

    mode: LaneMode


class PolicyOrdered(Stimulus, frozen=True):
    """For the moment the lane admits tickets of these classes too, besides its own; nobody else with none."""

    admits: frozenset[LaneClass]


class StaffOrder(Stimulus, frozen=True):
    """Base of what staff order at a lane; each is answered by one `Answer`. The same `request_id` again gets the same answer
    and does nothing: a caller who got none asks again."""

    request_id: str
    by: str


class AdmitByHand(StaffOrder, frozen=True):
    """Let one person pass without a ticket."""

    note: str


class AnnulLast(StaffOrder, frozen=True):
    """Give the entry back that the last guest of this lane used."""

    note: str


class TestScan(StaffOrder, frozen=True):
    """Decide on a code as if it were held up here now, without any effect."""

    __test__ = False  # no test, whatever its name

    code: str


class LookOrder(StaffOrder, frozen=True):
    """Base of orders on an open look that move nothing at the lane; `scan_id` is the refused scan's."""

    scan_id: ScanId


class ViewFace(LookOrder, frozen=True):
    """See the two pictures."""


class RejectFace(LookOrder, frozen=True):
    """The two pictures show two people: the look is over."""


class ConfirmFace(StaffOrder, frozen=True):
    """The two pictures show one person: decide on his ticket again, without comparing."""

    scan_id: ScanId


class StaffOutcome(msgspec.Struct, frozen=True):
    """What came of a staff order: `ok`, or the stable code of a reason, with its sentence. A test scan always has a reason,
    `admitted` among them."""

    outcome: str
    text: Text
    ticket_id: TicketId | None = None
    grant_id: GrantId | None = None  # that was issued or annulled
    attention: tuple[Attention, ...] = ()
    warning: str = ""  # admitted, but a rule that only warns would have refused for this


class Command(msgspec.Struct, frozen=True, tag=True):
    """Base of what a lane asks its shell to do; commands are run in order, each to its end."""


class LookUp(Command, frozen=True):
    """Find the ticket, answer with `TicketFound` or `LedgerFailed`."""

    scan_id: ScanId
    ticket_id: TicketId


class CompareFace(Command, frozen=True):
    """Compare who stands there with the ticket's holder (1:1); answer with `FaceCompared` or `FaceAway`."""

    scan_id: ScanId
    ticket_id: TicketId


class OpenLook(Command, frozen=True):
    """Keep the picture of who stands there for staff, for so many seconds; no answer."""

    scan_id: ScanId
    look_s: int


class StoreGrant(Command, frozen=True):
    """Compare and set; answer with `GrantStored`, `GrantConflicted` or `LedgerFailed`. A grant by hand has no ticket: neither
    record nor usage."""

    grant: GrantIssued
    expected: TicketRecord | None
    usage: Usage | None


class PulseTurnstile(Command, frozen=True):
    """Unlock the arm once, never again; answer with `PulseAcknowledged`, `PulseUncertain` or `PulseUnsent`."""


class SetWay(Command, frozen=True):
    """Set the arm of a reversible lane; answer with `WaySet` or `WayNotSet`."""

    way: ArmWay


class ShowLamp(Command, frozen=True):
    """Set the lamp; a failure is ignored (the next reading tells of a lost turnstile)."""

    lamp: Lamp


class SettleGrant(Command, frozen=True):
    """Store the grant's outcome; try until it is stored."""

    outcome: GrantOutcome


class AppendEvent(Command, frozen=True):
    """Append to the journal; try until it is stored."""

    event: JournalEvent


class AmendTicket(Command, frozen=True):
    """Store another change of a ticket's usage (`resort.access.usage.use` says which); try until it is stored. A ticket that
    the ledger does not know has nothing to change."""

    event: GrantAnnulled | TicketExited


class Answer(Command, frozen=True):
    """Hand the outcome of a staff order back to whoever gave it."""

    request_id: str
    outcome: StaffOutcome
