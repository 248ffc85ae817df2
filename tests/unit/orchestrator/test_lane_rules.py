"""Opening, sharing, turning and booking lanes: the pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fast_lane import AccumulatingPriority
from orchestrator.lane_opening import Opening, SquareRoot
from orchestrator.reversible import INWARD, OUTWARD, LaneWay, MaxPressure
from orchestrator.time_slots import offer, slot_quotas


def test_lanes_are_the_work_and_its_square_root() -> None:
    assert SquareRoot(beta=1.0).wanted(3.0, 1 / 3, queue=0, lanes=20) == 12
    assert SquareRoot(beta=1.0).wanted(3.0, 1 / 3, queue=0, lanes=10) == 10
    assert SquareRoot(beta=1.0).wanted(0.0, 1 / 3, queue=0, lanes=10) == 1


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 500), st.floats(0, 500))
def test_more_guests_never_want_fewer_lanes(rate: float, more: float, queue: float, longer: float) -> None:
    rule = SquareRoot()
    assert rule.wanted(rate + more, 1 / 3, queue + longer, 30) >= rule.wanted(rate, 1 / 3, queue, 30)


def test_lanes_open_at_once_and_close_one_by_one_after_a_dwell() -> None:
    rule = SquareRoot(dwell_s=300)
    held = rule.decide(0, Opening(3), 6)
    assert held.lanes == 6
    held = rule.decide(10, held, 2)
    assert held.lanes == 6
    assert rule.decide(200, held, 2).lanes == 6
    assert rule.decide(200, held, 6) == Opening(6)
    assert rule.decide(310, held, 2) == Opening(5, 310)


def test_a_fast_lane_guest_overtakes_but_nobody_is_forgotten() -> None:
    rule = AccumulatingPriority((10.0, 1.0))
    assert rule.next_class([5.0, 40.0]) == 0
    assert rule.next_class([5.0, 60.0]) == 1
    assert rule.next_class([None, 1.0]) == 1
    assert rule.next_class([0.0, 0.0]) == 0
    assert rule.next_class([None, None]) is None


def test_a_lane_turns_to_the_side_that_is_worse_off() -> None:
    ways = (LaneWay(INWARD, -1e9), LaneWay(OUTWARD, -1e9))
    assert MaxPressure(margin=1.5).change(0, ways, queue=(0, 60), lanes=(2, 2)) == 0
    assert MaxPressure(margin=1.5).change(0, ways, queue=(60, 0), lanes=(2, 2)) == 1
    assert MaxPressure(margin=1.5).change(0, ways, queue=(6, 8), lanes=(2, 2)) is None


def test_a_lane_does_not_turn_within_its_hold_nor_while_another_clears() -> None:
    rule = MaxPressure(hold_s=60, clearance_s=15, margin=1.5)
    assert rule.change(59, (LaneWay(INWARD, 0),), queue=(0, 60), lanes=(2, 2)) is None
    assert rule.change(60, (LaneWay(INWARD, 0),), queue=(0, 60), lanes=(2, 2)) == 0
    assert rule.change(70, (LaneWay(INWARD, 0), LaneWay(OUTWARD, 60)), queue=(0, 60), lanes=(2, 2)) is None


def test_the_last_lane_of_a_side_stays() -> None:
    assert MaxPressure().change(0, (LaneWay(INWARD, -1e9),), queue=(0, 600), lanes=(1, 2)) is None


@given(st.floats(0, 300), st.floats(0, 300), st.integers(2, 8), st.integers(2, 8))
def test_a_turn_is_never_taken_back_on_the_same_queues(inward: float, outward: float, lanes_in: int, lanes_out: int) -> None:
    rule, queue = MaxPressure(hold_s=0, clearance_s=0, margin=0.5), (inward, outward)
    ways = (LaneWay(INWARD, -1e9), LaneWay(OUTWARD, -1e9))
    turned = rule.change(0, ways, queue, (lanes_in, lanes_out))
    if turned is None:
        return
    step = -1 if ways[turned].side == INWARD else 1
    now = tuple(LaneWay(1 - way.side, 0) if number == turned else way for number, way in enumerate(ways))
    back = rule.change(1, (now[turned],), queue, (lanes_in + step, lanes_out - step))
    assert back is None


def test_slots_leave_room_for_those_without_and_for_the_queue() -> None:
    assert slot_quotas([100, 100, 100], [20, 120, 10], fill=1.0) == [80, 0, 70]
    assert slot_quotas([100, 100], [0, 0], queue=150, fill=1.0) == [0, 50]


@pytest.mark.parametrize(("booked", "found"), [([0, 0, 0], 1), ([0, 5, 0], 0), ([5, 5, 0], 2), ([5, 5, 5], None)])
def test_the_nearest_slot_with_room_is_offered(booked: list[int], found: int | None) -> None:
    assert offer(1, booked, [5, 5, 5]) == found
