"""Queues before lanes: hand-made cases, and M/M/c by Erlang's formula."""

from math import factorial

import numpy as np
import pytest

from orchestrator.fast_lane import AccumulatingPriority
from sim.crowd_world import Outage
from sim.lane_bank import LaneBank
from sim.lane_queue import LaneQueue


def erlang_wait(lanes: int, per_s: float, service_s: float) -> float:
    """Mean wait of M/M/c."""
    work = per_s * service_s
    busy = work**lanes / factorial(lanes) / (1 - work / lanes)
    all_busy = busy / (sum(work**k / factorial(k) for k in range(lanes)) + busy)
    return all_busy * service_s / (lanes - work)


def test_guests_take_the_lane_that_is_free_first() -> None:
    queue = LaneQueue(2, ())
    assert [queue.serve(at, 10.0) for at in (0.0, 1.0, 2.0, 3.0)] == [0.0, 1.0, 10.0, 11.0]
    assert queue.standing(5.0) == 2
    assert queue.standing(10.5) == 1
    assert queue.longest() == 2
    assert queue.entered(10.5) == 3


def test_a_lane_that_is_out_serves_nobody_and_finishes_whom_it_has() -> None:
    queue = LaneQueue(1, (Outage(0, 0, 5.0, 50.0),))
    assert [queue.serve(at, 10.0) for at in (0.0, 1.0, 2.0)] == [0.0, 50.0, 60.0]
    assert queue.lanes_up(6.0) == 0
    assert queue.lanes_up(50.0) == 1


@pytest.mark.parametrize("lanes", [1, 4, 10])
def test_waits_are_erlangs(lanes: int) -> None:
    dice = np.random.default_rng(3)
    number, service_s = 200_000, 3.0
    per_s = 0.8 * lanes / service_s
    queue = LaneQueue(lanes, ())
    times = np.cumsum(dice.exponential(1 / per_s, number)).tolist()
    waits = [queue.serve(at, needs) - at for at, needs in zip(times, dice.exponential(service_s, number).tolist(), strict=True)]
    assert float(np.mean(waits)) == pytest.approx(erlang_wait(lanes, per_s, service_s), rel=0.06)


def test_the_bank_with_one_class_does_what_the_queue_does() -> None:
    dice = np.random.default_rng(4)
    queue, bank = LaneQueue(3, ()), LaneBank(3)
    waits = []
    for at, needs in zip(np.cumsum(dice.exponential(1.1, 2_000)).tolist(), dice.gamma(4, 0.75, 2_000).tolist(), strict=True):
        waits.append(queue.serve(at, needs) - at)
        bank.offer(at, needs)
    bank.run(float("inf"))
    assert bank.waits[0] == pytest.approx(waits)


def test_priority_moves_waiting_from_one_class_to_the_other_and_loses_none() -> None:
    found = []
    for slopes in ((1.0, 1.0), (20.0, 1.0)):
        dice = np.random.default_rng(5)
        bank = LaneBank(2, AccumulatingPriority(slopes))
        for at in np.cumsum(dice.exponential(1.6, 3_000)).tolist():
            bank.offer(at, 3.0, int(dice.random() > 0.1))
        bank.run(float("inf"))
        found.append(bank.waits)
    fair, fast = found
    assert np.mean(fast[0]) < 0.5 * np.mean(fair[0])
    assert sum(fast[0]) + sum(fast[1]) == pytest.approx(sum(fair[0]) + sum(fair[1]))  # equal services: conserved


def test_lanes_open_and_close_and_their_time_is_counted() -> None:
    bank = LaneBank(1)
    bank.offer(0.0, 100.0)
    bank.offer(0.0, 100.0)
    bank.run(10.0)
    assert bank.standing(10.0) == 1
    bank.open_lane(20.0)
    bank.run(30.0)
    assert bank.waits[0] == [0.0, 20.0]
    assert bank.close_lane(30.0) == 100.0
    assert bank.open_lane_s(200.0) == 100.0 + 180.0
