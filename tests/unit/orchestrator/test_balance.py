"""Which gate signs name: cases whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.balance import BEST, POLICIES, JoinShortest, PredictiveJoinShortest, Sighted
from orchestrator.crowd_view import View
from orchestrator.priced import busy_until
from resort.errors import Invalid

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


def settled(name: str, seen: View) -> np.ndarray:
    """Shares of the sign after some ticks of the same view."""
    advice = None
    for _ in range(20):
        advice = POLICIES[name].advise(seen, advice)
    assert advice is not None
    return advice.shares[0]


@pytest.mark.parametrize("name", ["nearest", "join_shortest", "backpressure", "predictive", "priced"])
def test_with_no_queues_everybody_goes_to_the_nearest(name: str) -> None:
    assert settled(name, view())[0] > 0.99


@pytest.mark.parametrize("name", ["join_shortest", "backpressure", "predictive", "priced"])
def test_a_long_queue_sends_guests_on(name: str) -> None:
    assert settled(name, view(queue=(900, 0)))[1] > 0.9


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_closed_gate_gets_nobody(name: str) -> None:
    assert settled(name, view(lanes=(0, 6)))[0] == 0.0


def test_static_follows_the_lanes_that_are_open() -> None:
    assert settled("static", view(lanes=(6, 2))) == pytest.approx([0.75, 0.25])


def test_only_a_prediction_sees_who_is_walking() -> None:
    walking = np.zeros((2, BINS))
    walking[0, :4] = 150.0  # six hundred guests are about to reach the near gate
    seen = replace(view(), walking=walking)
    assert JoinShortest().advise(seen, None).shares[0, 0] == 1.0
    assert PredictiveJoinShortest().advise(seen, None).shares[0, 0] == 0.0


def test_one_ticks_guests_are_dealt_out_instead_of_herded() -> None:
    crowd = view(queue=(70, 0), per_s=20.0)
    shares = PredictiveJoinShortest(v=0.3).advise(crowd, None).shares[0]
    assert 0 < shares[0] < 1


def test_a_guest_is_priced_by_the_time_until_the_queue_runs_empty() -> None:
    queue = np.zeros((2, BINS))
    queue[0, :4] = [30, 20, 10, 0]
    assert busy_until(view(), queue)[0, :5].tolist() == [45.0, 30.0, 15.0, 0.0, 0.0]


def test_a_blind_balancer_says_what_guests_would_do_anyway() -> None:
    policy, seen = Sighted(JoinShortest()), view(queue=(900, 0))
    assert policy.advise(seen, None).shares[0, 1] == 1.0
    half = replace(seen, age_s=np.array([30.0, np.inf]))
    assert policy.advise(half, None).shares[0, 1] == 1.0
    assert policy.advise(replace(seen, age_s=np.full(2, np.inf)), None).shares[0, 0] == 1.0


def test_the_best_is_one_of_them() -> None:
    assert BEST in POLICIES


def test_a_view_of_wrong_shape_or_sense_is_refused() -> None:
    view().check()
    with pytest.raises(Invalid, match="walking"):
        replace(view(), walking=np.zeros((3, BINS))).check()
    with pytest.raises(Invalid, match="queue"):
        replace(view(), queue=np.array([-1.0, 0.0])).check()
    with pytest.raises(Invalid, match="compliance"):
        replace(view(), compliance=1.5).check()
