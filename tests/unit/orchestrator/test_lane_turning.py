"""Reversible lanes of one gate: out when many want to leave, in again when they do not, and never on nobody's word."""

from dataclasses import replace

from orchestrator.gate_sense import GateEstimate, LaneNews
from orchestrator.lane_keeper import Wanted
from orchestrator.lane_turning import LaneTurner, lane_turners
from orchestrator.settings import load_site
from resort.crowd import CrowdSite
from tests.conftest import DEMO

SETTINGS = CrowdSite()
CALM = GateEstimate(3, 0.25, 3.0, 1.0, 1.0, 0.05, 45.0, 8.0, 0.0)
MORNING = replace(CALM, queue=60.0)


def lanes(*out: str, busy: str = "", closed: str = "") -> list[LaneNews]:
    """Lanes l1 to l3; those in `out` lead out on a lease."""
    news = []
    for lane_id in ("l1", "l2", "l3"):
        away = lane_id in out
        shut = lane_id == closed
        serving = not away and not shut
        news.append(LaneNews(lane_id, "standard", serving, shut, away, lane_id == busy, 0, frozenset(), away, away))
    return news


def turner(exits: int = 1) -> LaneTurner:
    return LaneTurner("g", frozenset({"l2", "l3"}), exits, SETTINGS)


def wishes(wanted: list[Wanted]) -> list[tuple[str, str]]:
    return [(one.wish, one.lane_id) for one in wanted]


def test_lanes_lead_out_when_many_want_to_leave_one_at_a_time() -> None:
    rule = turner()
    (wanted,) = rule.look(0.0, CALM, 80.0, lanes(), ())
    assert (wanted.wish, wanted.lane_id) == ("turn_lane_out", "l2")
    assert "80 to leave (1 lanes)" in wanted.reason.en
    assert wanted.reason.zh != wanted.reason.en
    assert rule.look(1.0, CALM, 80.0, lanes("l2"), ()) == [], "the gate clears first"
    assert wishes(rule.look(16.0, CALM, 80.0, lanes("l2"), ())) == [("turn_lane_out", "l3")]
    assert rule.look(40.0, CALM, 80.0, lanes("l2", "l3"), ()) == [], "the last lane leads in"


def test_the_same_queues_never_turn_a_lane_back_and_forth() -> None:
    rule, out = turner(), set[str]()
    turned = []
    for second in range(0, 600, 15):
        for one in rule.look(float(second), MORNING, 70.0, lanes(*out), ()):
            turned.append(one.wish)
            (out.add if one.wish == "turn_lane_out" else out.discard)(one.lane_id)
    assert len(turned) <= 1


def test_lanes_lead_in_again_after_their_hold() -> None:
    rule = turner()
    rule.look(0.0, CALM, 80.0, lanes(), ())
    rule.look(5.0, CALM, 80.0, lanes("l2"), ())
    held = {now_s: wishes(rule.look(now_s, MORNING, 0.0, lanes("l2"), ())) for now_s in range(20, 80, 15)}
    assert {now_s for now_s, told in held.items() if told} == {65}
    assert held[65] == [("turn_lane_in", "l2")]


def test_a_borrowed_lane_goes_back_once_hardly_anybody_leaves_and_one_of_staff_does_not() -> None:
    rule = turner()
    rule.look(0.0, CALM, 80.0, lanes(), ())
    rule.look(5.0, CALM, 80.0, lanes("l2"), ())
    assert rule.look(60.0, CALM, 2.0, lanes("l2"), ()) == [], "not within its hold"
    assert rule.look(66.0, CALM, 6.0, lanes("l2"), ()) == []
    assert wishes(rule.look(66.0, CALM, 5.0, lanes("l2"), ())) == [("turn_lane_in", "l2")]
    ordered = [lane._replace(spared=False) for lane in lanes("l2")]
    assert rule.look(66.0, CALM, 5.0, ordered, ()) == []


def test_without_a_word_of_the_sensor_or_the_gate_borrowed_lanes_go_back() -> None:
    rule = turner()
    assert wishes(rule.look(0.0, CALM, None, lanes("l3"), ())) == [("turn_lane_in", "l3")]
    blind = replace(CALM, age_s=SETTINGS.blind_s + 1.0)
    assert wishes(rule.look(1.0, blind, 80.0, lanes("l3"), ())) == [("turn_lane_in", "l3")]
    assert rule.look(2.0, CALM, None, lanes(), ()) == []


def test_a_lane_with_a_guest_one_that_is_shut_and_one_of_staff_are_left_alone() -> None:
    rule = turner()
    assert rule.look(0.0, CALM, 80.0, lanes(busy="l2", closed="l3"), ()) == []
    assert rule.look(0.0, CALM, 80.0, lanes(), {"l2", "l3"}) == []
    assert wishes(rule.look(0.0, CALM, 80.0, lanes(busy="l2"), ())) == [("turn_lane_out", "l3")]


def test_only_gates_with_reversible_lanes_and_a_sensor_are_turned() -> None:
    assert lane_turners(load_site(DEMO)) == {}
