"""The rules of admission, one by one: what each looks at, and the reason for which it refuses. Pure.

`RULES` is a table in the order in which the rules speak: the first refusal wins, so the order is part of the contract (what is
said to the guest when several apply). What becomes of a whole scan is in `resort/access/decision.py`.

A party (`Entitlement.party`) that has not wholly passed yet may complete: the rules that keep a ticket from coming back too
soon look at whole parties. Time that runs backwards, as after a clock was set back, counts as no time.
"""

from collections.abc import Callable
from datetime import date, datetime

import msgspec

from resort.access.entitlement import Entitlement, Hours, Medium, TicketRecord, TicketStatus, Usage, persons_allowed
from resort.access.gate_rules import GateRules
from resort.access.reasons import Reason
from resort.access.service_day import LocalTime, within
from resort.site import LaneClass

NOBODY_ELSE: frozenset[LaneClass] = frozenset()


class Scan(msgspec.Struct, frozen=True, gc=False):
    """A genuine code shown at a lane: where, when and how. `resort.access.decision.scan_at` makes one."""

    lane_class: LaneClass
    at: datetime
    local: LocalTime
    medium: Medium = "printed"
    step: int = 0  # of a rotating code, 0 for others
    admits: frozenset[LaneClass] = NOBODY_ELSE  # whose tickets the policy of the moment lets in besides those of the lane


class Case(msgspec.Struct, frozen=True, gc=False):
    """Everything that a rule may look at. `bound`: the use of the ticket that a companion is bound to, if it was looked up."""

    scan: Scan
    gate: GateRules
    allowed: Entitlement
    usage: Usage
    bound: Usage | None
    completes: bool  # a part of the party has passed, and the rest may follow


def case_of(scan: Scan, ticket: TicketRecord, gate: GateRules, bound: TicketRecord | None) -> Case:
    """The case of a ticket shown at a gate."""
    allowed, usage = ticket.entitlement, ticket.usage
    return Case(scan, gate, allowed, usage, None if bound is None else bound.usage, usage.used % allowed.party != 0)


Inputs = dict[str, object]  # what a rule looked at, by name: text, numbers, truth values, None, and lists of text


class Rule(msgspec.Struct, frozen=True):
    """One rule: its stable name, why it refuses a case (None: it does not), and what it looks at."""

    name: str
    check: Callable[[Case], Reason | None]
    inputs: Callable[[Case], Inputs]


# ---- the checks: they run for every scan, so they build nothing

_BY_STATUS: dict[TicketStatus, Reason | None] = {
    "active": None,
    "blocked": Reason.BLOCKED,
    "revoked": Reason.REVOKED,
    "refunded": Reason.REFUNDED,
    "transferred": Reason.TRANSFERRED,
}


def _status(case: Case) -> Reason | None:
    return _BY_STATUS[case.allowed.status]


def _medium(case: Case) -> Reason | None:
    return None if case.scan.medium in case.allowed.media else Reason.WRONG_MEDIUM


def _day(case: Case) -> Reason | None:
    allowed, day = case.allowed, case.scan.local.day
    if day == allowed.valid_on:
        return None
    until = allowed.valid_until
    return None if until is not None and allowed.valid_on < day <= until else Reason.WRONG_DAY


def _blackout(case: Case) -> Reason | None:
    return Reason.BLACKOUT_DAY if case.scan.local.day in case.allowed.blackout else None


def _hours(case: Case) -> Reason | None:
    hours = case.allowed.hours
    return None if hours is None or within(hours, case.scan.local) else Reason.OUT_OF_HOURS


def _place(case: Case) -> Reason | None:
    if not case.allowed.places:
        return None
    gate, covered = case.gate, False
    here = (gate.gate_id, gate.zone, gate.lift)
    for place in case.allowed.places:
        if place.place in here:
            if place.hours is None or within(place.hours, case.scan.local):
                return None
            covered = True
    return Reason.OUT_OF_HOURS if covered else Reason.WRONG_PLACE


def _in_use(case: Case) -> Reason | None:
    return None if case.usage.open is None else Reason.IN_USE


def _entries(case: Case) -> Reason | None:
    allowed, usage = case.allowed, case.usage
    if allowed.entries is None or usage.used < allowed.entries * allowed.party:
        return None
    return Reason.OUTCOME_UNKNOWN if usage.unknown else Reason.ALREADY_USED


def _days_of_use(case: Case) -> Reason | None:
    most, days = case.allowed.days_of_use, case.usage.days
    return Reason.DAYS_USED_UP if most is not None and len(days) >= most and case.scan.local.day not in days else None


def _minutes(case: Case) -> Reason | None:
    minutes, first_at = case.allowed.minutes, case.usage.first_at
    if minutes is None or first_at is None or (case.scan.at - first_at).total_seconds() < minutes * 60:
        return None
    return Reason.TIME_USED_UP


def _replay(case: Case) -> Reason | None:
    step = case.scan.step
    return Reason.CODE_REPLAYED if 0 < step <= case.usage.last_step and not case.completes else None


def _lane(case: Case) -> Reason | None:
    scan, classes = case.scan, case.allowed.lane_classes
    if scan.lane_class in classes or (scan.admits and not scan.admits.isdisjoint(classes)):
        return None
    return Reason.WRONG_LANE


def _interval(case: Case) -> Reason | None:
    gate = case.gate
    if not gate.min_interval_s or not case.allowed.passback or case.completes:
        return None
    last = case.usage.lifts.get(gate.lift)
    return Reason.TOO_SOON if last is not None and (case.scan.at - last).total_seconds() < gate.min_interval_s else None


def inside(case: Case) -> bool:
    """Whether the holder is in the gate's zone already, as far as gates and exits tell."""
    return case.usage.zone == case.gate.zone and case.allowed.passback and not case.completes


def _passback(case: Case) -> Reason | None:
    return Reason.STILL_INSIDE if case.gate.passback == "hard" and inside(case) else None


def _travel(case: Case) -> Reason | None:
    usage = case.usage
    if not case.gate.travel_s or usage.last_gate is None or usage.last_at is None or not case.allowed.passback:
        return None
    least_s = case.gate.travel_s.get(usage.last_gate, 0)
    return Reason.IMPOSSIBLE_TRAVEL if least_s and (case.scan.at - usage.last_at).total_seconds() < least_s else None


def _companion(case: Case) -> Reason | None:
    """Only after the other's pass here, within the time for it, and once for each such pass."""
    if case.allowed.companion_of is None:
        return None
    bound, own = case.bound, case.usage
    if bound is None or bound.last_at is None or bound.last_gate != case.gate.gate_id:
        return Reason.COMPANION_ALONE
    if not 0 <= (case.scan.at - bound.last_at).total_seconds() <= case.gate.companion_s:
        return Reason.COMPANION_ALONE
    followed = own.last_at is not None and own.last_at >= bound.last_at
    return Reason.COMPANION_ALONE if followed and not case.completes else None


# ---- what each looked at: for people who ask why, never for the verdict


def _text(value: date | datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def _span(hours: Hours | None) -> str | None:
    return None if hours is None else f"{hours.opens:%H:%M}-{hours.closes:%H:%M}"


def _seconds_since(earlier: datetime | None, case: Case) -> float | None:
    return None if earlier is None else round((case.scan.at - earlier).total_seconds(), 1)


def _see_day(case: Case) -> Inputs:
    allowed = case.allowed
    return {
        "day": _text(case.scan.local.day),
        "valid_on": _text(allowed.valid_on),
        "valid_until": _text(allowed.valid_until),
    }


def _see_hours(case: Case) -> Inputs:
    local = case.scan.local
    return {"clock": f"{local.clock:%H:%M}", "past_midnight": local.late, "hours": _span(case.allowed.hours)}


def _see_place(case: Case) -> Inputs:
    covered = [place.place + (f" {_span(place.hours)}" if place.hours else "") for place in case.allowed.places]
    return {"gate": case.gate.gate_id, "zone": case.gate.zone, "lift": case.gate.lift, "places": covered}


def _see_entries(case: Case) -> Inputs:
    usage = case.usage
    return {"used": usage.used, "unknown": usage.unknown, "allowed": persons_allowed(case.allowed), "party": case.allowed.party}


def _see_days_of_use(case: Case) -> Inputs:
    return {"days": [day.isoformat() for day in case.usage.days], "days_of_use": case.allowed.days_of_use}


def _see_minutes(case: Case) -> Inputs:
    return {"first_at": _text(case.usage.first_at), "minutes": case.allowed.minutes}


def _see_replay(case: Case) -> Inputs:
    return {"step": case.scan.step, "last_step": case.usage.last_step, "party_completes": case.completes}


def _see_lane(case: Case) -> Inputs:
    scan = case.scan
    return {"lane_class": scan.lane_class, "policy": sorted(scan.admits), "lane_classes": list(case.allowed.lane_classes)}


def _see_interval(case: Case) -> Inputs:
    gate = case.gate
    return {
        "lift": gate.lift,
        "seconds_since": _seconds_since(case.usage.lifts.get(gate.lift), case),
        "min_interval_s": gate.min_interval_s,
        "applies": case.allowed.passback and not case.completes,
    }


def _see_passback(case: Case) -> Inputs:
    return {
        "zone": case.gate.zone,
        "holder_in": case.usage.zone,
        "passback": case.gate.passback,
        "applies": case.allowed.passback and not case.completes,
    }


def _see_travel(case: Case) -> Inputs:
    last = case.usage.last_gate
    return {
        "gate": case.gate.gate_id,
        "last_gate": last,
        "seconds_since": _seconds_since(case.usage.last_at, case),
        "least_s": None if last is None else case.gate.travel_s.get(last),
        "applies": case.allowed.passback,
    }


def _see_companion(case: Case) -> Inputs:
    bound = case.bound
    return {
        "companion_of": case.allowed.companion_of,
        "last_gate": None if bound is None else bound.last_gate,
        "seconds_since": None if bound is None else _seconds_since(bound.last_at, case),
        "companion_s": case.gate.companion_s,
        "own_last_at": _text(case.usage.last_at),
    }


# What staff have decided comes first, then what the ticket is for, then how it was used. "Used" comes before "wrong lane", so
# that a copied code is called what it is. The companion comes last: only it needs another ticket to be looked up.
RULES: tuple[Rule, ...] = (
    Rule("status", _status, lambda case: {"status": case.allowed.status}),
    Rule("medium", _medium, lambda case: {"medium": case.scan.medium, "media": list(case.allowed.media)}),
    Rule("day", _day, _see_day),
    Rule("blackout", _blackout, lambda case: {"blackout": [day.isoformat() for day in case.allowed.blackout]}),
    Rule("hours", _hours, _see_hours),
    Rule("place", _place, _see_place),
    Rule("in_use", _in_use, lambda case: {"open_grant": case.usage.open_grant, "open_lane": case.usage.open_lane}),
    Rule("entries", _entries, _see_entries),
    Rule("days_of_use", _days_of_use, _see_days_of_use),
    Rule("minutes", _minutes, _see_minutes),
    Rule("replay", _replay, _see_replay),
    Rule("lane", _lane, _see_lane),
    Rule("interval", _interval, _see_interval),
    Rule("passback", _passback, _see_passback),
    Rule("travel", _travel, _see_travel),
    Rule("companion", _companion, _see_companion),
)
