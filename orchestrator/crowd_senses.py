"""The site as the balancer sees it: every gate's estimate, who is walking, and the `View` that policies take. Pure.

Fed with journal events, what gates tell of their lanes, and people sensors; each may be missing. One object per site.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil, inf, sqrt

import numpy as np

from orchestrator.crowd_view import Advice, Floats, View, nearest_open
from orchestrator.gate_sense import EnteredNews, GateEstimate, GateSense, LaneNews, QueueNews
from orchestrator.in_transit import Counts, InTransit
from resort.alarm_levels import SensorSight
from resort.crowd import OutlookView, SignSite
from resort.messages import GrantIssued, JournalEvent, PassageConfirmed, ScanRefused
from resort.site import Site

AHEAD_S = 1_800.0  # how far a view looks
BINS_MAX = 120
COMPLIANCE = 0.7  # until counts tell
NO_WALK_S = 3_600.0  # a gate that a sign never names
ANYWHERE = "anywhere"  # the one sign of a site that has none: everybody is as far from every gate
ANYWHERE_S = 180
OUTLOOK = timedelta(minutes=75)  # a word on an hour holds a little beyond it, until the next one comes
WIDTH = 2.563  # of a normal distribution from P10 to P90, in standard deviations


class CrowdSenses:
    """`take` events and `see` news as they come; `view` once a tick, then `shown` what signs say until the next one."""

    def __init__(self, site: Site) -> None:
        crowd = site.crowd
        self._gate_ids = [str(gate.id) for gate in site.gates]
        self._entries = {str(lane.id): str(gate.id) for gate, lane in site.lanes() if lane.direction == "entry"}
        known: list[tuple[str, SignSite | None]] = [(sign.id, sign) for sign in crowd.signs]
        self._signs = known or [(ANYWHERE, None)]
        self._at_signs = {sign.sensor for sign in crowd.signs if sign.sensor}
        self._leaving = {gate.leaving: str(gate.id) for gate in site.gates if gate.leaving}
        self._leaves: dict[str, tuple[int, float]] = {}  # who waits to leave, by gate, and how old that is
        self._gates = {gate_id: GateSense(crowd.lane_per_min / 60, crowd.blind_s) for gate_id in self._gate_ids}
        self.tick_s = float(crowd.tick_s)
        self.bins = min(BINS_MAX, ceil(AHEAD_S / self.tick_s))
        self.walk_s = self._walks()
        self._share = _normed(np.array([1.0 if sign is None else sign.share for _, sign in self._signs]))
        self._transit = InTransit(self.walk_s, self.tick_s, self.bins, COMPLIANCE)
        self._entered = np.zeros(len(self._gate_ids))  # guests who went in since the last tick
        self._passed: dict[str, int] = {}  # what counters at signs said last
        self._counted: dict[str, int | None] = {}
        self._foreseen: Floats | None = None

    @property
    def sign_ids(self) -> list[str]:
        """Signs in the order of a view's rows."""
        return [sign_id for sign_id, _ in self._signs]

    @property
    def gate_ids(self) -> list[str]:
        """Gates in the order of a view's columns."""
        return list(self._gate_ids)

    def take(self, event: JournalEvent, at_s: float) -> None:
        """A journal event, with the second at which it counts; events may come late and out of order."""
        gate_id = self._entries.get(event.lane_id)
        if gate_id is None:
            return
        if isinstance(event, GrantIssued | ScanRefused):
            self._gates[gate_id].scan(str(event.lane_id), at_s)
        elif isinstance(event, PassageConfirmed):
            self._gates[gate_id].passage(str(event.lane_id), at_s)
            self._entered[self._gate_ids.index(gate_id)] += 1

    def see(self, lanes: Mapping[str, Sequence[LaneNews]], sensors: Sequence[SensorSight], now_s: float) -> None:
        """What gates tell of their lanes (none of a gate that does not answer), and every sensor that was heard."""
        for gate_id, gate in self._gates.items():
            at_gate = [sight for sight in sensors if sight.gate_id == gate_id and sight.name not in self._leaving]
            queues = [QueueNews(s.name, s.waiting, s.silent_s) for s in at_gate if s.waiting is not None]
            before = [s for s in at_gate if s.entered is not None and s.name not in self._at_signs]
            entered = [EnteredNews(s.name, s.entered, s.silent_s) for s in before if s.entered is not None]
            entries = [news for news in lanes.get(gate_id, ()) if news.lane_id in self._entries]
            gate.see(entries, now_s, queues, entered)
        self._leaves = {
            self._leaving[s.name]: (s.waiting, s.silent_s) for s in sensors if s.name in self._leaving and s.waiting is not None
        }
        self._counted = {sight.name: sight.entered for sight in sensors if sight.name in self._at_signs}

    def foresee(self, outlook: Sequence[OutlookView], now: datetime) -> None:
        """What a model says of this hour; of gates that it does not name, or when it is old, the plain rule stands alone."""
        fresh = {view.gate_id: view for view in outlook if timedelta(0) <= now - view.hour < OUTLOOK}
        for gate_id, gate in self._gates.items():
            view = fresh.get(gate_id)
            gate.outlook = (
                None if view is None else (view.p50 / 4, sqrt(view.p50 / 4 + ((view.p90 - view.p10) / WIDTH / 4) ** 2))
            )

    def leaving(self, gate_id: str, oldest_s: float) -> float | None:
        """Who waits to leave by that gate; None: no sensor tells, or not of late."""
        waiting, age_s = self._leaves.get(gate_id, (None, inf))
        return None if waiting is None or age_s > oldest_s else float(waiting)

    def lanes(self, gate_id: str) -> list[LaneNews]:
        """The entry lanes of a gate as they were last told of."""
        return self._gates[gate_id].lanes()

    def estimate(self, gate_id: str, now_s: float) -> GateEstimate:
        """What is believed of a gate."""
        return self._gates[gate_id].estimate(now_s)

    def view(self, now_s: float) -> View:
        """Everything as policies take it. Call once a tick, followed by `shown`."""
        estimates = [self.estimate(gate_id, now_s) for gate_id in self._gate_ids]
        queue = np.array([estimate.queue for estimate in estimates])
        sd = np.array([estimate.queue_sd for estimate in estimates])
        served = np.array([estimate.lanes_open * estimate.lane_per_s for estimate in estimates])
        if self._foreseen is not None:  # a tick is over of which something was foreseen
            self._transit.hear(Counts(self._passed_signs(self._foreseen), self._entered, queue, sd, served))
        self._entered = np.zeros(len(self._gate_ids))
        quarter = sum(estimate.next_quarter for estimate in estimates) / 900.0
        passing = np.repeat((self._share * quarter)[:, None], self.bins, axis=1)
        return View(
            lanes_open=np.array([float(estimate.lanes_open) for estimate in estimates]),
            lane_per_s=np.array([estimate.lane_per_s for estimate in estimates]),
            queue=queue,
            queue_sd=sd,
            age_s=np.array([estimate.age_s for estimate in estimates]),
            walk_s=self.walk_s,
            passing_per_s=passing * self._transit.surge[:, None],
            walking=self._transit.walking(),
            bin_s=self.tick_s,
            tick_s=self.tick_s,
            compliance=self._transit.compliance,
        )

    def shown(self, view: View, advice: Advice) -> None:
        """What signs say until the next tick."""
        self._foreseen = view.passing_per_s[:, 0] * self.tick_s / self._transit.surge
        self._transit.show(advice.shares, nearest_open(view), self._foreseen)

    def _passed_signs(self, foreseen: Floats) -> Floats:
        """Guests who passed each sign within the tick: by its counter, or as foreseen where it has none."""
        passed = foreseen * self._transit.surge
        for row, (sign_id, sign) in enumerate(self._signs):
            counted = self._counted.get(sign.sensor) if sign is not None and sign.sensor else None
            if counted is None:
                self._passed.pop(sign_id, None)
                continue
            before = self._passed.get(sign_id)
            self._passed[sign_id] = counted
            if before is not None and counted >= before:
                passed[row] = float(counted - before)
        return passed

    def _walks(self) -> Floats:
        walks = np.full((len(self._signs), len(self._gate_ids)), NO_WALK_S)
        for row, (_, sign) in enumerate(self._signs):
            for column, gate_id in enumerate(self._gate_ids):
                walks[row, column] = ANYWHERE_S if sign is None else _walk(sign, gate_id)
        return walks


def _walk(sign: SignSite, gate_id: str) -> float:
    return next((float(seconds) for gate, seconds in sign.walk_s.items() if gate == gate_id), NO_WALK_S)


def _normed(shares: Floats) -> Floats:
    total = float(shares.sum())
    return shares / total if total > 0 else np.full(len(shares), 1 / len(shares))


def is_known(estimate: GateEstimate, blind_s: float) -> bool:
    """Whether the gate was heard lately enough to act on it."""
    return estimate.age_s < inf and estimate.age_s <= blind_s
