"""When a reversible lane of one gate leads out, and when in again: max-pressure on who waits inside and outside. Pure.

The rule is in `orchestrator/reversible.py`; here is what it is fed with, whom it leaves alone, and what is said of it. Who
waits inside is told by the gate's `leaving` sensor: without its word, or with no word of the gate, borrowed lanes go back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from orchestrator import crowd_texts
from orchestrator.crowd_senses import is_known
from orchestrator.gate_sense import GateEstimate, LaneNews
from orchestrator.lane_keeper import Wanted
from orchestrator.reversible import INWARD, OUTWARD, LaneWay, MaxPressure
from resort.crowd import CrowdSite
from resort.site import Site

CALM = 0.5  # of the margin: so few guests a lane who want to leave are no reason to keep a lane borrowed


@dataclass(slots=True)
class LaneTurner:
    """The rules of one gate with reversible lanes. `look` once a tick."""

    gate_id: str
    reversible: Collection[str]
    exits: int  # lanes that always lead out
    settings: CrowdSite
    _ways: dict[str, LaneWay] = field(default_factory=dict)

    def look(
        self,
        now_s: float,
        estimate: GateEstimate,
        leaving: float | None,
        lanes: Sequence[LaneNews],
        left_alone: Collection[str],
    ) -> list[Wanted]:
        """What should be turned now. `leaving`: who waits inside, None where nobody tells."""
        for lane in lanes:
            self._note(lane, now_s)
        borrowed = [lane for lane in lanes if lane.spared and lane.leads_out]
        if leaving is None or not is_known(estimate, self.settings.blind_s):
            return [
                Wanted(
                    "turn_lane_in", self.gate_id, lane.lane_id, crowd_texts.nobody_tells_who_leaves(), crowd_texts.lane_back()
                )
                for lane in borrowed
            ]
        movable = [lane for lane in lanes if self._is_movable(lane, left_alone)]
        rule = MaxPressure(self.settings.turn_hold_s, self.settings.turn_clear_s, self.settings.turn_margin)
        inward = sum(lane.serving for lane in lanes)
        outward = self.exits + sum(lane.leads_out for lane in lanes)
        ways = tuple(self._ways[lane.lane_id] for lane in movable)
        number = rule.change(now_s, ways, (estimate.queue, leaving), (inward, outward))
        if number is None:
            return self._give_back(now_s, movable, estimate.queue, leaving, (inward, outward))
        lane, out = movable[number], movable[number].leads_out
        lanes_after = (inward + 1, outward - 1) if out else (inward - 1, outward + 1)
        reason = crowd_texts.pressure(estimate.queue, inward, leaving, outward)
        effect = crowd_texts.pressure_after(estimate.queue, lanes_after[0], leaving, lanes_after[1])
        return [Wanted("turn_lane_in" if out else "turn_lane_out", self.gate_id, lane.lane_id, reason, effect)]

    def _give_back(
        self, now_s: float, movable: Sequence[LaneNews], queue: float, leaving: float, lanes: tuple[int, int]
    ) -> list[Wanted]:
        """A borrowed lane goes back once hardly anybody wants to leave, whether or not somebody wants to enter."""
        inward, outward = lanes
        if leaving / max(1, outward - 1) > CALM * self.settings.turn_margin:
            return []
        for lane in movable:
            rested = now_s - self._ways[lane.lane_id].since_s >= self.settings.turn_hold_s
            if lane.leads_out and lane.spared and rested:
                reason = crowd_texts.pressure(queue, inward, leaving, outward)
                effect = crowd_texts.pressure_after(queue, inward + 1, leaving, outward - 1)
                return [Wanted("turn_lane_in", self.gate_id, lane.lane_id, reason, effect)]
        return []

    def _note(self, lane: LaneNews, now_s: float) -> None:
        """Since when the lane leads where it does; one seen for the first time has always done so."""
        if lane.lane_id not in self.reversible:
            return
        side = OUTWARD if lane.leads_out else INWARD
        known = self._ways.get(lane.lane_id)
        if known is None:
            self._ways[lane.lane_id] = LaneWay(side, now_s - self.settings.turn_hold_s)
        elif known.side != side:
            self._ways[lane.lane_id] = LaneWay(side, now_s)

    def _is_movable(self, lane: LaneNews, left_alone: Collection[str]) -> bool:
        if lane.lane_id not in self.reversible or lane.lane_id in left_alone:
            return False
        return lane.leads_out or (lane.serving and not lane.busy and not lane.waiting)


def lane_turners(site: Site) -> dict[str, LaneTurner]:
    """One for each gate that has reversible lanes and a sensor that tells who wants to leave."""
    turners = {}
    for gate in site.gates:
        reversible = frozenset(str(lane.id) for lane in gate.lanes if lane.reversible)
        if reversible and gate.leaving:
            exits = sum(lane.direction == "exit" for lane in gate.lanes)
            turners[str(gate.id)] = LaneTurner(str(gate.id), reversible, exits, site.crowd)
    return turners
