"""Attacks on a synthetic day of scans, kind by kind, some strong and some faint. Seeded; see `sim/scan_days.py`.

Nothing here was recorded: how cheats go about it is our guess. Real ones are rarer; so many a day measure recall in few days.
"""

from collections.abc import Callable

import msgspec

from resort.access.reasons import Reason
from resort.alarms import mark_of
from resort.clock import Moment
from resort.messages import JournalEvent
from sim.scan_days import DAY_S, GATES, GUESTS, STEP_S, ScanDay, honest

ATTACKS_A_DAY = 6  # of each kind


class Attack(msgspec.Struct, frozen=True):
    """One attack: what an alert about it may be about, and when it was going on."""

    kind: str
    keys: frozenset[str]
    begins_s: float
    ends_s: float


class PlayedDay(msgspec.Struct, frozen=True):
    """A day's events in order, the attacks in it, and which event is whose."""

    events: list[tuple[JournalEvent, Moment]]
    attacks: list[Attack]
    guilty: dict[str, int]


Doing = Callable[[ScanDay, float], tuple[set[str], float]]  # the keys, and when it ended


def _shared_pass(day: ScanDay, at: float) -> tuple[set[str], float]:
    """One pass for two: handed back over the fence after each ride. Some gates refuse it, at some it works."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    works = dice.random() < 0.3
    for _ in range(dice.randrange(3, 9)):
        day.grant(at, day.lane(gate), ticket)
        again = at + dice.uniform(15, 90)
        if works:
            day.grant(again, day.lane(gate), ticket)
        for _ in range(0 if works else dice.choice((1, 1, 2))):
            day.refuse(again, day.lane(gate), Reason.TOO_SOON, ticket)
            again += dice.uniform(5, 20)
        at += dice.uniform(1_000, 2_400)
    return {f"ticket:{mark_of(ticket)}"}, at


def _copied_code(day: ScanDay, at: float) -> tuple[set[str], float]:
    """A printed single ticket, copied for friends who come one after the other at two or three gates."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    day.grant(at, day.lane(gate), ticket)
    for number in range(dice.randrange(3, 8)):
        at += dice.uniform(30, 900)
        day.refuse(at, day.lane((gate + number % dice.choice((2, 3))) % GATES), Reason.ALREADY_USED, ticket)
    return {f"ticket:{mark_of(ticket)}"}, at


def _tailgating(day: ScanDay, at: float) -> tuple[set[str], float]:
    """A gang behind paying guests."""
    gate = day.dice.randrange(GATES)
    for _ in range(day.dice.randrange(3, 9)):
        day.turn(at, day.lane(gate))
        at += day.dice.uniform(15, 90)
    return {f"turns:g{gate}"}, at


def _brute_force(day: ScanDay, at: float) -> tuple[set[str], float]:
    """Made-up codes on a phone's screen, one after the other."""
    dice, gate = day.dice, day.dice.randrange(GATES)
    lanes = [day.lane(gate) for _ in range(dice.randrange(1, 4))]
    for _ in range(dice.randrange(5, 41)):
        day.refuse(at, dice.choice(lanes), Reason.FORGED_CODE, None, mark=f"m{dice.getrandbits(48):x}")
        at += dice.uniform(3, 25)
    return {f"codes:g{gate}"}, at


def _card_shuttle(day: ScanDay, at: float) -> tuple[set[str], float]:
    """A runner carries a handful of cards back to the next group."""
    dice, gate = day.dice, day.dice.randrange(GATES)
    tickets = [day.ticket() for _ in range(dice.randrange(3, 6))]
    for _ in range(dice.randrange(2, 6)):
        for ticket in tickets:
            at += dice.uniform(3, 9)
            day.grant(at, day.lane(gate), ticket)
        at += dice.uniform(60, 150)
        works = dice.random() < 0.4
        for ticket in tickets:
            at += dice.uniform(3, 9)
            if works:
                day.grant(at, day.lane(gate), ticket)
            else:
                day.refuse(at, day.lane(gate), Reason.TOO_SOON, ticket)
        at += dice.uniform(900, 1_800)
    return {f"ticket:{mark_of(ticket)}" for ticket in tickets}, at


def _cloned_rotating(day: ScanDay, at: float) -> tuple[set[str], float]:
    """A rotating code sent on as it is shown: the same step at two gates, or a ride too far away."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    for _ in range(dice.randrange(2, 5)):
        step, there = int(at) // STEP_S + 1, (gate + 1 + dice.randrange(GATES - 1)) % GATES
        day.grant(at, day.lane(gate), ticket, step)
        later = at + dice.uniform(4, 40)
        reason = dice.choice((Reason.IMPOSSIBLE_TRAVEL, Reason.CODE_REPLAYED, Reason.IN_USE))
        day.refuse(later, day.lane(there), reason, ticket, step)
        at += dice.uniform(900, 2_400)
    return {f"ticket:{mark_of(ticket)}"}, at


def _refund_and_reuse(day: ScanDay, at: float) -> tuple[set[str], float]:
    """Money back on the way to the lift, then in all the same: wherever nobody looks."""
    dice, ticket, gate = day.dice, day.ticket(), day.dice.randrange(GATES)
    for number in range(dice.randrange(3, 8)):
        day.refuse(at, day.lane((gate + number) % GATES), Reason.REFUNDED, ticket)
        at += dice.uniform(120, 900)
    return {f"ticket:{mark_of(ticket)}"}, at


KINDS: dict[str, Doing] = {
    "shared_pass": _shared_pass,
    "copied_code": _copied_code,
    "tailgating": _tailgating,
    "brute_force": _brute_force,
    "card_shuttle": _card_shuttle,
    "cloned_rotating": _cloned_rotating,
    "refund_and_reuse": _refund_and_reuse,
}


def play(seed: int, attacks_a_day: int = ATTACKS_A_DAY, guests: int = GUESTS) -> PlayedDay:
    """A day with honest guests and so many attacks of each kind."""
    day = ScanDay(seed)
    honest(day, guests)
    attacks: list[Attack] = []
    for kind, doing in KINDS.items():
        for _ in range(attacks_a_day):
            day.attack = len(attacks)
            begins = day.dice.uniform(600, DAY_S * 0.6)
            keys, ends = doing(day, begins)
            attacks.append(Attack(kind, frozenset(keys), begins, ends))
    return PlayedDay(day.played(), attacks, day.guilty)
