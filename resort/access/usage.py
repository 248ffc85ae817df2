"""How journal events change a ticket's usage.

`use` is the only place that folds events into usage: lanes call it before they commit, a gate's replica and the rebuilding
after a loss call it for each event, so all always agree.
"""

import msgspec

from resort.access.entitlement import OpenUse, Usage
from resort.ids import GrantId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcomeUnknown,
    GrantReleased,
    PassageConfirmed,
    TicketEvent,
    TicketExited,
)

replace = msgspec.structs.replace


def use(usage: Usage, event: TicketEvent) -> Usage:
    """The usage after `event`. An outcome of a grant that is not the open one changes nothing (it was settled before)."""
    match event:
        case GrantIssued():
            opened = OpenUse(
                GrantId(event.event_id), event.lane_id, event.gate_id, event.zone, event.lift, event.day, event.step
            )
            return replace(usage, open=opened)
        case TicketExited():
            # At the exit of another zone than the holder is in, nothing is learnt of this one.
            return replace(usage, zone=None) if usage.zone == event.zone else usage
        case GrantAnnulled():
            return _give_back(usage, event)
    if usage.open is None or usage.open.grant_id != event.grant_id:
        return usage
    match event:
        case PassageConfirmed():
            return _pass(usage, usage.open, event)
        case GrantOutcomeUnknown():
            # Counted as used for the sake of single use; where the holder is nobody knows.
            used = _pass(usage, usage.open, event)
            return replace(used, unknown=usage.unknown + 1, zone=usage.zone)
        case GrantReleased():
            return replace(usage, open=None)


def _pass(usage: Usage, opened: OpenUse, event: PassageConfirmed | GrantOutcomeUnknown) -> Usage:
    return replace(
        usage,
        used=usage.used + 1,
        open=None,
        first_at=usage.first_at or event.at,
        last_at=event.at,
        last_gate=opened.gate_id,
        last_step=max(usage.last_step, opened.step),
        days=usage.days if opened.day in usage.days else (*usage.days, opened.day),
        lifts={**usage.lifts, opened.lift: event.at} if opened.lift else usage.lifts,
        zone=opened.zone or usage.zone,
    )


def _give_back(usage: Usage, event: GrantAnnulled) -> Usage:
    """Staff took a grant back: the person counts no more, and no interval runs from that pass."""
    if usage.open is not None and usage.open.grant_id == event.grant_id:
        return replace(usage, open=None)
    if event.was_unknown and not usage.unknown:
        return usage  # somebody else took it back already
    used = max(0, usage.used - 1)
    return replace(
        usage,
        used=used,
        unknown=max(0, usage.unknown - 1) if event.was_unknown else usage.unknown,
        first_at=usage.first_at if used else None,
        last_at=None,
        last_gate=None,
        days=usage.days if used else (),
        lifts={},
        zone=None,
    )
