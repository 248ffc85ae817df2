"""When lanes open and close, whom the fast lane takes, when staff are asked: for one gate, with hysteresis. Pure.

Square-root staffing says how many lanes (`orchestrator/lane_opening.py`). Opening is quick, closing slow; staff overrule both.
Here is only what should be done: the gate itself refuses to close its last lane or one with a guest (`actors/spared_lanes.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import inf

from orchestrator import crowd_texts
from orchestrator.crowd_senses import is_known
from orchestrator.gate_sense import GateEstimate, LaneNews
from orchestrator.lane_opening import Opening, SquareRoot
from resort.crowd import CrowdSite, Wish
from resort.texts import Text

AHEAD_S = 600.0  # for which effects are foreseen
CALM = 1 / 3  # of the wait that opens the fast lane: below this it is closed to others again
STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something that should be done at a gate."""

    wish: Wish
    gate_id: str
    lane_id: str
    reason: Text
    effect: Text
    sign_id: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The same wish again is the same proposal."""
        return self.wish, self.gate_id, self.lane_id or self.sign_id


@dataclass(slots=True)
class LaneKeeper:
    """The rules of one gate. `look` once a tick; `acted` after something was really done there."""

    gate_id: str
    settings: CrowdSite
    wanted_lanes: int | None = None
    _fewer_since_s: float | None = None
    _short_since_s: float | None = None
    _lanes_before: int | None = None
    _acted_s: float = -inf
    _changed_s: dict[str, float] = field(default_factory=dict)

    def acted(self, lane_id: str, now_s: float) -> None:
        """A lane was changed: the gate cools down, and the lane stays as it is for its dwell."""
        self._acted_s = now_s
        self._changed_s[lane_id] = now_s
        self._fewer_since_s = None

    def refused(self, lane_id: str, now_s: float) -> None:
        """The gate would not: for its dwell another lane is tried."""
        self._changed_s[lane_id] = now_s

    def look(
        self, now_s: float, estimate: GateEstimate, lanes: Sequence[LaneNews], left_alone: Collection[str]
    ) -> list[Wanted]:
        """What should be done now. `left_alone`: lanes that staff ordered of late."""
        if not is_known(estimate, self.settings.blind_s):
            self.wanted_lanes = self._fewer_since_s = None
            return [
                Wanted("open_lane", self.gate_id, lane.lane_id, crowd_texts.no_news(), crowd_texts.wait_changes(None, 0.0))
                for lane in lanes
                if lane.spared
            ]
        pool = [lane for lane in lanes if lane.lane_class == STANDARD] or list(lanes)
        fast = [lane for lane in lanes if lane not in pool]
        return [*self._staff(now_s, estimate, pool, fast, left_alone), *self._fast(now_s, estimate, pool, fast, left_alone)]

    def _staff(
        self,
        now_s: float,
        estimate: GateEstimate,
        pool: Sequence[LaneNews],
        fast: Sequence[LaneNews],
        left_alone: Collection[str],
    ) -> list[Wanted]:
        """Lanes for everybody: open, close, or ask for help."""
        serving = [lane for lane in pool if lane.serving]
        helping = sum(lane.serving and STANDARD in lane.admits for lane in fast)
        rule = SquareRoot(drain_s=self.settings.drain_s, dwell_s=self.settings.dwell_s)
        rate = max(estimate.arriving_per_s, estimate.next_quarter / 900.0)
        self.wanted_lanes = rule.wanted(rate, estimate.lane_per_s, estimate.queue, len(pool))
        if len(serving) != self._lanes_before:
            self._fewer_since_s, self._lanes_before = None, len(serving)
        answer = rule.decide(now_s, Opening(len(serving), self._fewer_since_s), self.wanted_lanes)
        if answer.lanes >= len(serving):
            self._fewer_since_s = answer.fewer_since_s
        if answer.lanes <= len(serving) + helping and serving:
            self._short_since_s = None
        else:
            self._short_since_s = now_s if self._short_since_s is None else self._short_since_s
            return self._open(now_s, estimate, pool, len(serving) + helping, left_alone)
        if answer.lanes < len(serving) and now_s - self._acted_s >= self.settings.cool_down_s:
            return self._close(now_s, estimate, serving, left_alone)
        return []

    def _open(
        self, now_s: float, estimate: GateEstimate, pool: Sequence[LaneNews], serving: int, left_alone: Collection[str]
    ) -> list[Wanted]:
        if serving and now_s - self._acted_s < self.settings.cool_down_s:
            return []
        shut = [lane for lane in pool if lane.closed and lane.lane_id not in left_alone]
        before, after = self._wait_s(estimate, serving), self._wait_s(estimate, serving + 1)
        per_min, wanted = 60 * estimate.arriving_per_s, self.wanted_lanes or 1
        if shut:
            lane = next((lane for lane in shut if lane.spared), shut[0])
            reason = crowd_texts.more_needed(per_min, estimate.queue, serving, wanted)
            return [Wanted("open_lane", self.gate_id, lane.lane_id, reason, crowd_texts.wait_changes(before, after or 0.0))]
        held = sum(lane.closed for lane in pool)
        out = sum(not (lane.serving or lane.closed or lane.leads_out) for lane in pool)
        if not out and not held:
            return []  # as many lanes as there are
        if now_s - (self._short_since_s or 0.0) < self.settings.cool_down_s:
            return []  # a lane that restarts or was just closed needs nobody
        wait_s = estimate.queue / (serving * estimate.lane_per_s) if serving else None
        reason = crowd_texts.help_needed(estimate.queue, wait_s, out, held)
        return [Wanted("ask_staff", self.gate_id, "", reason, crowd_texts.hand_scanner(before, after or 0.0))]

    def _close(
        self, now_s: float, estimate: GateEstimate, serving: Sequence[LaneNews], left_alone: Collection[str]
    ) -> list[Wanted]:
        if len(serving) <= 1:
            return []
        for lane in reversed(serving):
            rested = now_s - self._changed_s.get(lane.lane_id, -inf) >= self.settings.dwell_s
            if rested and not lane.busy and not lane.waiting and lane.lane_id not in left_alone:
                wanted, minutes = self.wanted_lanes or 1, max(1, round(self.settings.dwell_s / 60))
                reason = crowd_texts.fewer_do(60 * estimate.arriving_per_s, len(serving), wanted, minutes)
                before, after = self._wait_s(estimate, len(serving)), self._wait_s(estimate, len(serving) - 1)
                effect = crowd_texts.wait_changes(before, after or 0.0)
                return [Wanted("close_lane", self.gate_id, lane.lane_id, reason, effect)]
        return []

    def _fast(
        self,
        now_s: float,
        estimate: GateEstimate,
        pool: Sequence[LaneNews],
        fast: Sequence[LaneNews],
        left_alone: Collection[str],
    ) -> list[Wanted]:
        """Fast lanes take others while they stand idle and others wait; back only while nobody stands there."""
        serving = sum(lane.serving for lane in pool)
        wait_s = estimate.queue / (max(1, serving) * estimate.lane_per_s)
        fast_wait_s = estimate.fast_busy / max(1e-9, 1 - min(0.97, estimate.fast_busy)) / estimate.lane_per_s
        wishes = []
        for lane in fast:
            if not lane.serving or lane.lane_id in left_alone or lane.busy or lane.waiting:
                continue
            shared = STANDARD in lane.admits
            dwell_s = self.settings.cool_down_s if not shared else self.settings.dwell_s
            if now_s - self._changed_s.get(lane.lane_id, -inf) < dwell_s:
                continue
            if not shared and wait_s > self.settings.share_fast_s and fast_wait_s < self.settings.fast_wait_s:
                before, after = self._wait_s(estimate, serving), self._wait_s(estimate, serving + 1)
                effect = crowd_texts.wait_changes(before, after or 0.0)
                wishes.append(Wanted("share_fast_lane", self.gate_id, lane.lane_id, crowd_texts.fast_lane_idle(wait_s), effect))
            elif shared and (wait_s < CALM * self.settings.share_fast_s or fast_wait_s > self.settings.fast_wait_s):
                reason, effect = crowd_texts.fast_lane_needed(), crowd_texts.fast_lane_alone()
                wishes.append(Wanted("keep_fast_lane", self.gate_id, lane.lane_id, reason, effect))
        return wishes

    def _wait_s(self, estimate: GateEstimate, lanes: int) -> float | None:
        """The wait in ten minutes with so many lanes, if guests come as they do now."""
        if lanes <= 0:
            return None
        served = lanes * estimate.lane_per_s
        return max(0.0, estimate.queue + (estimate.arriving_per_s - served) * AHEAD_S) / served
