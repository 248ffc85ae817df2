"""How many lanes to open: the forecast's work plus a safety margin that grows with its square root. Pure.

Square-root staffing (Halfin and Whitt 1981; Borst, Mandelbaum and Reiman 2004): c = R + β · sqrt(R), R being offered work in
lanes. Lanes open at once when needed and close only after `dwell_s` in which fewer would have done. docs/crowd.md measures it.
"""

from dataclasses import dataclass
from math import ceil, sqrt


@dataclass(frozen=True, slots=True)
class Opening:
    """Lanes that a gate should have open, and since when fewer would do."""

    lanes: int
    fewer_since_s: float | None = None


@dataclass(frozen=True, slots=True)
class SquareRoot:
    """The rule. `beta` buys waiting with lane hours; `drain_s` is the time in which a standing queue should be served."""

    beta: float = 0.4
    drain_s: float = 120.0
    dwell_s: float = 300.0
    least: int = 1

    def wanted(self, arriving_per_s: float, lane_per_s: float, queue: float, lanes: int) -> int:
        """Lanes for that many guests a second and that queue, from `least` to the `lanes` that there are."""
        work = max(0.0, arriving_per_s) / lane_per_s
        standing = max(0.0, queue) / (lane_per_s * self.drain_s)
        return min(lanes, max(self.least, ceil(work + self.beta * sqrt(work) + standing)))

    def decide(self, now_s: float, last: Opening, wanted: int) -> Opening:
        """Open at once; close when `wanted` has been less for `dwell_s` without a break, and then only one lane."""
        if wanted >= last.lanes:
            return Opening(wanted)
        if last.fewer_since_s is None:
            return Opening(last.lanes, now_s)
        if now_s - last.fewer_since_s < self.dwell_s:
            return last
        return Opening(last.lanes - 1, now_s)
