"""Two ways to run the same days: paired differences over seeds, with confidence intervals. Pure, but for playing the days.

Both meet the same guests (common random numbers), so a difference needs far fewer days to show than two means would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev

from orchestrator.measured import Measured, machine
from resort.errors import Invalid
from sim.mountain.day_figures import day_figures
from sim.mountain.resort_day import ResortDay
from sim.mountain.scenario import Scenario

COMPARED = (
    "delay_mean_s",
    "entrance_wait_mean_s",
    "entrance_wait_p95_s",
    "entrance_largest_queue",
    "extra_walk_mean_s",
    "lift_gate_wait_p95_s",
    "line_wait_mean_s",
    "rides_per_guest",
    "lane_hours_open",
    "refused_honest",
)
# Student's t, two-sided 95 %, by degrees of freedom from 1; beyond the table the normal distribution is near enough.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
NORMAL = 1.96
LEAST_SEEDS = 2


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A of one figure, with its 95 % interval."""

    name: str
    a: float
    b: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Mean of B less mean of A."""
        return self.b - self.a

    @property
    def sure(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def compare(a: Scenario, b: Scenario, seed: int, seeds: int, told: Callable[[float], None] | None = None) -> list[Difference]:
    """Play both on `seeds` days from `seed` on. Raises Invalid for fewer than two."""
    if seeds < LEAST_SEEDS:
        raise Invalid("seeds", "an interval needs two days at least")
    found: list[tuple[dict[str, float], dict[str, float]]] = []
    for number in range(seeds):
        pair = []
        for half, scene in enumerate((a, b)):
            begun = 2 * number + half

            def part(share: float, begun: int = begun) -> None:
                if told is not None:
                    told((begun + share) / (2 * seeds))

            pair.append(day_figures(ResortDay(scene, seed + number).play(part)))
        found.append((pair[0], pair[1]))
    return [difference(name, [(first[name], second[name]) for first, second in found]) for name in COMPARED]


def difference(name: str, pairs: list[tuple[float, float]]) -> Difference:
    """The paired difference of at least two pairs (a, b)."""
    apart = [b - a for a, b in pairs]
    student = STUDENT[len(pairs) - 2] if len(pairs) - 2 < len(STUDENT) else NORMAL
    half = student * stdev(apart) / sqrt(len(pairs))
    middle = mean(apart)
    return Difference(name, mean(a for a, _ in pairs), mean(b for _, b in pairs), middle - half, middle + half)


def measured_comparison(differences: list[Difference], seed: int, seeds: int) -> Measured:
    """In the one shape of everything that measures; `ratios` are B over A where A is not 0."""
    figures: dict[str, float] = {"seeds": seeds}
    for found in differences:
        figures |= {f"a_{found.name}": found.a, f"b_{found.name}": found.b, f"difference_{found.name}": found.difference}
        figures |= {f"ci95_low_{found.name}": found.low, f"ci95_high_{found.name}": found.high}
    ratios = {f"{found.name}_b_over_a": found.b / found.a for found in differences if found.a}
    return Measured("sim comparison", seed, machine(), figures, {}, ratios)
