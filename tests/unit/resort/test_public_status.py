"""The public status: liftie's states by lanes and hours, and waits only where they are known."""

from datetime import UTC, datetime, time

import msgspec
import pytest

from orchestrator.settings import load_site
from resort.crowd import CrowdGateView, CrowdView, SignView
from resort.feed import GateView, LaneView, Snapshot
from resort.public_status import gate_state, public_status
from resort.site import HoursSite
from resort.texts import Text
from tests.conftest import DEMO

SITE = load_site(DEMO)
NOW = datetime(2026, 12, 5, 2, 0, tzinfo=UTC)  # 10:00 at the site
HOURS = HoursSite(time(9), time(17))
KNOWN = CrowdGateView("village", False, 1.0, 3, 3, 30.0, 4.0, 130.0, 12.0, 180.0, 20.0)


def board(**states: str) -> Snapshot:
    lanes = []
    for gate, lane in SITE.lanes():
        state = states.get(str(gate.id), "ready")
        lanes.append(LaneView(str(lane.id), str(gate.id), lane.name, lane.lane_class, state, Text("", ""), 0, 0, 0, 0, None))
    return Snapshot(1, NOW, SITE.name, [GateView("village", SITE.name, 0, 0, None)], lanes, [])


def crowd(view: CrowdGateView, fault: str = "") -> CrowdView:
    return CrowdView("automatic", NOW, fault, [view], [SignView("park", SITE.name, "north", {"north": 1.0})], [], [])


@pytest.mark.parametrize(
    ("states", "hours", "hour", "state"),
    [
        (["ready", "faulted"], None, 3, "open"),
        (["awaiting_passage"], HOURS, 20, "open"),
        (["closed", "closed"], None, 12, "closed"),
        (["closed", "faulted"], None, 12, "hold"),
        (["released"], HOURS, 12, "hold"),
        (["closed"], HOURS, 8, "scheduled"),
        (["unserved"], HOURS, 8, "scheduled"),
        (["closed"], HOURS, 12, "closed"),
        (["faulted"], HOURS, 18, "closed"),
        (["closed"], HoursSite(time(17), time(0, 30)), 12, "scheduled"),
        (["faulted"], HoursSite(time(17), time(0, 30)), 0, "hold"),
        ([], None, 12, "closed"),
    ],
)
def test_a_gates_state_follows_its_lanes_and_hours(states: list[str], hours: HoursSite | None, hour: int, state: str) -> None:
    assert gate_state(states, hours, datetime(2026, 12, 5, hour, 10, tzinfo=SITE.zone)) == state


def test_lifts_states_and_queues_are_told_in_the_public_forms() -> None:
    told = public_status(SITE, board(summit="closed", north="faulted"), crowd(KNOWN), NOW)
    body = msgspec.to_builtins(told)
    assert body["lifts"] == {
        "status": {"village-express": "open", "north-chair": "hold", "summit-gondola": "closed"},
        "stats": {"open": 1, "hold": 1, "scheduled": 0, "closed": 1},
    }
    village, north, _ = body["gates"]
    assert village["queue"] == {"STANDBY": {"waitTime": 3}, "PAID_STANDBY": {"waitTime": 0}}
    assert (village["entityType"], village["status"], north["status"]) == ("ATTRACTION", "OPERATING", "DOWN")
    assert north["queue"]["STANDBY"]["waitTime"] is None
    assert body["signs"][0]["gate"] == "north"


@pytest.mark.parametrize(
    "view",
    [
        None,
        crowd(msgspec.structs.replace(KNOWN, blind=True)),
        crowd(msgspec.structs.replace(KNOWN, age_s=400.0)),
        crowd(KNOWN, "It cannot think."),
    ],
)
def test_a_wait_that_is_not_known_is_not_told(view: CrowdView | None) -> None:
    (village, *_) = public_status(SITE, board(), view, NOW).gates
    assert village.queue["STANDBY"].wait_time is None
    assert village.state == "open"


def test_a_lift_of_two_gates_is_as_open_as_the_better_one() -> None:
    gates = [msgspec.structs.replace(gate, lift="one") for gate in SITE.gates]
    told = public_status(msgspec.structs.replace(SITE, gates=gates), board(village="closed", north="faulted"), None, NOW)
    assert told.lifts.status == {"one": "open"}
