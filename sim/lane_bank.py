"""Lanes that open, close and choose whom to take: a queue by class before a changing number of servers, played by the event.

Beside `sim/lane_queue.py`, which is first come, first served with lanes that only fail, and faster for it.
"""

from collections import deque
from heapq import heappop, heappush

from orchestrator.fast_lane import AccumulatingPriority


class LaneBank:
    """Guests are offered in order within their class; `run` serves all whose service starts before a moment."""

    def __init__(self, lanes: int, rule: AccumulatingPriority | None = None, opens_s: float = 0.0) -> None:
        self.rule = rule or AccumulatingPriority((1.0,))
        self.waits: list[list[float]] = [[] for _ in self.rule.slopes]
        self.lane_s = 0.0  # lane seconds of lanes that were closed again; see `open_lane_s`
        self._coming: list[deque[tuple[float, float]]] = [deque() for _ in self.rule.slopes]
        self._free: list[tuple[float, float]] = []  # free from, open since
        for _ in range(lanes):
            heappush(self._free, (opens_s, opens_s))

    @property
    def lanes(self) -> int:
        """Lanes that are open."""
        return len(self._free)

    def offer(self, at_s: float, needs_s: float, kind: int = 0) -> None:
        """A guest of that class comes at that time and needs a lane for so long."""
        self._coming[kind].append((at_s, needs_s))

    def open_lane(self, at_s: float) -> None:
        """One lane more, which serves from that time on."""
        heappush(self._free, (at_s, at_s))

    def close_lane(self, at_s: float) -> float:
        """One lane less: the one that is free first finishes its guest. Returns when it is empty."""
        free, since = heappop(self._free)
        ends = max(free, at_s)
        self.lane_s += ends - since
        return ends

    def open_lane_s(self, until_s: float) -> float:
        """Lane seconds up to then, of lanes closed and open."""
        return self.lane_s + sum(until_s - since for _, since in self._free)

    def standing(self, at_s: float) -> int:
        """Guests who have come by then and have not been taken. Right at the moment up to which the bank ran."""
        return sum(sum(1 for came, _ in waiting if came <= at_s) for waiting in self._coming)

    def run(self, until_s: float) -> None:
        """Serve everybody whose service starts before then."""
        while self._free:
            heads = [waiting[0][0] for waiting in self._coming if waiting]
            if not heads:
                return
            free, since = self._free[0]
            start = max(free, min(heads))
            if start >= until_s:
                return
            kind = self.rule.next_class([start - w[0][0] if w and w[0][0] <= start else None for w in self._coming])
            if kind is None:
                return
            came, needs = self._coming[kind].popleft()
            self.waits[kind].append(start - came)
            heappop(self._free)
            heappush(self._free, (start + needs, since))
