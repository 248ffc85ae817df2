"""What a ticket allows (`Entitlement`), what was done with it (`Usage`), and how events change the latter.

`use` is the only place that folds events into usage: lanes call it before they commit, rebuilding after a loss calls it
for each stored event, so both always agree.
"""

from datetime import date

import msgspec

from resort.ids import GrantId, LaneId
from resort.messages import GrantIssued, GrantOutcome, GrantOutcomeUnknown, GrantReleased, PassageConfirmed
from resort.site import LaneClass


class Entitlement(msgspec.Struct, frozen=True):
    """The fixed part: written when the ticket is issued."""

    product: str
    unit: str
    valid_on: date  # local day at the site
    entries: int
    lane_classes: tuple[LaneClass, ...]
    blocked: bool = False


class Usage(msgspec.Struct, frozen=True):
    """The changing part. Entries used count confirmed passages and grants whose outcome is unknown."""

    used: int = 0
    unknown: int = 0  # how many of `used` are grants of unknown outcome
    open_grant: GrantId | None = None
    open_lane: LaneId | None = None


class TicketRecord(msgspec.Struct, frozen=True):
    """A ticket as the ledger holds it; `version` moves with every change."""

    version: int
    entitlement: Entitlement
    usage: Usage


def use(usage: Usage, event: GrantIssued | GrantOutcome) -> Usage:
    """The usage after `event`. An outcome of a grant that is not the open one changes nothing (it was settled before)."""
    if isinstance(event, GrantIssued):
        return msgspec.structs.replace(usage, open_grant=GrantId(event.event_id), open_lane=event.lane_id)
    if usage.open_grant != event.grant_id:
        return usage
    closed = msgspec.structs.replace(usage, open_grant=None, open_lane=None)
    match event:
        case PassageConfirmed():
            return msgspec.structs.replace(closed, used=usage.used + 1)
        case GrantOutcomeUnknown():
            return msgspec.structs.replace(closed, used=usage.used + 1, unknown=usage.unknown + 1)
        case GrantReleased():
            return closed
