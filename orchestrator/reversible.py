"""Which way a reversible lane runs: max-pressure with a clearance time, a least hold and a margin. Pure.

Tassiulas and Ephremides 1992; Varaiya 2013 for junctions. A lane serves the side with the greater pressure; changing costs the
clearance, during which nobody passes, so it changes only when the other side is worth more than that, and never within a hold.
"""

from dataclasses import dataclass

INWARD, OUTWARD = 0, 1


@dataclass(frozen=True, slots=True)
class LaneWay:
    """Where a reversible lane runs to, and since when."""

    side: int
    since_s: float


@dataclass(frozen=True, slots=True)
class MaxPressure:
    """The rule for a bank of reversible lanes between fixed ones, at most one of which changes at a time."""

    hold_s: float = 60.0
    clearance_s: float = 15.0  # the lane is empty for so long while it changes
    margin: float = 10.0  # guests a lane by which the other side must be worse off

    def change(self, now_s: float, ways: tuple[LaneWay, ...], queue: tuple[float, float], lanes: tuple[int, int]) -> int | None:
        """The index of the lane that should change now, or None. `queue` guests and `lanes` running (fixed too) by side.

        A lane is worth its share of the queue: it goes over only if that side has more guests a lane even after it came.
        """
        clearing = any(now_s - way.since_s < self.clearance_s for way in ways)
        if clearing:
            return None
        for side in (INWARD, OUTWARD):
            other = 1 - side
            movable = [number for number, way in enumerate(ways) if way.side == other and now_s - way.since_s >= self.hold_s]
            if not movable or lanes[other] <= 1:
                continue
            worse = queue[side] / (lanes[side] + 1)
            better = queue[other] / max(1, lanes[other] - 1)
            if worse > better + self.margin:
                return movable[0]
        return None
