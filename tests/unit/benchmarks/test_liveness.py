"""The table of held-up pictures: its arithmetic, what is drawn, and one small run with the real networks."""

import random

import numpy as np
import pytest

from benchmarks.attack_scenes import HEIGHT, KINDS, WIDTH
from benchmarks.liveness import auc, compare


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (300, 200, 3), dtype=np.uint8)


def test_auc_counts_pairs_and_halves_ties() -> None:
    assert auc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auc([0.1, 0.2], [0.9, 0.8]) == 0.0
    assert auc([0.5], [0.5]) == 0.5
    assert auc([0.9, 0.3], [0.5, 0.3]) == 0.625
    assert auc([], [0.5]) == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_the_same_frame_and_another_seed_another(kind: str, picture: np.ndarray) -> None:
    frame = KINDS[kind](picture, random.Random("1"))
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert frame.dtype == np.uint8
    assert np.array_equal(frame, KINDS[kind](picture, random.Random("1")))
    assert not np.array_equal(frame, KINDS[kind](picture, random.Random("2")))


def test_only_a_card_leaves_most_of_the_frame_empty(picture: np.ndarray) -> None:
    def covered(kind: str) -> float:
        frame = KINDS[kind](picture, random.Random("1")).astype(int)
        return float((np.abs(frame - frame[0, 0]).max(axis=2) > 40).mean())

    assert covered("card_portrait") < 0.05 < covered("screen")
    assert covered("photo_still") > 0.2


def test_a_run_tells_every_kind_beside_the_bare_photographs() -> None:
    told: list[str] = []
    figures = compare(1, told.append, frames=1, most=2).figures
    assert (figures["faces"], figures["frames_each"]) == (2, 1)
    for kind in ("bare", *KINDS):
        for name in ("score_mean", "hinted_share", "not_compared_share", "passes_1to1_share"):
            assert 0 <= figures[f"{kind}_{name}"] <= 1
    assert {f"{kind}_auc" for kind in KINDS} <= set(figures)
    assert figures["bare_passes_1to1_share"] == 1
