"""What is believed of one gate from its scans and whatever sensors it has: queue, arrivals, pace, how sure, how old. Pure.

No sensor is needed: scans alone tell when lanes never stand idle. What a sensor says against the lanes' own evidence is not
believed. Times are seconds of one monotonic clock. docs/crowd.md ("In the running resort") has the formulas.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, inf, sqrt
from typing import NamedTuple

GAP_S = 4.0  # a scan so soon after the lane's last passage: somebody was waiting
IDLE_S = 30.0  # e-folding time in which a lane without scans counts as idle
BUSY_STEP = 0.2  # of one scan on a lane's busy share
RATE_S = 120.0  # window of the arrival rate
HISTORY_S = 900.0
PRIOR_SERVICES = 20  # services that the configured pace weighs
FULL = 0.97  # a share of busy lanes beyond which scans tell no more
DOUBT_BUSY, DOUBT_PER_LANE = 0.25, 5.0  # so many guests a lane cannot stand before lanes that are hardly busy
QUARTER_S = 900.0


class LaneNews(NamedTuple):
    """One lane as its gate knows it now."""

    lane_id: str
    lane_class: str
    serving: bool  # it would admit a guest now
    closed: bool  # ordered closed, by whomever
    spared: bool  # closed by the orchestrator only
    busy: bool  # a guest is being served, or stands before the arm
    waiting: int | None  # persons that its approach sensor sees
    admits: frozenset[str] = frozenset()  # classes besides its own
    leads_out: bool = False  # ordered to lead out, by whomever
    out: bool = False  # people can leave by it now


class QueueNews(NamedTuple):
    """What a queue sensor says, and how long ago."""

    name: str
    waiting: int
    age_s: float


class EnteredNews(NamedTuple):
    """What a counter before the gate says: persons since it began."""

    name: str
    entered: int
    age_s: float


@dataclass(frozen=True, slots=True)
class GateEstimate:
    """What is believed of a gate."""

    lanes_open: int
    lane_per_s: float
    queue: float
    queue_sd: float
    age_s: float  # of the newest word of its lanes; infinity where nothing was ever heard
    arriving_per_s: float
    next_quarter: float  # guests within 15 minutes
    next_quarter_sd: float
    fast_busy: float  # share of the time in which its fast lanes serve
    doubted: tuple[str, ...] = ()

    @property
    def wait_s(self) -> float | None:
        """Of who comes now; None while no lane is open."""
        return self.queue / (self.lanes_open * self.lane_per_s) if self.lanes_open else None


@dataclass(slots=True)
class _Lane:
    news: LaneNews | None = None
    passed_s: float = -inf
    scanned_s: float = -inf
    busy: float = 0.0
    back_to_back: bool = False


@dataclass(slots=True)
class GateSense:
    """Takes scans as they happen and news of lanes and sensors as they come; answers estimates at any time."""

    lane_per_s: float  # by configuration
    sensor_oldest_s: float
    _lanes: dict[str, _Lane] = field(default_factory=dict)
    _passed: list[float] = field(default_factory=list)  # in order, though events may come late
    _entered: deque[tuple[float, int]] = field(default_factory=deque)
    _queues: deque[tuple[float, float]] = field(default_factory=deque)
    outlook: tuple[float, float] | None = None  # persons of a quarter of an hour by a model, and their deviation
    _heard_s: float = -inf
    _queue_news: tuple[QueueNews, ...] = ()
    _services: int = 0
    _service_s: float = 0.0

    def scan(self, lane_id: str, at_s: float) -> None:
        """A guest was granted entry or refused there."""
        lane = self._lanes.setdefault(lane_id, _Lane())
        lane.back_to_back = at_s - lane.passed_s <= GAP_S
        lane.busy = self._busy(lane, at_s) * (1 - BUSY_STEP) + BUSY_STEP * lane.back_to_back
        lane.scanned_s = at_s

    def passage(self, lane_id: str, at_s: float) -> None:
        """A guest went in there."""
        lane = self._lanes.setdefault(lane_id, _Lane())
        took_s = at_s - lane.passed_s
        if lane.back_to_back and 0.5 <= took_s <= 30.0:
            self._services = min(self._services + 1, 200)
            self._service_s += (took_s - self._service_s) / self._services
        lane.passed_s = at_s
        insort(self._passed, at_s)

    def see(self, lanes: Sequence[LaneNews], now_s: float, queues: Sequence[QueueNews], entered: Sequence[EnteredNews]) -> None:
        """The gate told of its entry lanes; none: it does not answer. Sensors that say nothing are left out."""
        if lanes:
            self._heard_s = now_s
            for news in lanes:
                self._lanes.setdefault(news.lane_id, _Lane()).news = news
        self._queue_news = tuple(news for news in queues if news.age_s <= self.sensor_oldest_s)
        fresh = [news.entered for news in entered if news.age_s <= self.sensor_oldest_s]
        if fresh:
            if self._entered and sum(fresh) < self._entered[-1][1]:
                self._entered.clear()  # one of them began anew, or fell silent
            self._entered.append((now_s, sum(fresh)))
        else:
            self._entered.clear()
        for kept in (self._entered, self._queues):
            while kept and kept[0][0] < now_s - RATE_S:
                kept.popleft()
        del self._passed[: bisect_right(self._passed, now_s - HISTORY_S)]
        self._queues.append((now_s, self._fused(now_s)[0]))

    def lanes(self) -> list[LaneNews]:
        """The lanes as they were last told of."""
        return [lane.news for lane in self._lanes.values() if lane.news is not None]

    def estimate(self, now_s: float) -> GateEstimate:
        """What is believed now."""
        # Lanes that nobody heard of do not become idle by that: what they were then holds, less surely.
        queue, sd, doubted = self._fused(min(now_s, self._heard_s) if self._heard_s > -inf else now_s)
        age_s = now_s - self._heard_s
        arriving = self._arriving(now_s, queue)
        open_now = sum(news.serving for news in self.lanes())
        if age_s < inf:  # what came and went since then is not known
            sd = sqrt(sd**2 + (arriving + open_now * self.pace) * max(0.0, age_s))
        quarter, quarter_sd = self._quarter(now_s, arriving)
        fast = [self._busy(lane, now_s) for lane in self._lanes.values() if lane.news and lane.news.lane_class != "standard"]
        return GateEstimate(
            lanes_open=open_now,
            lane_per_s=self.pace,
            queue=queue,
            queue_sd=sd,
            age_s=age_s,
            arriving_per_s=arriving,
            next_quarter=quarter,
            next_quarter_sd=quarter_sd,
            fast_busy=max(fast, default=0.0),
            doubted=doubted,
        )

    @property
    def pace(self) -> float:
        """Guests that one lane serves in a second: as configured, corrected by services that followed one another."""
        seconds = (PRIOR_SERVICES / self.lane_per_s + self._services * self._service_s) / (PRIOR_SERVICES + self._services)
        return 1.0 / seconds

    def _busy(self, lane: _Lane, now_s: float) -> float:
        """The share of a lane's scans that found somebody waiting, fading while nobody scans."""
        silent_s = now_s - max(lane.scanned_s, lane.passed_s)
        return lane.busy * exp(-max(0.0, silent_s - GAP_S) / IDLE_S) if silent_s < inf else 0.0

    def _fused(self, now_s: float) -> tuple[float, float, tuple[str, ...]]:
        """Queue, its standard deviation, and the sensors that are not believed: means weighted by inverse variance."""
        serving = [lane for lane in self._lanes.values() if lane.news is not None and lane.news.serving]
        busy = sum(self._busy(lane, now_s) for lane in serving) / len(serving) if serving else 0.0
        counted = [(news.name, float(news.waiting), 1.0 + 0.1 * news.waiting) for news in self._queue_news]
        seen = [lane.news.waiting for lane in serving if lane.news is not None and lane.news.waiting is not None]
        if serving and len(seen) == len(serving):
            standing = float(sum(seen))
            counted.append(("approach", standing, 2.0 + 0.25 * standing))  # approach sensors see no further than their zone
        scanned = any(lane.scanned_s > -inf for lane in self._lanes.values())  # else nothing follows from lanes that are idle
        known_idle = bool(serving) and busy < DOUBT_BUSY and scanned
        limit = DOUBT_PER_LANE * len(serving)
        doubted = tuple(name for name, value, _ in counted if known_idle and value > limit)
        told = [(value, sd) for name, value, sd in counted if name not in doubted]
        if serving and scanned:
            told.append(_by_scans(busy, len(serving)))
        if not told:
            return 0.0, 25.0, doubted
        weight = sum(1 / sd**2 for _, sd in told)
        return sum(value / sd**2 for value, sd in told) / weight, sqrt(1 / weight), doubted

    def _arriving(self, now_s: float, queue: float) -> float:
        """Guests who come in a second: by a counter before the gate, else who passed plus how the queue grew."""
        if len(self._entered) > 1 and self._entered[-1][0] - self._entered[0][0] >= RATE_S / 4:
            (since_s, before), (till_s, after) = self._entered[0], self._entered[-1]
            return (after - before) / (till_s - since_s)
        passed = self._passed_since(now_s - RATE_S)
        grew = queue - self._queues[0][1] if self._queues else 0.0
        return max(0.0, passed + grew) / RATE_S

    def _passed_since(self, since_s: float) -> int:
        return len(self._passed) - bisect_right(self._passed, since_s)

    def _quarter(self, now_s: float, arriving: float) -> tuple[float, float]:
        """Guests within 15 minutes: the present rate, carried on by the trend of the last two five minutes, damped."""
        last = self._passed_since(now_s - 300)
        before = self._passed_since(now_s - 600) - last
        trend = ((last + 20) / (before + 20)) ** 0.5
        guests = arriving * QUARTER_S * min(1.5, max(0.67, trend))
        # A rate counted over two minutes carries the chance of those guests, and the forecast that of its own.
        sd = sqrt(guests + (QUARTER_S / RATE_S) * guests + 1.0)
        if self.outlook is None:
            return guests, sd
        mean, mean_sd = self.outlook
        weight, weight_of_model = 1 / sd**2, 1 / max(1.0, mean_sd) ** 2
        total = weight + weight_of_model
        return (guests * weight + mean * weight_of_model) / total, sqrt(1 / total)


def _by_scans(busy: float, lanes: int) -> tuple[float, float]:
    """A queue by how seldom lanes stand idle (H. Sakasegawa's approximation of M/M/c), as uncertain as it is long."""
    share = min(busy, FULL)
    queue = share ** sqrt(2 * (lanes + 1)) / (1 - share)
    return queue, 2.0 + queue
