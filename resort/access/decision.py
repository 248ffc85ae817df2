"""The decision at a lane: may the holder of this ticket pass here and now?

Pure, and the only place where the rules (`resort/access/rules.py`) are put to a scan. `decide` runs their checks and nothing
else; `trace` runs the very same checks to the end and says what each of them saw, for people who ask why.
"""

from datetime import datetime

import msgspec

from resort.access.entitlement import Medium, TicketRecord
from resort.access.gate_rules import GateRules
from resort.access.reasons import Reason, explain
from resort.access.rules import NOBODY_ELSE, RULES, Inputs, Scan, case_of, inside
from resort.access.service_day import local_time
from resort.site import LaneClass
from resort.texts import Text


class Decision(msgspec.Struct, frozen=True):
    """The verdict with its stable reason and the sentence that people read.

    `warning`: admitted, but a rule that only warns would have refused for this.
    """

    admitted: bool
    reason: Reason
    explanation: Text
    warning: Reason | None = None


class RuleTrace(msgspec.Struct, frozen=True):
    """What one rule made of a scan: `reason` None lets the holder pass, else `says` is its sentence. `inputs`: what it saw."""

    rule: str
    inputs: Inputs
    reason: Reason | None = None
    says: Text | None = None


_ADMITTED = Decision(True, Reason.ADMITTED, explain(Reason.ADMITTED))
_ADMITTED_INSIDE = Decision(True, Reason.ADMITTED, explain(Reason.ADMITTED), Reason.STILL_INSIDE)
_REFUSALS = {reason: Decision(False, reason, explain(reason)) for reason in Reason}
_CHECKS = tuple(rule.check for rule in RULES)


def scan_at(
    gate: GateRules,
    lane_class: LaneClass,
    at: datetime,
    medium: Medium = "printed",
    step: int = 0,
    admits: frozenset[LaneClass] = NOBODY_ELSE,
) -> Scan:
    """A genuine code shown at a lane of this gate at `at` (aware); `step` is that of a rotating code."""
    return Scan(lane_class, at, local_time(at, gate.timezone, gate.day_begins), medium, step, admits)


def refusal(reason: Reason) -> Decision:
    """The decision that refuses for `reason`."""
    return _REFUSALS[reason]


def decide(scan: Scan, ticket: TicketRecord | None, gate: GateRules, bound: TicketRecord | None = None) -> Decision:
    """Admit or refuse. `ticket` None stands for a ticket that was never sold.

    `bound` is the ticket that a companion's is bound to. Without it a companion is refused as COMPANION_ALONE, after every
    other rule has let him pass: look that ticket up then, and decide again with it.
    """
    if ticket is None:
        return _REFUSALS[Reason.UNKNOWN_TICKET]
    case = case_of(scan, ticket, gate, bound)
    for check in _CHECKS:
        reason = check(case)
        if reason is not None:
            return _REFUSALS[reason]
    return _ADMITTED_INSIDE if gate.passback == "soft" and inside(case) else _ADMITTED


def trace(scan: Scan, ticket: TicketRecord | None, gate: GateRules, bound: TicketRecord | None = None) -> list[RuleTrace]:
    """Every rule in the order in which they speak, with what it saw and what it says; arguments as for `decide`.

    The first one with a reason is what `decide` answers; with none, the holder is admitted. A ticket that was never sold has
    one entry, named `sold`. Whether the code is genuine and fresh comes before: `resort.access.codes.examine_code`.
    """
    if ticket is None:
        return [RuleTrace("sold", {}, Reason.UNKNOWN_TICKET, explain(Reason.UNKNOWN_TICKET))]
    case = case_of(scan, ticket, gate, bound)
    return [_traced(rule.name, rule.inputs(case), rule.check(case)) for rule in RULES]


def _traced(rule: str, inputs: Inputs, reason: Reason | None) -> RuleTrace:
    return RuleTrace(rule, inputs, reason, None if reason is None else explain(reason))
