"""Figures of pair sets, checked by hand on small ones."""

import numpy as np
import pytest

from ml_models.face_scores import PairScores, best_threshold
from resort.errors import Invalid


def test_pairs_that_can_be_told_are_all_told() -> None:
    scores = PairScores([0.8, 0.9, 0.7] * 10 + [0.1, 0.2, 0.0] * 10, [True] * 30 + [False] * 30)
    accuracy, deviation, threshold = scores.ten_fold()
    assert (accuracy, deviation) == (1.0, 0.0)
    assert threshold == pytest.approx(0.45)
    assert scores.true_accepts(0.75) == pytest.approx(2 / 3)
    assert scores.false_accepts(0.15) == pytest.approx(1 / 3)
    assert scores.accuracy(0.75) == pytest.approx(50 / 60)


def test_a_fold_is_told_by_the_others() -> None:
    # One pair of each kind in a fold. In the last fold both are the wrong way round, which no threshold of the others tells.
    same, others = [0.9] * 9 + [0.1], [0.1] * 9 + [0.9]
    accuracy, _, _ = PairScores(same + others, [True] * 10 + [False] * 10).ten_fold()
    assert accuracy == pytest.approx(0.9)


def test_the_order_of_the_kinds_does_not_matter() -> None:
    dice = np.random.default_rng(1)
    same, others = dice.normal(0.6, 0.2, 40), dice.normal(0.2, 0.2, 40)
    apart = PairScores([*same, *others], [True] * 40 + [False] * 40).ten_fold()
    mixed = PairScores([score for two in zip(same, others, strict=True) for score in two], [True, False] * 40).ten_fold()
    assert apart == mixed


def test_the_threshold_of_a_rate_lets_no_more_pass() -> None:
    scores = PairScores([0.9] * 10 + [number / 1000 for number in range(1000)], [True] * 10 + [False] * 1000)
    assert scores.false_accepts(scores.threshold_at(1e-2)) == pytest.approx(0.01)
    assert scores.false_accepts(scores.threshold_at(1e-4)) == 0.0


def test_the_best_threshold_lies_in_the_widest_gap() -> None:
    assert best_threshold(np.array([0.1, 0.5, 0.9]), np.array([False, True, True])) == pytest.approx(0.3)


@pytest.mark.parametrize(("scores", "same"), [([0.1], [True]), ([0.1, 0.2], [False, False]), ([0.1], [True, False]), ([], [])])
def test_a_set_of_one_kind_is_refused(scores: list[float], same: list[bool]) -> None:
    with pytest.raises(Invalid):
        PairScores(scores, same)
