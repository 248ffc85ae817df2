"""What the lane machine is told (stimuli) and what it asks for (commands). Values inside one process; never stored."""

from typing import Literal

import msgspec

from resort.access.entitlement import TicketRecord, Usage
from resort.clock import Moment
from resort.ids import ScanId, TicketId
from resort.messages import GrantIssued, GrantOutcome, JournalEvent
from resort.ports import LaneMemory, Sighting, TurnstileStatus

LaneMode = Literal["open", "closed"]
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


class TicketFound(Stimulus, frozen=True):
    """The ledger answered a `LookUp`."""

    record: TicketRecord | None


class GrantStored(Stimulus, frozen=True):
    """The ledger took the grant: from now on the ticket is in use here."""


class GrantConflicted(Stimulus, frozen=True):
    """The ticket changed between look-up and grant."""

    record: TicketRecord | None


class LedgerFailed(Stimulus, frozen=True):
    """A `LookUp` or `StoreGrant` failed; a grant may or may not be stored."""

    detail: str


class PulseAcknowledged(Stimulus, frozen=True):
    """The turnstile confirmed the pulse; `acknowledged` is when its answer came."""

    acknowledged: Moment


class PulseUncertain(Stimulus, frozen=True):
    """The turnstile did not confirm: the arm may or may not be unlocked."""

    detail: str


class TurnstileSeen(Stimulus, frozen=True):
    """A reading of the turnstile, and when it was asked for: what happened after that moment it cannot know."""

    status: TurnstileStatus
    asked: Moment


class TurnstileLost(Stimulus, frozen=True):
    """A reading failed."""

    detail: str


class ModeOrdered(Stimulus, frozen=True):
    """Staff or the orchestrator want the lane open or closed."""

    mode: LaneMode


class Command(msgspec.Struct, frozen=True, tag=True):
    """Base of what a lane asks its shell to do; commands are run in order, each to its end."""


class LookUp(Command, frozen=True):
    """Find the ticket, answer with `TicketFound` or `LedgerFailed`."""

    scan_id: ScanId
    ticket_id: TicketId


class StoreGrant(Command, frozen=True):
    """Compare and set; answer with `GrantStored`, `GrantConflicted` or `LedgerFailed`."""

    grant: GrantIssued
    expected: TicketRecord
    usage: Usage


class PulseTurnstile(Command, frozen=True):
    """Unlock the arm once, never again; answer with `PulseAcknowledged` or `PulseUncertain`."""


class ShowLamp(Command, frozen=True):
    """Set the lamp; a failure is ignored (the next reading tells of a lost turnstile)."""

    lamp: Lamp


class SettleGrant(Command, frozen=True):
    """Store the grant's outcome; try until it is stored."""

    outcome: GrantOutcome


class AppendEvent(Command, frozen=True):
    """Append to the journal; try until it is stored."""

    event: JournalEvent
