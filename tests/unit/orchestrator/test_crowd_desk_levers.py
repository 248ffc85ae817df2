"""What the crowd brain does beyond opening lanes, through the desk: reversible lanes by who waits to leave."""

import msgspec

from orchestrator.crowd_desk import CrowdDesk
from orchestrator.gate_sense import LaneNews
from resort.alarm_levels import SensorSight
from resort.people import PeopleSensorSite
from resort.site import Site
from tests.unit.orchestrator.test_crowd_desk import Resort

PUSH = PeopleSensorSite(url="push", gate="village")


class TwoWays(Resort):
    """The same with two reversible lanes at the village gate, and a sensor that tells who waits to leave."""

    def new_desk(self) -> CrowdDesk:
        self.site = reversible(self.site)
        return super().new_desk()

    async def leave(self, waiting: int | None, ticks: int, *, queue: int = 0) -> None:
        for _ in range(ticks):
            self.clock.advance_ms(15_000)
            sensors = [SensorSight("queue", "village", 1.0, None, queue)]
            if waiting is not None:
                sensors.append(SensorSight("inside", "village", 1.0, None, waiting))
            await self.desk.tick(self.both_ways(), sensors)

    def both_ways(self) -> dict[str, list[LaneNews]]:
        """Lanes that lead out are not closed, and serve nobody who comes in."""
        return {
            gate_id: [
                lane._replace(closed=False, serving=False, leads_out=True, out=True)
                if lane.lane_id in self.gates.leads_out
                else lane
                for lane in lanes
            ]
            for gate_id, lanes in self.lanes().items()
        }


def reversible(site: Site) -> Site:
    village = site.gates[0]
    lanes = [msgspec.structs.replace(lane, reversible=lane.id in ("village-2", "village-3")) for lane in village.lanes]
    gate = msgspec.structs.replace(village, lanes=lanes, leaving="inside")
    people = {"inside": PUSH, "queue": PUSH}
    return msgspec.structs.replace(site, gates=[gate, *site.gates[1:]], people=people)


async def test_lanes_lead_out_while_many_leave_and_in_again_when_none_tells() -> None:
    resort = TwoWays()
    await resort.leave(90, 6, queue=12)
    assert resort.gates.leads_out == {"village-2", "village-3"}
    assert resort.gates.orders[:2] == [("turn out", "village-2"), ("turn out", "village-3")]
    assert {"village-2", "village-3"} <= set(resort.gates.renewed)
    act = resort.desk.view().done[-1]
    assert (act.wish, act.by, act.outcome) == ("turn_lane_out", "orchestrator", "done")
    await resort.leave(None, 6, queue=12)
    assert resort.gates.leads_out == set()


async def test_who_waits_to_leave_is_no_queue_before_the_gate() -> None:
    resort = TwoWays("advise")
    await resort.leave(400, 4)
    (village, *_) = resort.desk.view().gates
    assert village.queue is not None
    assert village.queue < 10
    assert resort.gates.orders == []
    assert [one.wish for one in resort.desk.view().proposals if one.gate_id == "village"] == ["turn_lane_out"]
