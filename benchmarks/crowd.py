"""`snowgate bench crowd`: balancing policies beside a clairvoyant bound and a pooled queue, and the other levers.

Definitions, bars and a measured table are in docs/crowd.md. No policy was tuned on the bench's mornings, whose seeds begin at
a thousand times `--seed`. Delay is queue wait plus the walk beyond that to the nearest gate.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import product
from time import process_time

import numpy as np

from benchmarks.crowd_bound import delay_bound_s
from benchmarks.crowd_levers import measure_levers
from benchmarks.crowd_tick import wired_tick
from orchestrator.balance import BEST, POLICIES
from orchestrator.crowd_view import Policy, View
from orchestrator.in_transit import Counts, InTransit
from orchestrator.measured import Measured, machine
from resort.clock import Clock, SystemClock
from sim.crowd_play import BINS, IGNORED, KNOWN, TICK_S, Outcome, Setting, play, pooled
from sim.crowd_world import Morning, morning

LOADS = (0.80, 0.95, 1.10)
AGES_S = (30.0, 180.0)
COMPLIANCES = (1.0, 0.7, 0.5)
MAIN = Setting()
SEEDS_OF_BEST = 4
SEEDS = 2  # of whatever is not the best policy in the main setting
TICK_GATES, TICK_LANES = 10, 6  # 60 lanes
TICKS = 200
VARIANTS = {
    "known_in_transit": replace(MAIN, in_transit=KNOWN),
    "ignored_in_transit": replace(MAIN, in_transit=IGNORED),
    "wrong_compliance_not_learnt": replace(MAIN, assumed_compliance=1.0, learn_compliance=False),
    "wrong_compliance_learnt": replace(MAIN, assumed_compliance=1.0),
}


@dataclass(slots=True)
class Mornings:
    """The bench's mornings with what they are compared with, each computed once."""

    first_seed: int
    days: dict[tuple[float, int], Morning] = field(default_factory=dict)
    pools: dict[tuple[float, int], Outcome] = field(default_factory=dict)
    bounds: dict[tuple[float, int, float], float] = field(default_factory=dict)

    def day(self, load: float, number: int) -> Morning:
        """The morning of that load and number."""
        key = (load, number)
        if key not in self.days:
            self.days[key] = morning(self.first_seed + number, load)
        return self.days[key]

    def pool(self, load: float, number: int) -> Outcome:
        """Its pooled queue."""
        key = (load, number)
        if key not in self.pools:
            self.pools[key] = pooled(self.day(load, number))
        return self.pools[key]

    def bound_s(self, load: float, numbers: Iterable[int], compliance: float) -> float:
        """Sum of the mornings' clairvoyant bounds at that compliance."""
        for number in numbers:
            key = (load, number, compliance)
            if key not in self.bounds:
                self.bounds[key] = delay_bound_s(self.day(load, number), compliance)
        return sum(self.bounds[load, number, compliance] for number in numbers)


@dataclass(slots=True)
class Report:
    """What is found, as it is found."""

    told: Callable[[str], None]
    figures: dict[str, float] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it; `seconds` is not used, as what is measured are mornings. Raises Unavailable when the bound cannot be computed."""
    report = Report(told)
    mornings = Mornings(1_000 * seed)
    for load in LOADS:
        _limits(report, mornings, load)
        for name, policy in POLICIES.items():
            await _main(report, mornings, load, name, policy)
        for age_s, compliance in product(AGES_S, COMPLIANCES):
            setting = replace(MAIN, age_s=age_s, compliance=compliance)
            if setting != MAIN:
                await _beside(report, mornings, load, f"age_{age_s:03.0f}_compliance_{100 * compliance:03.0f}", setting)
        for name, setting in VARIANTS.items():
            await _beside(report, mornings, load, name, setting)
    measure_levers(1_000 * seed, report.figures, report.limits, report.ratios, told)
    _tick(report, SystemClock())
    report.figures |= await wired_tick(SystemClock())
    return Measured("crowd", seed, machine(), report.figures, report.limits, report.ratios)


def _limits(report: Report, mornings: Mornings, load: float) -> None:
    """Bounds and pooled queue of one load."""
    numbers = range(SEEDS_OF_BEST)
    tag = _tag(load)
    pools = [mornings.pool(load, number) for number in numbers]
    report.limits[f"bound_delay_s_{tag}"] = mornings.bound_s(load, numbers, MAIN.compliance) / SEEDS_OF_BEST
    report.limits[f"bound_all_comply_delay_s_{tag}"] = mornings.bound_s(load, numbers, 1.0) / SEEDS_OF_BEST
    report.limits[f"pooled_delay_s_{tag}"] = _mean(pool.delay_s for pool in pools)
    report.limits[f"pooled_p95_wait_s_{tag}"] = _mean(pool.p95_wait_s for pool in pools)
    report.limits[f"pooled_largest_queue_{tag}"] = _mean(pool.largest_queue for pool in pools)
    report.figures[f"guests_{tag}"] = _mean(float(mornings.day(load, number).size.sum()) for number in numbers)


async def _main(report: Report, mornings: Mornings, load: float, name: str, policy: Policy) -> None:
    """One policy in the main setting: everything about it."""
    numbers = range(SEEDS_OF_BEST if name == BEST else SEEDS)
    tag = _tag(load)
    outcomes = await _played(mornings, load, numbers, policy, MAIN)
    pools = [mornings.pool(load, number) for number in numbers]
    delay = sum(outcome.delay_s for outcome in outcomes)
    p95, queue = sum(o.p95_wait_s for o in outcomes), float(sum(o.largest_queue for o in outcomes))
    report.figures |= {
        f"{name}_delay_s_{tag}": delay / len(outcomes),
        f"{name}_extra_walk_s_{tag}": _mean(float(o.extra_walk_s.mean()) for o in outcomes),
        f"{name}_p95_wait_s_{tag}": p95 / len(outcomes),
        f"{name}_p95_delay_s_{tag}": _mean(float(np.percentile(o.wait_s + o.extra_walk_s, 95)) for o in outcomes),
        f"{name}_largest_queue_{tag}": queue / len(outcomes),
        f"{name}_sign_changes_per_tick_{tag}": _mean(o.changes for o in outcomes),
    }
    ratios = {
        f"delay_over_bound_{tag}": delay / mornings.bound_s(load, numbers, MAIN.compliance),
        f"delay_over_bound_all_comply_{tag}": delay / mornings.bound_s(load, numbers, 1.0),
        f"delay_over_pooled_{tag}": delay / sum(pool.delay_s for pool in pools),
        f"p95_wait_over_pooled_{tag}": p95 / sum(pool.p95_wait_s for pool in pools),
        f"largest_queue_over_pooled_{tag}": queue / sum(pool.largest_queue for pool in pools),
    }
    report.ratios |= {f"{name}_{ratio}": value for ratio, value in ratios.items()}
    if name == BEST:
        report.ratios |= ratios
        same = outcomes[:SEEDS]  # the mornings on which the others were played
        near_p95, near_queue = report.figures[f"nearest_p95_wait_s_{tag}"], report.figures[f"nearest_largest_queue_{tag}"]
        report.ratios |= {
            f"p95_wait_over_nearest_{tag}": _mean(o.p95_wait_s for o in same) / near_p95,
            f"largest_queue_over_nearest_{tag}": _mean(o.largest_queue for o in same) / near_queue,
        }
    report.told(f"load {load:.2f} {name}: {ratios[f'delay_over_bound_{tag}']:.3f} x bound, {delay / len(outcomes):.0f} s")


async def _beside(report: Report, mornings: Mornings, load: float, what: str, setting: Setting) -> None:
    """The best policy in another setting, on fewer mornings: its ratio to the bound of that compliance."""
    outcomes = await _played(mornings, load, range(SEEDS), POLICIES[BEST], setting)
    bound = mornings.bound_s(load, range(SEEDS), setting.compliance)
    ratio = sum(outcome.delay_s for outcome in outcomes) / bound
    report.ratios[f"delay_over_bound_{_tag(load)}_{what}"] = ratio
    report.told(f"load {load:.2f} {what.replace('_', ' ')}: {ratio:.3f} x bound")


async def _played(mornings: Mornings, load: float, numbers: Iterable[int], policy: Policy, setting: Setting) -> list[Outcome]:
    outcomes = []
    for number in numbers:
        await asyncio.sleep(0)  # let Ctrl-C in
        outcomes.append(play(mornings.day(load, number), policy, setting))
    return outcomes


def _tick(report: Report, clock: Clock) -> None:
    """What one balance tick costs with 60 lanes: counts heard, queues carried on, advice given and remembered."""
    dice = np.random.default_rng(5)
    gates, signs = TICK_GATES, TICK_GATES
    walk_s = dice.uniform(100, 900, (signs, gates))
    sense = InTransit(walk_s, TICK_S, BINS, 0.7)
    served = np.full(gates, TICK_LANES / 3.0)
    passing = np.full((signs, BINS), 0.95 * served.sum() / signs)
    near = np.eye(signs)
    last = None
    took = []
    cpu_s = process_time()
    for _ in range(TICKS):
        began = clock.now()
        queue, queue_sd = sense.queue()
        lanes, ages = np.full(gates, float(TICK_LANES)), np.full(gates, 30.0)
        rates = np.full(gates, 1 / 3.0)
        view = View(lanes, rates, queue, queue_sd, ages, walk_s, passing, sense.walking(), TICK_S, TICK_S, sense.compliance)
        last = POLICIES[BEST].advise(view, last)
        sense.show(last.shares, near, passing[:, 0] * TICK_S)
        counted = dice.poisson(passing[:, 0] * TICK_S).astype(float)
        sense.hear(Counts(counted, served * TICK_S, dice.uniform(0, 60, gates), np.full(gates, 5.0), served))
        took.append(clock.now().ms_since(began))
    report.figures["balance_tick_60_lanes_cpu_ms"] = 1_000 * (process_time() - cpu_s) / TICKS
    report.figures["balance_tick_60_lanes_p50_ms"] = float(np.percentile(took, 50))
    report.figures["balance_tick_60_lanes_p99_ms"] = float(np.percentile(took, 99))


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _tag(load: float) -> str:
    return f"load_{round(100 * load):03d}"
