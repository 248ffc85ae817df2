"""What the crowd brain does beyond opening lanes, through the desk: reversible lanes, displays at signs, areas."""

from collections.abc import Mapping

import msgspec
import pytest

from orchestrator.crowd_desk import CrowdDesk
from orchestrator.gate_sense import LaneNews
from resort.alarm_levels import SensorSight
from resort.crowd import AreaSite, DisplayState
from resort.errors import Invalid, NotFound
from resort.ids import GateId
from resort.people import PeopleSensorSite
from resort.site import Site
from resort.texts import Text
from tests.unit.orchestrator.test_crowd_desk import SIGN, Resort

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


class Board:
    """Displays as they were told last."""

    def __init__(self) -> None:
        self.texts: dict[str, Text] = {}

    def show(self, texts: Mapping[str, Text]) -> None:
        self.texts = dict(texts)

    def state(self, sign_id: str) -> DisplayState:
        return "shows" if sign_id in self.texts else "blank"


class Signed(Resort):
    """The same with a display at its sign, and an area before the village gate."""

    def new_desk(self) -> CrowdDesk:
        self.board = Board()
        signs = [msgspec.structs.replace(SIGN, display="tcp://127.0.0.1:1")]
        ground = AreaSite("ground", Text("闸前", "Ground"), 100, gates=[GateId("village")])
        crowd = msgspec.structs.replace(self.site.crowd, signs=signs, areas=[ground])
        self.site = msgspec.structs.replace(self.site, crowd=crowd)
        return super().new_desk()

    @property
    def displays(self) -> Board:
        return self.board


async def test_a_display_follows_the_advice_in_automatic_only_and_goes_blank_when_it_cannot_think() -> None:
    resort = Signed("advise")
    await resort.run(60)
    assert resort.board.texts == {}
    await resort.desk.set_mode("automatic", "ann")
    await resort.run(60)
    assert resort.board.texts["park"].en.startswith("Take Village gate, 1 min walk")
    (sign,) = resort.desk.view().signs
    assert (sign.names, sign.display, sign.ordered_until) == ("village", "shows", None)
    await resort.run(180, heard=False)
    assert resort.board.texts == {}


async def test_in_confirm_staff_accept_what_a_display_names_and_may_overrule_it() -> None:
    resort = Signed("confirm")
    await resort.run(60)
    (proposal,) = [one for one in resort.desk.view().proposals if one.wish == "name_gate"]
    assert (proposal.sign_id, proposal.gate_id, resort.board.texts) == ("park", "village", {})
    act = await resort.desk.accept(proposal.proposal_id, "ann")
    assert (act.outcome, act.sign_id, "park" in resort.board.texts) == ("done", "park", True)
    await resort.desk.order_sign("park", "north", 10, "bob")
    assert resort.board.texts["park"].zh.startswith("请走 北坡")
    assert [(one.by, one.action, one.outcome) for one in resort.told] == [("bob", "sign", "north")]
    await resort.desk.order_sign("park", None, 10, "bob")
    assert resort.board.texts["park"].zh.startswith("请走 山门")
    with pytest.raises(NotFound):
        await resort.desk.order_sign("lodge", "north", 10, "bob")
    with pytest.raises(Invalid):
        await resort.desk.order_sign("park", "moon", 10, "bob")


async def test_an_area_before_a_gate_is_told_with_its_level() -> None:
    resort = Signed("advise")
    await resort.run(60, 90)
    (area,) = resort.desk.view().areas
    assert area.area_id == "ground"
    assert area.persons is not None
    assert (area.level, area.persons > 70) == ("filling", True)
