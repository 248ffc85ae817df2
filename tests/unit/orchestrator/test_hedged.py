"""The hedged plan: cases whose answer is known, among them what chance must and must not change."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.crowd_view import Advice, View
from orchestrator.hedged import Hedged

BINS = 80


def view(queue: tuple[float, float] = (0, 0), lanes: tuple[float, float] = (6, 6), per_s: float = 0.5) -> View:
    """One sign, a gate 60 s away and one 180 s away, six lanes each at a guest in 3 s."""
    return View(
        lanes_open=np.array(lanes, dtype=float),
        lane_per_s=np.full(2, 1 / 3),
        queue=np.array(queue, dtype=float),
        queue_sd=np.zeros(2),
        age_s=np.full(2, 30.0),
        walk_s=np.array([[60.0, 180.0]]),
        passing_per_s=np.full((1, BINS), per_s),
        walking=np.zeros((2, BINS)),
        bin_s=15.0,
        tick_s=15.0,
        compliance=1.0,
    )


def settled(policy: Hedged, seen: View, ticks: int = 60) -> Advice:
    """Advice after some ticks of the same view."""
    advice = policy.advise(seen, None)
    for _ in range(ticks):
        advice = policy.advise(seen, advice)
    return advice


def moves(policy: Hedged, seen: View) -> list[float]:
    """By how much the sign's shares change from tick to tick of the same view, late ticks only."""
    advice, found = policy.advise(seen, None), []
    for _ in range(60):
        new = policy.advise(seen, advice)
        found.append(float(0.5 * np.abs(new.shares - advice.shares).sum()))
        advice = new
    return found[30:]


def test_a_near_gate_with_room_takes_everybody() -> None:
    assert settled(Hedged(), view(per_s=1.0)).shares[0].tolist() == [1.0, 0.0]


def test_what_the_near_gate_cannot_serve_goes_on_and_no_more() -> None:
    share = settled(Hedged(), view(per_s=3.0)).shares[0, 0]  # two guests a second of three can be served there
    assert 0.5 < share < 0.75


def test_uncertain_arrivals_leave_more_room_at_a_full_gate() -> None:
    calm, wild = (settled(Hedged(dispersion=d, rate_sd=0.0), view(per_s=3.0)).shares[0, 0] for d in (0.1, 20.0))
    assert wild < calm


def test_a_gate_that_lost_its_lanes_is_left_at_the_next_tick_and_found_again() -> None:
    policy = Hedged()
    shut = policy.advise(view(lanes=(0, 6)), settled(policy, view()))
    assert shut.shares[0].tolist() == [0.0, 1.0]
    advice = shut
    for _ in range(40):
        advice = policy.advise(view(), advice)
    assert advice.shares[0, 0] == pytest.approx(1.0)


def test_a_steady_crowd_is_told_nearly_the_same() -> None:
    full = moves(Hedged(), view(per_s=3.0))
    assert sum(full) / len(full) < 0.05
    assert max(full) < 0.2


def test_a_plan_of_another_shape_is_not_gone_on_from() -> None:
    policy, seen = Hedged(), view(per_s=3.0)
    fresh = policy.advise(seen, None).shares
    for other in (Advice(fresh), Advice(fresh, np.ones((2, 2, BINS)))):
        assert np.array_equal(policy.advise(seen, other).shares, fresh)


def test_all_gates_closed_still_names_one() -> None:
    shares = Hedged().advise(replace(view(), lanes_open=np.zeros(2)), None).shares
    assert shares.sum() == pytest.approx(1.0)
