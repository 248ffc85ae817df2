"""What the real-time mode sends, and how it judges: pure parts. The whole of it is tests/integration/test_sim_real.py."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
import pytest

from resort.ids import EventId, GateId, GrantId, LaneId
from resort.messages import PassageConfirmed, PassageUncontrolled
from resort.site import Site
from resort.site_checks import check_site
from sim.mountain.real_load import LoadUse, Stretch, bottleneck_said, busiest, held_against, kind_of, order_of, site_tree
from sim.mountain.resort_day import ResortDay
from sim.truth import ArmTurned
from tests.unit.sim.mountain.small_resort import small

AT = datetime(2026, 12, 12, tzinfo=UTC)


def passage(lane: str, number: int) -> PassageConfirmed:
    return PassageConfirmed(
        event_id=EventId(f"{lane}{number}"),
        caused_by="",
        at=AT,
        gate_id=GateId("g"),
        lane_id=LaneId(lane),
        grant_id=GrantId("x"),
        ticket_id=None,
        counter_in=number,
    )


def turn(lane: str, number: int) -> ArmTurned:
    return ArmTurned(tick_ns=number, at_ms=0, lane=lane, counter_in=number, guest=1, kind="honest", ticket="t", free=False)


def test_the_busiest_stretch_is_where_most_begin() -> None:
    spans = [(0.0, 1.0), (50.0, 51.0), (55.0, 56.0), (59.0, 60.0), (200.0, 201.0)]
    assert busiest(spans, 10.0) == Stretch(50.0, 10.0, 3)
    assert busiest([], 10.0).persons == 0


def test_the_site_has_the_scenarios_gates_and_lanes_and_can_be_opened() -> None:
    site = check_site(msgspec.convert(site_tree(small()), Site))
    assert [(gate.id, len(gate.lanes)) for gate in site.gates] == [("main", 3), ("side", 2), ("g-chair", 2)]


def test_the_load_is_the_busiest_stretch_at_that_speed() -> None:
    day = ResortDay(small(cheats={"brute_force": 1}), 1).play()
    order = order_of(day, 10.0, 30.0, Path("truth"))
    spans = [span for spans in day.tally.lane_busy.values() for span in spans]
    assert order.scans == busiest(spans, 300.0).persons > 10
    assert order.rate_per_s == pytest.approx(order.scans / 30)
    assert order.mix.forged == 12
    assert order.turn_ms == (70.0, 210.0)


def test_what_is_lost_and_what_is_invented_is_counted_by_lane() -> None:
    uncontrolled = PassageUncontrolled(
        event_id=EventId("u"),
        caused_by="",
        at=AT,
        gate_id=GateId("g"),
        lane_id=LaneId("b"),
        counter_in=9,
        rotations=2,
        released=False,
    )
    events = [passage("a", 1), passage("a", 2), uncontrolled]
    turned = [turn("a", 1), turn("b", 1), turn("b", 2), turn("c", 1)]
    assert held_against(events, turned) == {"turns": 4, "lost_passages": 1, "invented_passages": 1}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["ray::LaneActor"], "lanes"),
        (["ray::GateActor.note"], "gates"),
        (["ray::JournalActor"], "actors"),
        (["/usr/lib/ray/core/src/ray/raylet/raylet", "--x"], "ray"),
        (["/venv/valkey-server", "unixsocket"], "ledger"),
        (["python", "-m", "sim.stage", "--site", "x"], "stage"),
        (["python", "snowgate"], "site"),
    ],
)
def test_processes_are_told_apart(command: list[str], kind: str) -> None:
    assert kind_of(command) == kind


def test_the_bottleneck_is_the_kind_that_took_most() -> None:
    cores = psutil.cpu_count() or 1
    idle = bottleneck_said(LoadUse({"lanes": 0.3, "gates": 0.1}, 0.5, 3))
    full = bottleneck_said(LoadUse({"lanes": 0.1, "gates": 0.4}, 0.95 * cores, 3))
    assert f"not the processor; most of it went to lane processes, 0.30 of {cores} cores" in idle.en
    assert "the processor is full; most of it went to gate processes" in full.en
    assert "处理器已满" in full.zh
    assert f"{0.95 * cores - 0.5:.2f} to other programs" in full.en
    assert bottleneck_said(LoadUse({}, 0.0, 0)).en == "Bottleneck: unknown"
