"""What may become of a ticket after it was sold, and what is left of it for somebody else. Pure.

    active ──► blocked, revoked, refunded, transferred
    blocked ─► active, revoked, refunded
    revoked ─► refunded

Refunded and transferred are the end. Who may order what is the windows' business; what a lane says of each is
`resort/access/decision.py`'s.
"""

from typing import get_args

import msgspec

from resort.access.entitlement import Entitlement, TicketStatus, Usage
from resort.errors import Invalid, WrongState

STATUSES: tuple[TicketStatus, ...] = get_args(TicketStatus)
STATUS_TABLE: dict[TicketStatus, frozenset[TicketStatus]] = {
    "active": frozenset({"blocked", "revoked", "refunded", "transferred"}),
    "blocked": frozenset({"active", "revoked", "refunded"}),
    "revoked": frozenset({"refunded"}),
    "refunded": frozenset(),
    "transferred": frozenset(),
}
MAX_NOTE = 200


def check_transition(before: TicketStatus, after: TicketStatus) -> bool:
    """Whether anything changes: False when the ticket is there already. Raises WrongState where the table has no such way."""
    if before == after:
        return False
    if after not in STATUS_TABLE[before]:
        raise WrongState("ticket", before, f"become {after}")
    return True


def check_note(note: str) -> str:
    """The note without spaces around it. Raises Invalid unless it is 1 to `MAX_NOTE` printable characters: it is an audit trail
    and stands in lists and logs."""
    note = note.strip()
    if not (0 < len(note) <= MAX_NOTE and note.isprintable()):
        raise Invalid("note", f"must be 1 to {MAX_NOTE} printable characters")
    return note


def check_by(by: str) -> str:
    """The name of who ordered it, likewise. Raises Invalid."""
    if not (0 < len(by) <= MAX_NOTE and by.isprintable()):
        raise Invalid("by", f"must be 1 to {MAX_NOTE} printable characters")
    return by


def remainder(allowed: Entitlement, usage: Usage) -> Entitlement:
    """What a transferred ticket leaves to the ticket that takes its place: the same, less what was used.

    Entries begun by a part of a party count as used. Raises WrongState where nothing is left, or where what is left cannot be
    said in another ticket (hours that run since the first pass).
    """
    if usage.open is not None:
        raise WrongState("ticket", "in use", "be transferred")
    if allowed.minutes is not None and usage.first_at is not None:
        raise WrongState("ticket", "running since its first pass", "be transferred")
    entries, days = allowed.entries, allowed.days_of_use
    if entries is not None:
        entries -= -(-usage.used // allowed.party)
    if days is not None:
        days -= len(usage.days)
    if (entries is not None and entries <= 0) or (days is not None and days <= 0):
        raise WrongState("ticket", "used up", "be transferred")
    return msgspec.structs.replace(allowed, entries=entries, days_of_use=days, status="active")
