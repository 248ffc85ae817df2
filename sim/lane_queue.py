"""One queue before several lanes, first come, first served: exact starts of service, with lanes that fail. No time of its own.

Guests are offered in the order of their coming; each start is known at once, since nobody overtakes.
"""

from bisect import bisect_right
from heapq import heapify, heapreplace

from sim.crowd_world import Outage


class LaneQueue:
    """Lanes by the moment from which they are free. `arrived` and `started` are in order, so past queues are counts."""

    def __init__(self, lanes: int, outages: tuple[Outage, ...]) -> None:
        self.arrived: list[float] = []
        self.started: list[float] = []
        self._down = [sorted((o.from_s, o.to_s) for o in outages if o.lane == lane) for lane in range(lanes)]
        self._free = [(0.0, lane) for lane in range(lanes)]
        heapify(self._free)

    def serve(self, at_s: float, needs_s: float) -> float:
        """Take a guest who comes at that time and needs a lane for so long. Returns when his service starts."""
        free, down = self._free, self._down
        while True:
            since, lane = free[0]
            start = at_s if at_s > since else since
            up = start
            for began, ended in down[lane]:
                if began <= up < ended:
                    up = ended
            if up == start:
                break
            heapreplace(free, (up, lane))
        heapreplace(free, (start + needs_s, lane))
        self.arrived.append(at_s)
        self.started.append(start)
        return start

    def standing(self, at_s: float) -> int:
        """Guests who stood there then."""
        return bisect_right(self.arrived, at_s) - bisect_right(self.started, at_s)

    def entered(self, at_s: float) -> int:
        """Guests whose service had started by then."""
        return bisect_right(self.started, at_s)

    def lanes_up(self, at_s: float) -> int:
        """Lanes that served then."""
        return sum(not any(began <= at_s < ended for began, ended in lane) for lane in self._down)

    def longest(self) -> int:
        """The largest queue that ever stood there, counted just after each arrival."""
        starts = self.started
        begun = longest = 0
        for number, at_s in enumerate(self.arrived, 1):
            while begun < number and starts[begun] <= at_s:
                begun += 1
            longest = max(longest, number - begun)
        return longest
