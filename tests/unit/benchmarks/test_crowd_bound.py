"""The clairvoyant bound on mornings small enough to compute by hand."""

import numpy as np
import pytest

from benchmarks.crowd_bound import delay_bound_s
from sim.crowd_world import Morning, Outage, Resort


def burst(walk_s: list[float], outages: tuple[Outage, ...] = ()) -> Morning:
    """Thirty guests pass one sign at once; each gate has one lane that serves five in a slot of 15 s."""
    guests = 30
    return Morning(
        resort=Resort((1,) * len(walk_s), np.array([walk_s]), 3.0),
        load=1.0,
        passes_s=np.zeros(guests),
        sign=np.zeros(guests, dtype=int),
        size=np.ones(guests, dtype=int),
        follows=np.linspace(0.01, 0.99, guests),
        pace=np.ones(guests),
        service_s=np.full(guests, 3.0),
        outages=outages,
        forecast_per_s=np.zeros((1, 1)),
        seed=0,
    )


ALONE_S = 15.0 * (25 + 20 + 15 + 10 + 5) / 30


def test_one_gate_serves_its_queue_down() -> None:
    assert delay_bound_s(burst([0.0]), 1.0) == pytest.approx(ALONE_S)


def test_a_second_gate_takes_those_for_whom_the_walk_pays() -> None:
    # 45 s further on, a guest who walks costs 45 s and saves what he would have added: the last five or ten of the queue.
    walked = (15.0 * (20 + 15 + 10 + 5 + 0) - 15.0 * 0 + 5 * 45.0) / 30
    assert delay_bound_s(burst([0.0, 45.0]), 1.0) <= walked < ALONE_S


def test_who_does_not_follow_cannot_be_commanded() -> None:
    assert delay_bound_s(burst([0.0, 45.0]), 0.0) == pytest.approx(ALONE_S)
    half = delay_bound_s(burst([0.0, 0.001]), 0.5)
    assert delay_bound_s(burst([0.0, 0.001]), 1.0) <= half < ALONE_S


def test_an_outage_that_everybody_must_wait_for_is_in_the_bound() -> None:
    later = delay_bound_s(burst([0.0], (Outage(0, 0, 0.0, 60.0),)), 1.0)
    assert later == pytest.approx(ALONE_S + 60.0)
