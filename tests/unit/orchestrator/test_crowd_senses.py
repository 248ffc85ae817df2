"""The crowd's senses on made-up scans and sensors: what is believed of gates, whatever is missing or wrong."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.balance import POLICIES
from orchestrator.crowd_senses import CrowdSenses
from orchestrator.crowd_view import Advice
from orchestrator.gate_sense import EnteredNews, GateSense, LaneNews, QueueNews
from orchestrator.settings import load_site
from resort.alarm_levels import SensorSight
from resort.crowd import SignSite
from resort.ids import EventId, GateId, GrantId, LaneId
from resort.messages import PassageConfirmed
from resort.site import Site
from resort.texts import Text
from tests.conftest import DEMO

AT = datetime(2026, 12, 5, 1, 0, tzinfo=UTC)
SITE = load_site(DEMO)
SIGN = SignSite("car-park", Text("停车场", "Car park"), {GateId("village"): 120, GateId("north"): 300})


def lane(lane_id: str, *, serving: bool = True, waiting: int | None = None, lane_class: str = "standard") -> LaneNews:
    return LaneNews(lane_id, lane_class, serving, not serving, False, False, waiting)


def gate(per_s: float = 0.25) -> GateSense:
    return GateSense(per_s, 60.0)


def serve(sense: GateSense, lanes: Sequence[str], every_s: float, till_s: float, gap_s: float) -> None:
    """Guests pass each lane every so often; the next scan comes `gap_s` after the passage before."""
    at_s = 0.0
    while at_s < till_s:
        for lane_id in lanes:
            sense.scan(lane_id, at_s + gap_s)
            sense.passage(lane_id, at_s + every_s)
        at_s += every_s


def test_lanes_that_never_stand_idle_tell_of_a_queue_and_idle_ones_of_none() -> None:
    full, calm = gate(), gate()
    serve(full, ("a", "b"), 4.0, 300.0, 1.0)
    serve(calm, ("a", "b"), 20.0, 300.0, 15.0)
    for sense in (full, calm):
        sense.see([lane("a"), lane("b")], 300.0, (), ())
    assert full.estimate(300.0).queue > 10 > 1 > calm.estimate(300.0).queue
    assert full.estimate(300.0).queue_sd > calm.estimate(300.0).queue_sd


def test_a_queue_sensor_makes_the_estimate_sharper_and_its_age_makes_it_worse() -> None:
    sense = gate()
    serve(sense, ("a", "b"), 4.0, 300.0, 1.0)
    sense.see([lane("a"), lane("b")], 300.0, [QueueNews("cam", 40, 1.0)], ())
    fresh = sense.estimate(300.0)
    assert 30 < fresh.queue < 45
    assert sense.estimate(330.0).queue_sd > fresh.queue_sd
    sense.see([lane("a"), lane("b")], 300.0, [QueueNews("cam", 40, 90.0)], ())  # too old to count
    assert sense.estimate(300.0).queue_sd > fresh.queue_sd


def test_a_sensor_that_sees_a_crowd_before_idle_lanes_is_not_believed() -> None:
    sense = gate()
    serve(sense, ("a", "b"), 20.0, 300.0, 15.0)
    sense.see([lane("a"), lane("b")], 300.0, [QueueNews("cam", 500, 1.0)], ())
    estimate = sense.estimate(300.0)
    assert estimate.doubted == ("cam",)
    assert estimate.queue < 3


def test_the_pace_is_learnt_from_services_that_follow_one_another() -> None:
    sense = gate(per_s=0.25)
    serve(sense, ("a",), 8.0, 2_000.0, 2.0)
    assert sense.pace == pytest.approx(1 / 8, rel=0.15)
    unhurried = gate(per_s=0.25)
    serve(unhurried, ("a",), 25.0, 2_000.0, 20.0)
    assert unhurried.pace == 0.25


def test_a_counter_before_the_gate_tells_the_arrivals_before_anybody_was_scanned() -> None:
    sense = gate()
    for second in range(0, 61, 15):
        sense.see([lane("a")], float(second), (), [EnteredNews("door", 2 * second, 0.5)])
    assert sense.estimate(60.0).arriving_per_s == pytest.approx(2.0)
    sense.see([lane("a")], 75.0, (), [EnteredNews("door", 3, 0.5)])  # it began anew
    assert 0 <= sense.estimate(75.0).arriving_per_s < 1.0


def test_what_was_never_heard_has_no_age_and_nobody_waits_before_closed_lanes_for_ever() -> None:
    assert math.isinf(gate().estimate(5.0).age_s)
    sense = gate()
    sense.see([lane("a", serving=False)], 5.0, (), ())
    estimate = sense.estimate(5.0)
    assert estimate.lanes_open == 0
    assert estimate.wait_s is None


def _passage(number: int) -> PassageConfirmed:
    return PassageConfirmed(
        event_id=EventId(f"e{number}"), caused_by="g", at=AT, gate_id=GateId("village"), lane_id=LaneId("village-1"),
        grant_id=GrantId("g"), ticket_id=None, counter_in=number,
    )  # fmt: skip


def _with_sign(site: Site) -> Site:
    return msgspec.structs.replace(site, crowd=msgspec.structs.replace(site.crowd, signs=[SIGN]))


def test_a_gate_that_a_sign_does_not_list_is_further_than_any_that_it_does() -> None:
    senses = CrowdSenses(_with_sign(SITE))
    assert senses.sign_ids == ["car-park"]
    walk = dict(zip(senses.gate_ids, senses.walk_s[0], strict=True))
    assert walk["summit"] > walk["north"] > walk["village"]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_is_missing_wrong_or_late_a_view_is_whole(data: st.DataObject) -> None:
    site = _with_sign(SITE) if data.draw(st.booleans()) else SITE
    senses = CrowdSenses(site)
    advice: Advice | None = None
    now_s = 0.0
    for number in range(data.draw(st.integers(1, 6))):
        now_s += data.draw(st.floats(0.1, 900.0))
        for _ in range(data.draw(st.integers(0, 5))):
            senses.take(_passage(number), now_s - data.draw(st.floats(0, 1_000)))
        heard = data.draw(st.sets(st.sampled_from(senses.gate_ids)))
        serving = data.draw(st.booleans())
        waiting = data.draw(st.none() | st.integers(0, 10_000))
        lanes = {gate_id: [lane(f"{gate_id}-1", serving=serving, waiting=waiting)] for gate_id in heard}
        counts = st.none() | st.integers(0, 2**31)
        silent_s = data.draw(st.floats(0, 1_000))
        sensors = [SensorSight("cam", "village", silent_s, data.draw(counts), data.draw(st.none() | st.integers(0, 10_000)))]
        senses.see(lanes, sensors if data.draw(st.booleans()) else [], now_s)
        view = senses.view(now_s)
        view.check()
        policy = POLICIES[data.draw(st.sampled_from(sorted(POLICIES)))]
        advice = policy.advise(view, advice)
        assert np.allclose(advice.shares.sum(axis=1), 1.0)
        senses.shown(view, advice)


def test_counters_at_signs_tell_who_is_walking() -> None:
    sign = msgspec.structs.replace(SIGN, sensor="park")
    site = msgspec.structs.replace(SITE, crowd=msgspec.structs.replace(SITE.crowd, signs=[sign]))
    senses = CrowdSenses(site)
    for tick in range(4):
        now_s = 15.0 * tick
        lanes = {gate_id: [lane(f"{gate_id}-1")] for gate_id in senses.gate_ids}
        senses.see(lanes, [SensorSight("park", "", 1.0, 60 * tick, None)], now_s)
        view = senses.view(now_s)
        senses.shown(view, POLICIES["nearest"].advise(view, None))
    walking = dict(zip(senses.gate_ids, senses.view(60.0).walking.sum(axis=1), strict=True))
    assert walking["village"] > 100
    assert walking["north"] == pytest.approx(0.0, abs=1e-6)
