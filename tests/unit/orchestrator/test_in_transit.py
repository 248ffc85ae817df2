"""Who is under way, from old counts: nobody is lost, compliance is learnt, and old queues are carried on."""

import numpy as np
import pytest

from orchestrator.in_transit import Counts, InTransit

WALK = np.array([[60.0, 240.0]])
NEAR = np.array([[1.0, 0.0]])
FAR = np.array([[0.0, 1.0]])
TICK_S = 15.0


def counts(passed: float, entered: tuple[float, float] = (0, 0), queue: tuple[float, float] = (0, 0)) -> Counts:
    """One tick's counts at gates that serve two guests a second."""
    return Counts(np.array([passed]), np.array(entered), np.array(queue), np.ones(2), np.full(2, 2.0))


def test_everybody_who_passed_is_expected_somewhere_at_about_his_walk() -> None:
    sense = InTransit(WALK, TICK_S, 60, compliance=0.75)
    sense.show(FAR, NEAR, np.array([40.0]))
    walking = sense.walking()  # from the next tick on, and nobody's walk is shorter
    assert walking.sum() == pytest.approx(40.0)
    assert walking.sum(axis=1) == pytest.approx([10.0, 30.0])
    middle = (walking[1] * np.arange(60)).sum() / walking[1].sum() * TICK_S
    assert middle == pytest.approx(240.0 - TICK_S, abs=TICK_S)


def test_a_count_takes_the_place_of_the_forecast() -> None:
    sense = InTransit(WALK, TICK_S, 60, compliance=1.0)
    sense.show(FAR, NEAR, np.array([40.0]))
    sense.hear(counts(10.0))
    assert sense.walking().sum() == pytest.approx(10.0)


@pytest.mark.parametrize("truth", [0.3, 0.6, 0.9])
def test_compliance_is_learnt_from_counts_at_both_ends(truth: float) -> None:
    sense = InTransit(WALK, TICK_S, 60, compliance=0.7, spread=0.0)
    came = np.zeros((2, 400))
    for tick in range(300):
        sense.show(FAR, NEAR, np.array([30.0]))
        came[0, tick + 4] += 30 * (1 - truth)
        came[1, tick + 16] += 30 * truth
        sense.hear(counts(30.0, (came[0, tick], came[1, tick])))
    assert sense.compliance == pytest.approx(truth, abs=0.1)


def test_without_learning_compliance_stays_as_assumed() -> None:
    sense = InTransit(WALK, TICK_S, 60, compliance=0.7, learn=False)
    for _ in range(50):
        sense.show(FAR, NEAR, np.array([30.0]))
        sense.hear(counts(30.0, (30.0, 0.0)))
    assert sense.compliance == 0.7


def test_an_old_queue_is_served_on_and_gets_less_certain() -> None:
    sense = InTransit(WALK, TICK_S, 60, compliance=0.7)
    sense.show(FAR, NEAR, np.array([0.0]))
    sense.hear(counts(0.0, queue=(100, 0)))
    fresh, fresh_sd = sense.queue()
    for _ in range(2):
        sense.show(FAR, NEAR, np.array([0.0]))
    old, old_sd = sense.queue()
    assert fresh.tolist() == [100, 0]
    assert old[0] == pytest.approx(100 - 2 * TICK_S * 2.0)
    assert old_sd[0] > fresh_sd[0]


def test_a_surge_at_a_sign_raises_what_is_expected_next() -> None:
    sense = InTransit(WALK, TICK_S, 60, compliance=0.7)
    for _ in range(40):
        sense.show(FAR, NEAR, np.array([30.0]))
        sense.hear(counts(45.0))
    assert 1.2 < float(sense.surge[0]) < 1.5
