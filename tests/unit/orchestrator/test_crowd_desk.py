"""The crowd brain without Ray: modes, proposals, what staff overrule, and that its own failures close nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestrator.crowd_desk import CrowdDesk
from orchestrator.gate_sense import LaneNews
from orchestrator.settings import load_site
from orchestrator.sign_displays import Displays
from resort.alarm_levels import SensorSight
from resort.clock import ManualClock
from resort.crowd import CrowdMode, SignSite
from resort.errors import DatabaseUnavailable, NotFound, WrongState
from resort.ids import EventId, GateId, LaneId, SeededIds
from resort.messages import StaffActed
from resort.site import LaneClass
from resort.texts import Text
from tests.conftest import DEMO

AT = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)
SIGN = SignSite("park", Text("停车场", "Car park"), {GateId("village"): 60, GateId("north"): 90, GateId("summit"): 600})


class Gates:
    """Lanes that obey, and notes of what was ordered."""

    def __init__(self) -> None:
        self.spared: set[str] = set()
        self.leads_out: set[str] = set()
        self.closed_by_staff: set[str] = set()
        self.renewed: list[str] = []
        self.admits: dict[str, frozenset[LaneClass]] = {}
        self.orders: list[tuple[str, str]] = []
        self.away = False

    async def spare(self, lane_id: str, note: str, *, leads_out: bool = False) -> None:
        self._order("turn out" if leads_out else "spare", lane_id)
        self.spared.add(lane_id)
        if leads_out:
            self.leads_out.add(lane_id)

    async def open(self, lane_id: str, note: str, *, spared: bool) -> None:
        self._order("open", lane_id)
        self.leads_out.discard(lane_id)
        (self.spared if spared else self.closed_by_staff).discard(lane_id)

    async def set_policy(self, lane_id: str, admits: frozenset[LaneClass], note: str) -> None:
        self._order("policy", lane_id)
        self.admits[lane_id] = admits

    async def renew(self, gate_id: str, lane_ids: frozenset[str]) -> None:
        self.renewed += sorted(lane_ids)

    def _order(self, what: str, lane_id: str) -> None:
        if self.away:
            raise WrongState(f"lane {lane_id}", "needed", "close")
        self.orders.append((what, lane_id))


class Resort:
    """The demo resort's village gate under a desk, second by second."""

    def __init__(self, mode: CrowdMode = "automatic") -> None:
        self.clock, self.gates = ManualClock(AT), Gates()
        self.kept: list[CrowdMode] = []
        self.told: list[StaffActed] = []
        site = load_site(DEMO)
        crowd = msgspec.structs.replace(site.crowd, mode=mode, dwell_s=60, cool_down_s=30, signs=[SIGN])
        self.site = msgspec.structs.replace(site, crowd=crowd)
        self.desk = self.new_desk()

    @property
    def displays(self) -> Displays | None:
        """None: the site has none."""
        return None

    def new_desk(self) -> CrowdDesk:
        async def keep(mode: CrowdMode) -> None:
            self.kept.append(mode)

        async def tell(event: StaffActed) -> None:
            self.told.append(event)

        return CrowdDesk(self.site, self.gates, self.clock, SeededIds("crowd"), keep, tell, self.displays)

    def lanes(self) -> dict[str, Sequence[LaneNews]]:
        told: dict[str, Sequence[LaneNews]] = {}
        for gate in self.site.gates:
            news = []
            for lane in gate.lanes:
                spared = lane.id in self.gates.spared
                shut = spared or lane.id in self.gates.closed_by_staff
                admits = frozenset[str](self.gates.admits.get(str(lane.id), frozenset()))
                news.append(LaneNews(str(lane.id), lane.lane_class, not shut, shut, spared, False, None, admits))
            told[str(gate.id)] = news
        return told

    async def run(self, seconds: int, waiting: int | None = None, *, heard: bool = True) -> None:
        for _ in range(0, seconds, 15):
            self.clock.advance_ms(15_000)
            sensors = [] if waiting is None else [SensorSight("cam", "village", 1.0, None, waiting)]
            await self.desk.tick(self.lanes() if heard else {}, sensors)


async def test_automatic_closes_what_is_not_needed_and_opens_it_when_guests_come() -> None:
    resort = Resort()
    await resort.run(600)
    assert {"village-3", "village-2"} <= resort.gates.spared
    assert not {"village-1", "village-fast"} & resort.gates.spared
    assert "village-2" in resort.gates.renewed
    view = resort.desk.view()
    assert view.fault == ""
    assert {(act.wish, act.by, act.outcome) for act in view.done} == {("close_lane", "orchestrator", "done")}
    await resort.run(120, 60)
    assert resort.gates.spared == {"village-3", "north-2", "summit-2"}
    assert resort.gates.admits == {"village-fast": frozenset({"standard"})}  # which does for the third lane


async def test_advise_and_confirm_do_nothing_by_themselves() -> None:
    for mode in ("advise", "confirm"):
        resort = Resort(mode)
        await resort.run(600)
        assert resort.gates.orders == []
        assert {proposal.wish for proposal in resort.desk.view().proposals} == {"close_lane"}


async def test_a_proposal_keeps_its_id_is_accepted_once_and_declined_for_long() -> None:
    resort = Resort("confirm")
    await resort.run(120)
    first = {proposal.gate_id: proposal for proposal in resort.desk.view().proposals}
    await resort.run(30)
    assert {proposal.gate_id: proposal.proposal_id for proposal in resort.desk.view().proposals} == {
        gate_id: proposal.proposal_id for gate_id, proposal in first.items()
    }
    act = await resort.desk.accept(first["village"].proposal_id, "cora")
    assert (act.outcome, act.by, act.lane_id) == ("done", "cora", "village-3")
    with pytest.raises(NotFound):
        await resort.desk.accept(first["village"].proposal_id, "cora")
    assert (await resort.desk.decline(first["north"].proposal_id, "cora")).outcome == "declined"
    await resort.run(600)
    assert not [p for p in resort.desk.view().proposals if p.gate_id == "north"]
    assert resort.gates.orders == [("spare", "village-3")]


async def test_in_advise_nothing_can_be_accepted_and_lanes_are_no_longer_kept_closed() -> None:
    resort = Resort("automatic")
    await resort.run(300)
    assert resort.gates.spared
    await resort.desk.set_mode("advise", "cora")
    resort.gates.renewed.clear()
    await resort.run(300)
    assert resort.gates.renewed == []
    assert (resort.kept, [(event.by, event.action, event.outcome) for event in resort.told]) == (
        ["advise"], [("cora", "crowd_mode", "advise")],
    )  # fmt: skip
    for proposal in resort.desk.view().proposals:
        with pytest.raises(WrongState):
            await resort.desk.accept(proposal.proposal_id, "cora")


async def test_a_lane_that_staff_ordered_is_left_alone_until_its_time_is_over_also_after_a_restart() -> None:
    resort = Resort()
    ordered = StaffActed(
        event_id=EventId("e"), caused_by="ann", at=AT, gate_id=GateId("village"), lane_id=LaneId("village-3"), by="ann",
        action="mode", note="", outcome="open",
    )  # fmt: skip
    resort.desk.take(ordered, resort.clock.now())
    await resort.run(900)
    assert "village-3" not in resort.gates.spared
    village = next(gate for gate in resort.desk.view().gates if gate.gate_id == "village")
    assert village.left_alone == {"village-3": AT + timedelta(seconds=resort.site.crowd.human_s)}
    resort.desk = resort.new_desk()
    resort.desk.begin("automatic", {"village-3": AT})
    await resort.run(600)
    assert "village-3" not in resort.gates.spared
    await resort.run(600)
    assert next(gate for gate in resort.desk.view().gates if gate.gate_id == "village").left_alone == {}


async def test_when_thinking_fails_no_lane_is_kept_closed_and_it_says_so_until_it_works_again() -> None:
    resort = Resort()
    await resort.run(300)
    assert resort.gates.spared

    class Broken:
        def take(self, *_: object) -> None: ...
        def __getattr__(self, name: str) -> object:
            if name in ("see", "view"):
                raise ZeroDivisionError
            return getattr(senses, name)

    senses = resort.desk.senses
    resort.desk.senses = Broken()  # type: ignore[assignment]
    resort.gates.renewed.clear()
    await resort.run(60)
    assert resort.gates.renewed == []
    assert "plain rule" in resort.desk.view().fault
    assert resort.desk.view().proposals == []
    resort.desk.senses = senses
    await resort.run(15)
    assert resort.desk.view().fault == ""


async def test_gates_that_are_not_heard_are_blind_and_none_of_their_lanes_is_kept_closed() -> None:
    resort = Resort()
    await resort.run(300)
    assert resort.gates.spared
    await resort.run(75, heard=False)
    resort.gates.renewed.clear()
    await resort.run(60, heard=False)
    assert resort.gates.renewed == []
    assert all(gate.blind for gate in resort.desk.view().gates)
    assert resort.gates.spared == set()  # it asked the gates to open them, too


async def test_an_order_that_a_gate_refuses_is_told_once_and_tried_again() -> None:
    resort = Resort()
    resort.gates.away = True
    await resort.run(300)
    failed = [act for act in resort.desk.view().done if act.outcome == "failed"]
    assert failed
    assert "cannot close" in failed[0].detail
    assert {act.lane_id for act in failed} >= {"village-3", "village-2"}  # what a gate refuses is left for another lane
    resort.gates.away = False
    await resort.run(90)
    assert resort.gates.spared


async def test_a_mode_that_cannot_be_kept_is_not_taken() -> None:
    resort = Resort("confirm")

    async def keep(mode: CrowdMode) -> None:
        raise DatabaseUnavailable("SQL", "it is away")

    resort.desk = CrowdDesk(resort.site, resort.gates, resort.clock, SeededIds("x"), keep, lambda _: keep("advise"))
    with pytest.raises(DatabaseUnavailable):
        await resort.desk.set_mode("automatic", "cora")
    assert resort.desk.mode == "confirm"


async def test_signs_name_a_near_gate_and_tell_the_shares() -> None:
    resort = Resort()
    await resort.run(60)
    (sign,) = resort.desk.view().signs
    assert sign.gate_id == "village"
    assert sum(sign.shares.values()) == pytest.approx(1.0, abs=0.01)
