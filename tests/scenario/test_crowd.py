"""A Saturday morning before six gates: advice beats habit, stays above the bound, survives bad counts, and repeats itself."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.crowd_bound import delay_bound_s
from orchestrator.balance import BEST, POLICIES
from orchestrator.lane_opening import SquareRoot
from orchestrator.reversible import MaxPressure
from sim.crowd_levers import fast_lane, opening_day, reversible, slots
from sim.crowd_play import KNOWN, Setting, play, pooled
from sim.crowd_world import Morning, morning


@pytest.fixture(scope="module")
def saturday() -> Morning:
    return morning(77, 0.95)


def test_the_same_seed_is_the_same_morning(saturday: Morning) -> None:
    again = morning(77, 0.95)
    assert np.array_equal(saturday.passes_s, again.passes_s)
    assert saturday.outages == again.outages
    first, second = (play(day, POLICIES["predictive"], Setting()) for day in (saturday, again))
    assert np.array_equal(first.wait_s, second.wait_s)


def test_everybody_enters_and_nobody_beats_the_bound(saturday: Morning) -> None:
    bound, all_comply = (delay_bound_s(saturday, compliance, slot_s=60.0) for compliance in (0.7, 1.0))
    assert 0 < all_comply <= bound
    outcome = play(saturday, POLICIES[BEST], Setting())
    assert len(outcome.wait_s) == saturday.size.sum()
    assert outcome.delay_s > bound
    assert play(saturday, POLICIES[BEST], Setting(0.0, 1.0, KNOWN)).delay_s > all_comply


def test_advice_beats_habit_and_prediction_beats_looking(saturday: Morning) -> None:
    delay = {
        name: play(saturday, POLICIES[name], Setting()).delay_s for name in ("nearest", "join_shortest", "predictive", BEST)
    }
    assert delay[BEST] <= delay["predictive"] < delay["join_shortest"] < delay["nearest"]


def test_old_counts_few_followers_and_a_wrong_guess_of_them_still_beat_habit(saturday: Morning) -> None:
    main = Setting()
    nearest = play(saturday, POLICIES["nearest"], main).delay_s
    for worse in (replace(main, age_s=180.0, compliance=0.5), replace(main, assumed_compliance=1.0)):
        assert play(saturday, POLICIES["predictive"], worse).delay_s < 0.5 * nearest


def test_one_pooled_queue_waits_less_than_everybody_at_his_nearest_gate(saturday: Morning) -> None:
    assert pooled(saturday).delay_s < play(saturday, POLICIES["nearest"], Setting()).delay_s


def test_each_lever_is_better_than_doing_without() -> None:
    assert fast_lane(5, (20.0, 1.0)).vip_p95_s < 0.5 * fast_lane(5, (1.0, 1.0)).vip_p95_s
    assert slots(5, True).p95_wait_s < 0.5 * slots(5, False).p95_wait_s
    assert reversible(5, MaxPressure()) < 0.3 * reversible(5, None)
    ruled, all_open = opening_day(5, SquareRoot()), opening_day(5, None)
    assert ruled.work_hours < ruled.lane_hours < 0.8 * all_open.lane_hours
    assert ruled.p95_wait_s <= 90
