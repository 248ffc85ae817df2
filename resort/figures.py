"""Counters and histograms of the gates: pure, fed from journal events, read by `/metrics` and by run summaries."""

from bisect import bisect_left

import msgspec

# Upper bounds in milliseconds, chosen around the promises: decisions p99 <= 10-50 ms, scan to open p99 <= 300 ms.
DECISION_BOUNDS_MS = (0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 250.0, 1000.0)
OPEN_BOUNDS_MS = (5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0, 2000.0)
FACE_BOUNDS_MS = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 120.0, 200.0, 400.0, 1000.0, 2000.0)
# A phone's clock less the lane's as its code tells it, in steps of 15 s.
DRIFT_BOUNDS_MS = (-60_000.0, -30_000.0, -15_000.0, 0.0, 15_000.0, 30_000.0, 60_000.0)


class Histogram(msgspec.Struct):
    """Counts per bucket (the last one is above every bound), their sum in ms, like a Prometheus histogram."""

    bounds_ms: tuple[float, ...]
    counts: list[int]
    sum_ms: float = 0.0

    @classmethod
    def empty(cls, bounds_ms: tuple[float, ...]) -> "Histogram":
        """A histogram without observations."""
        return cls(bounds_ms, [0] * (len(bounds_ms) + 1))

    def observe(self, value_ms: float) -> None:
        """Count one value; a bound is inclusive, as Prometheus' `le` is."""
        self.counts[bisect_left(self.bounds_ms, value_ms)] += 1
        self.sum_ms += value_ms


class SiteFigures(msgspec.Struct):
    """What happened since the feed started. Keys of the maps are (lane id) and (lane id, reason)."""

    grants: dict[str, int] = {}
    passages: dict[str, int] = {}
    released: dict[str, int] = {}
    unknown: dict[str, int] = {}
    refusals: dict[tuple[str, str], int] = {}
    lane_states: dict[str, str] = {}
    open_alarms: dict[str, int] = {}  # by severity
    alarms_raised: dict[str, int] = {}  # by kind
    code_drift: Histogram = msgspec.field(default_factory=lambda: Histogram.empty(DRIFT_BOUNDS_MS))
    decision: Histogram = msgspec.field(default_factory=lambda: Histogram.empty(DECISION_BOUNDS_MS))
    scan_to_open: Histogram = msgspec.field(default_factory=lambda: Histogram.empty(OPEN_BOUNDS_MS))


class FaceFigures(msgspec.Struct):
    """One inference actor since its process began."""

    calls: dict[str, Histogram] = {}  # by what was asked: measure, see, compare, rank; waiting in line included
    refused: int = 0  # because the line was full
    holders: int | None = None  # who can be found today in its shard; None: it cannot be asked now

    def observe(self, call: str, value_ms: float) -> None:
        """Count one call."""
        if call not in self.calls:
            self.calls[call] = Histogram.empty(FACE_BOUNDS_MS)
        self.calls[call].observe(value_ms)


def percentile(values: list[float], percent: float) -> float:
    """Nearest-rank percentile of `values` (0 for none); `percent` in 0..100."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
