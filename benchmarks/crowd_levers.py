"""The part of `snowgate bench crowd` beside balancing: what opening lanes, a fast lane, reversible lanes and time slots bring.

Each lever is measured with its rule and without, on the same guests. The worlds are `sim/crowd_levers.py`.
"""

from collections.abc import Callable, Iterable

import numpy as np

from orchestrator.fast_lane import AccumulatingPriority
from orchestrator.lane_opening import SquareRoot
from orchestrator.reversible import MaxPressure
from sim.crowd_levers import fast_lane, opening_day, reversible, slots

SEEDS = 3
TURNS = 8  # mornings of the reversible lanes, whose waits differ most
FIFO = (1.0, 1.0)

Numbers = dict[str, float]


def measure_levers(first_seed: int, figures: Numbers, limits: Numbers, ratios: Numbers, told: Callable[[str], None]) -> None:
    """Add the levers' figures, limits and ratios."""
    seeds = range(first_seed, first_seed + SEEDS)
    _opening(seeds, figures, limits, ratios)
    _fast(seeds, figures, ratios)
    turns = range(first_seed, first_seed + TURNS)
    by_pressure, by_plan = _mean(reversible(s, MaxPressure()) for s in turns), _mean(reversible(s, None) for s in turns)
    figures |= {"reversible_mean_wait_s": by_pressure, "reversible_scheduled_mean_wait_s": by_plan}
    ratios["reversible_wait_over_scheduled"] = by_pressure / by_plan
    for name, metered in (("slots", True), ("no_slots", False)):
        found = [slots(seed, metered) for seed in seeds]
        figures[f"{name}_mean_wait_s"] = _mean(each.mean_wait_s for each in found)
        figures[f"{name}_p95_wait_s"] = _mean(each.p95_wait_s for each in found)
        figures[f"{name}_mean_moved_s"] = _mean(each.mean_moved_s for each in found)
    ratios["slots_p95_wait_over_none"] = figures["slots_p95_wait_s"] / figures["no_slots_p95_wait_s"]
    lanes, vip_s = ratios["lane_hours_over_work"], figures["vip_p95_s"]
    told(f"lanes {lanes:.2f} x work, fast lane p95 {vip_s:.1f} s, reversible {by_pressure:.1f} s")


def _opening(seeds: range, figures: Numbers, limits: Numbers, ratios: Numbers) -> None:
    ruled = [opening_day(seed, SquareRoot()) for seed in seeds]
    figures["lane_hours"] = _mean(day.lane_hours for day in ruled)
    figures["lane_hours_all_open"] = _mean(opening_day(seed, None).lane_hours for seed in seeds)
    figures["lane_opening_p95_wait_s"] = _mean(day.p95_wait_s for day in ruled)
    limits["lane_hours_pure_work"] = _mean(day.work_hours for day in ruled)
    ratios["lane_hours_over_work"] = figures["lane_hours"] / limits["lane_hours_pure_work"]


def _fast(seeds: range, figures: Numbers, ratios: Numbers) -> None:
    kinds = (("", AccumulatingPriority().slopes, 0), ("no_fast_lane_", FIFO, 0), ("own_fast_lane_", FIFO, 1))
    for name, slopes, own in kinds:
        found = [fast_lane(seed, (slopes[0], slopes[1]), own_lanes=own) for seed in seeds]
        figures[f"{name}vip_p95_s"] = _mean(each.vip_p95_s for each in found)
        figures[f"{name}others_mean_s"] = _mean(each.others_mean_s for each in found)
    for name in ("", "own_fast_lane_"):
        ratios[f"{name}others_mean_over_no_fast_lane"] = figures[f"{name}others_mean_s"] / figures["no_fast_lane_others_mean_s"]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
