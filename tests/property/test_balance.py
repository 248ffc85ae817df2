"""Whatever queues and outages are: advice is a distribution over open gates, longer queues attract nobody, and signs hold."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.balance import POLICIES, JoinShortest, PredictiveJoinShortest, Steady
from orchestrator.crowd_view import Advice, Policy, View, projected_queue
from orchestrator.hedged import Hedged
from orchestrator.priced import busy_until

BINS = 40


@st.composite
def views(draw: st.DrawFn) -> View:
    """Some resort at some moment; any gate may be closed, even all."""
    gates, signs = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    dice = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lanes = dice.integers(0, 11, gates).astype(float)
    return View(
        lanes_open=lanes * (dice.random(gates) > draw(st.sampled_from([0.0, 0.3, 1.0]))),
        lane_per_s=dice.uniform(0.2, 0.7, gates),
        queue=dice.uniform(0, draw(st.sampled_from([0.0, 30.0, 3_000.0])), gates),
        queue_sd=dice.uniform(0, 20, gates),
        age_s=np.full(gates, 30.0),
        walk_s=dice.uniform(10, 1_500, (signs, gates)),
        passing_per_s=dice.uniform(0, 4, (signs, BINS)),
        walking=dice.uniform(0, 40, (gates, BINS)),
        bin_s=15.0,
        tick_s=15.0,
        compliance=float(dice.random()),
    )


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=60, deadline=None)
@given(view=views(), then=views())
def test_advice_is_a_distribution_over_open_gates(name: str, view: View, then: View) -> None:
    view.check()
    policy = POLICIES[name]
    first = policy.advise(view, None)
    for seen, advice in ((view, first), (view, policy.advise(view, first)), (then, policy.advise(then, first))):
        assert advice.shares.shape == seen.walk_s.shape
        assert (advice.shares >= 0).all()
        assert np.allclose(advice.shares.sum(axis=1), 1.0)
        if seen.served_per_s.any():
            assert not advice.shares[:, seen.served_per_s == 0].any()


@pytest.mark.parametrize("policy", [JoinShortest(), POLICIES["backpressure"], PredictiveJoinShortest()])
@settings(max_examples=80, deadline=None)
@given(view=views(), gate=st.integers(0, 5), more=st.floats(1, 500))
def test_a_longer_queue_attracts_nobody(policy: Policy, view: View, gate: int, more: float) -> None:
    gate %= len(view.queue)
    queue = view.queue.copy()
    queue[gate] += more
    before, after = policy.advise(view, None).shares, policy.advise(replace(view, queue=queue), None).shares
    assert after[:, gate].sum() <= before[:, gate].sum() + 1e-9


@settings(max_examples=80, deadline=None)
@given(view=views(), nudge=st.floats(0, 0.2), seed=st.integers(0, 1_000))
def test_a_steady_sign_changes_by_more_than_its_band_or_not_at_all(view: View, nudge: float, seed: int) -> None:
    policy = Steady(PredictiveJoinShortest(), band=0.3)
    last = policy.advise(view, None)
    noise = 1 + nudge * np.random.default_rng(seed).standard_normal(len(view.queue))
    shares = policy.advise(replace(view, queue=np.maximum(0, view.queue * noise)), last).shares
    moved = 0.5 * np.abs(shares - last.shares).sum(axis=1)
    assert ((moved == 0) | (moved > 0.3)).all()


@settings(max_examples=60, deadline=None)
@given(view=views())
def test_a_steady_sign_leaves_a_closed_gate_at_once(view: View) -> None:
    policy = Steady(POLICIES["static"], band=1.0)
    last = policy.advise(view, None)
    closed = int(last.shares[0].argmax())
    lanes = view.lanes_open.copy()
    lanes[closed] = 0.0
    shut = replace(view, lanes_open=lanes)
    shares = policy.advise(shut, last).shares
    assert not shut.served_per_s.any() or not shares[:, closed].any()


@settings(max_examples=60, deadline=None)
@given(view=views(), more=st.floats(0.1, 50))
def test_projected_queues_are_never_negative_and_grow_with_arrivals(view: View, more: float) -> None:
    queue = projected_queue(view, view.walking)
    assert (queue >= -1e-9).all()
    assert (projected_queue(view, view.walking + more) >= queue - 1e-6).all()
    assert (busy_until(view, queue) >= 0).all()


@settings(max_examples=40, deadline=None)
@given(first=views(), then=views())
def test_hedged_advice_depends_on_nothing_but_view_and_last(first: View, then: View) -> None:
    one, other = (policy.advise(then, policy.advise(first, None)).shares for policy in (Hedged(), Hedged()))
    assert np.array_equal(one, other)


@settings(max_examples=40, deadline=None)
@given(view=views())
def test_hedged_advice_says_no_crumbs_and_keeps_its_plan_whole(view: View) -> None:
    policy = Hedged()
    advice = policy.advise(view, policy.advise(view, None))
    least = min(policy.said_share, 1 / len(view.queue))
    assert ((advice.shares == 0) | (advice.shares >= least - 1e-12)).all()
    assert advice.plan is not None
    assert np.allclose(advice.plan.sum(axis=1), 1.0)


@settings(max_examples=40, deadline=None)
@given(view=views())
def test_a_plan_at_rest_does_not_chatter(view: View) -> None:
    policy, advice = POLICIES["priced"], Advice(np.zeros((1, 1)))
    moves = []
    for tick in range(12):
        new = policy.advise(view, advice if tick else None)
        if tick:
            moves.append(float((0.5 * np.abs(new.shares - advice.shares).sum(axis=1)).max()))
        advice = new
    assert max(moves[1:]) <= 0.6  # three steps of a quarter: never a whole sign at once
