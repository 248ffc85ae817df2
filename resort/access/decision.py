"""The decision at a lane: may the holder of this ticket pass here and now?

Pure and the only implementation of the rules. Each rule is a small function that returns the reason to refuse, or None;
the first refusal wins, so their order is part of the contract (what is said to the guest when several apply).
"""

from collections.abc import Callable
from datetime import date

import msgspec

from resort.access.entitlement import TicketRecord
from resort.access.reasons import Reason, explain
from resort.site import LaneClass
from resort.texts import Text


class Scan(msgspec.Struct, frozen=True, gc=False):
    """A genuine code shown at a lane: where, and on which local day."""

    lane_class: LaneClass
    today: date


class Decision(msgspec.Struct, frozen=True):
    """The verdict with its stable reason and the sentence that people read."""

    admitted: bool
    reason: Reason
    explanation: Text


Rule = Callable[[Scan, TicketRecord], Reason | None]


def _not_blocked(_scan: Scan, ticket: TicketRecord) -> Reason | None:
    return Reason.BLOCKED if ticket.entitlement.status == "blocked" else None


def _right_day(scan: Scan, ticket: TicketRecord) -> Reason | None:
    return None if ticket.entitlement.valid_on == scan.today else Reason.WRONG_DAY


def _right_lane(scan: Scan, ticket: TicketRecord) -> Reason | None:
    return None if scan.lane_class in ticket.entitlement.lane_classes else Reason.WRONG_LANE


def _not_in_use(_scan: Scan, ticket: TicketRecord) -> Reason | None:
    return Reason.IN_USE if ticket.usage.open_grant is not None else None


def _entries_left(_scan: Scan, ticket: TicketRecord) -> Reason | None:
    if ticket.entitlement.entries is None or ticket.usage.used < ticket.entitlement.entries:
        return None
    return Reason.OUTCOME_UNKNOWN if ticket.usage.unknown else Reason.ALREADY_USED


# Rules that staff can act on come first; "used" comes before "wrong lane" so that a copied code is called what it is.
RULES: tuple[Rule, ...] = (_not_blocked, _right_day, _not_in_use, _entries_left, _right_lane)


def refusal(reason: Reason) -> Decision:
    """The decision that refuses for `reason`."""
    return Decision(False, reason, explain(reason))


def decide(scan: Scan, ticket: TicketRecord | None) -> Decision:
    """Admit or refuse; None stands for a ticket that was never sold. The time enters through `scan.today`."""
    if ticket is None:
        return refusal(Reason.UNKNOWN_TICKET)
    for rule in RULES:
        reason = rule(scan, ticket)
        if reason is not None:
            return refusal(reason)
    return Decision(True, Reason.ADMITTED, explain(Reason.ADMITTED))
