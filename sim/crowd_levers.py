"""Small worlds for the other levers: opening lanes, fast lane, reversible lanes, time slots. Each compares with doing without.

Guests come in parties by a seeded Poisson process whose rate is wrong by up to 15 % against the forecast, as in the large
bench (`sim/crowd_world.py`), and decisions are taken every quarter minute on queues that are half a minute old.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.fast_lane import AccumulatingPriority
from orchestrator.lane_opening import Opening, SquareRoot
from orchestrator.reversible import INWARD, OUTWARD, LaneWay, MaxPressure
from orchestrator.time_slots import offer, slot_quotas
from sim.crowd_world import BLOCK_S, FORECAST_ERROR, LANES, PARTY_SHARE, SERVICE_S, SERVICE_SHAPE, Floats
from sim.lane_bank import LaneBank

TICK_S = 15.0
AGE_TICKS = 2
START_UP_S = 30.0  # somebody walks to the lane and switches it on
VIP_SHARE = 0.1
DAY = (
    0.25,
    0.4,
    0.6,
    0.8,
    0.85,
    0.85,
    0.8,
    0.7,
    0.55,
    0.45,
    0.4,
    0.4,
    0.45,
    0.5,
    0.5,
    0.45,
    0.4,
    0.3,
    0.25,
    0.2,
    0.2,
    0.2,
    0.15,
    0.1,
)


@dataclass(frozen=True, slots=True)
class Course:
    """Who comes: (N,) times in order, and service times; `foreseen` guests a second by quarter of an hour."""

    at_s: Floats
    needs_s: Floats
    foreseen: Floats

    @property
    def work_s(self) -> float:
        """Lane seconds that nobody can save."""
        return float(self.needs_s.sum())


def course(dice: np.random.Generator, foreseen: Floats) -> Course:
    """Draw parties for a forecast by quarter of an hour."""
    sizes = np.arange(1, len(PARTY_SHARE) + 1)
    rate = foreseen * (1 + dice.uniform(-FORECAST_ERROR, FORECAST_ERROR, len(foreseen)))
    number = dice.poisson(rate * BLOCK_S / float(np.dot(PARTY_SHARE, sizes)))
    parties = np.sort(np.concatenate([block * BLOCK_S + dice.uniform(0, BLOCK_S, n) for block, n in enumerate(number)]))
    at_s = np.repeat(parties, dice.choice(sizes, len(parties), p=PARTY_SHARE))
    return Course(at_s, dice.gamma(SERVICE_SHAPE, SERVICE_S / SERVICE_SHAPE, len(at_s)), foreseen)


# ---- opening lanes


@dataclass(frozen=True, slots=True)
class Staffed:
    """What opening lanes cost and gave, summed over the gates."""

    lane_hours: float
    work_hours: float
    p95_wait_s: float


def opening_day(seed: int, rule: SquareRoot | None) -> Staffed:
    """Six hours at each of the six gates; without a rule all lanes are open all day."""
    lane_s = work_s = 0.0
    waits: list[float] = []
    for gate, lanes in enumerate(LANES):
        guests = course(np.random.default_rng((seed, 31, gate)), np.array(DAY) * lanes / SERVICE_S)
        bank = _staffed(guests, lanes, rule)
        work_s += guests.work_s
        lane_s += bank.open_lane_s(len(DAY) * BLOCK_S)
        waits += bank.waits[0]
    return Staffed(lane_s / 3_600, work_s / 3_600, float(np.percentile(waits, 95)))


def _staffed(guests: Course, lanes: int, rule: SquareRoot | None) -> LaneBank:
    bank = LaneBank(lanes if rule is None else 1)
    for at_s, needs_s in zip(guests.at_s.tolist(), guests.needs_s.tolist(), strict=True):
        bank.offer(at_s, needs_s)
    last = Opening(bank.lanes)
    seen = [0] * AGE_TICKS
    for tick in range(round(len(guests.foreseen) * BLOCK_S / TICK_S)):
        now = tick * TICK_S
        bank.run(now)
        seen.append(bank.standing(now))
        if rule is None:
            continue
        ahead = guests.foreseen[min(len(guests.foreseen) - 1, int((now + 60) / BLOCK_S))]
        last = rule.decide(now, last, rule.wanted(float(ahead), 1 / SERVICE_S, seen[-1 - AGE_TICKS], lanes))
        while bank.lanes < last.lanes:
            bank.open_lane(now + START_UP_S)
        while bank.lanes > last.lanes:
            bank.close_lane(now)
    bank.run(float("inf"))
    return bank


# ---- fast lane


@dataclass(frozen=True, slots=True)
class FastLane:
    """Waits of fast-lane guests and of the others."""

    vip_p95_s: float
    vip_mean_s: float
    others_mean_s: float


def fast_lane(seed: int, slopes: tuple[float, float], lanes: int = 8, own_lanes: int = 0) -> FastLane:
    """Two hours at a gate that is full in the second half-hour. `own_lanes` are kept for fast-lane guests."""
    dice = np.random.default_rng((seed, 37))
    guests = course(dice, np.array([0.7, 0.9, 1.1, 1.1, 0.9, 0.7, 0.6, 0.5]) * lanes / SERVICE_S)
    vip = dice.random(len(guests.at_s)) < VIP_SHARE
    rule = AccumulatingPriority(slopes)
    banks = [LaneBank(lanes, rule)] if not own_lanes else [LaneBank(own_lanes, rule), LaneBank(lanes - own_lanes, rule)]
    for at_s, needs_s, is_vip in zip(guests.at_s.tolist(), guests.needs_s.tolist(), vip.tolist(), strict=True):
        banks[0 if is_vip else -1].offer(at_s, needs_s, 0 if is_vip else 1)
    for bank in banks:
        bank.run(float("inf"))
    vips, others = banks[0].waits[0], banks[-1].waits[1]
    return FastLane(float(np.percentile(vips, 95)), float(np.mean(vips)), float(np.mean(others)))


# ---- reversible lanes

Way = Callable[[float, tuple[LaneWay, ...], tuple[float, float], tuple[int, int]], int | None]


def reversible(seed: int, rule: MaxPressure | None, movable: int = 4) -> float:
    """Mean wait, both ways, of three hours whose crowd turns from in to out; without a rule lanes flip at half time."""
    dice = np.random.default_rng((seed, 41))
    turn = np.linspace(0.8, 0.2, 12)
    lanes = movable + 2
    sides = [course(dice, 0.8 * share * lanes / SERVICE_S) for share in (turn, 1 - turn)]
    banks = [LaneBank(1 + movable), LaneBank(1)]
    for bank, guests in zip(banks, sides, strict=True):
        for at_s, needs_s in zip(guests.at_s.tolist(), guests.needs_s.tolist(), strict=True):
            bank.offer(at_s, needs_s)
    clearance = (rule or MaxPressure()).clearance_s
    ways = [LaneWay(INWARD, -1e9) for _ in range(movable)]
    seen: list[tuple[float, float]] = [(0.0, 0.0)] * AGE_TICKS
    for tick in range(round(12 * BLOCK_S / TICK_S)):
        now = tick * TICK_S
        for bank in banks:
            bank.run(now)
        seen.append((float(banks[0].standing(now)), float(banks[1].standing(now))))
        if rule is None:
            changing = list(range(movable)) if tick == round(6 * BLOCK_S / TICK_S) else []
        else:
            found = rule.change(now, tuple(ways), seen[-1 - AGE_TICKS], (banks[0].lanes, banks[1].lanes))
            changing = [] if found is None else [found]
        for number in changing:
            side = ways[number].side
            empty_at = banks[side].close_lane(now)
            banks[1 - side].open_lane(empty_at + clearance)
            ways[number] = LaneWay(OUTWARD if side == INWARD else INWARD, now)
    for bank in banks:
        bank.run(float("inf"))
    return float(np.mean(banks[0].waits[0] + banks[1].waits[0]))


# ---- time slots


@dataclass(frozen=True, slots=True)
class Slotted:
    """Waits at overload, and by how much guests were moved for it."""

    p95_wait_s: float
    mean_wait_s: float
    mean_moved_s: float


def slots(seed: int, metered: bool, booked_share: float = 0.6, lanes: int = 10) -> Slotted:
    """Three hours with a quarter more guests than lanes in the middle. Bookers take the nearest slot with room if `metered`."""
    dice = np.random.default_rng((seed, 43))
    served = np.full(16, lanes / SERVICE_S * BLOCK_S)
    foreseen = np.array([0.4, 0.6, 0.9, 1.25, 1.3, 1.25, 1.1, 0.8, 0.6, 0.5, 0.4, 0.3]) * lanes / SERVICE_S
    guests = course(dice, foreseen)
    books = dice.random(len(guests.at_s)) < booked_share
    unbooked = np.concatenate([foreseen * BLOCK_S * (1 - booked_share), np.zeros(4)])
    at_s = guests.at_s.copy()
    if metered:
        at_s = _moved(dice, guests.at_s, books, slot_quotas(served.tolist(), unbooked.tolist()))
    bank = LaneBank(lanes)
    order = np.argsort(at_s, kind="stable")
    for guest in order.tolist():
        bank.offer(float(at_s[guest]), float(guests.needs_s[guest]))
    bank.run(float("inf"))
    waits = np.array(bank.waits[0])
    return Slotted(float(np.percentile(waits, 95)), float(waits.mean()), float(np.abs(at_s - guests.at_s)[books].mean()))


def _moved(dice: np.random.Generator, at_s: Floats, books: Sequence[bool] | np.ndarray, quotas: list[int]) -> Floats:
    """Times after booking, in a random order of booking; within another slot guests come evenly."""
    taken = [0] * len(quotas)
    moved = at_s.copy()
    for guest in dice.permutation(np.flatnonzero(books)).tolist():
        wanted = int(at_s[guest] // BLOCK_S)
        slot = offer(wanted, taken, quotas)
        if slot is None:
            continue
        taken[slot] += 1
        if slot != wanted:
            moved[guest] = slot * BLOCK_S + dice.uniform(0, BLOCK_S)
    return moved
