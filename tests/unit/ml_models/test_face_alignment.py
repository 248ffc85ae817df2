"""The similarity that brings five landmarks to the template: exact where there is one, nearest where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_models.face_alignment import SIDE, TEMPLATE, aligned, similarity


def applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    moved: np.ndarray = points @ matrix[:, :2].T + matrix[:, 2]
    return moved


@given(st.floats(-3.1, 3.1), st.floats(0.1, 9.0), st.floats(-500, 500), st.floats(-500, 500))
def test_any_turned_scaled_shifted_template_comes_back(angle: float, scale: float, x: float, y: float) -> None:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = TEMPLATE @ turn.T * scale + [x, y]
    np.testing.assert_allclose(applied(similarity(points), points), TEMPLATE, atol=1e-6)


def test_a_mirror_image_is_not_mirrored_back() -> None:
    mirrored = TEMPLATE * [-1, 1] + [112, 0]
    matrix = similarity(mirrored)
    assert np.linalg.det(matrix[:, :2]) > 0
    assert np.abs(applied(matrix, mirrored) - TEMPLATE).max() > 5


def test_no_other_similarity_is_nearer() -> None:
    chance = np.random.default_rng(2)
    points = TEMPLATE * 2.5 + chance.normal(0, 6, TEMPLATE.shape) + [40, 90]
    best = similarity(points)
    error = ((applied(best, points) - TEMPLATE) ** 2).sum()
    for _ in range(300):
        angle, scale, x, y = chance.normal(0, [0.02, 0.02, 0.5, 0.5])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (1 + scale)
        other = np.hstack([turn @ best[:, :2], (turn @ best[:, 2] + [x, y])[:, None]])
        assert ((applied(other, points) - TEMPLATE) ** 2).sum() >= error - 1e-9


def test_an_aligned_face_has_its_landmarks_at_the_template() -> None:
    """Bright dots on a dark picture, found again where they belong."""
    points = TEMPLATE * 1.4 + [30.0, 20.0]
    picture = np.zeros((240, 240, 3), np.uint8)
    for x, y in points.round().astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    face = aligned(picture, points)
    assert face.shape == (SIDE, SIDE, 3)
    for x, y in TEMPLATE:
        around = face[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5, 0].astype(float)
        rows, columns = np.mgrid[round(y) - 4 : round(y) + 5, round(x) - 4 : round(x) + 5]
        assert (around * columns).sum() / around.sum() == pytest.approx(x, abs=0.6)
        assert (around * rows).sum() / around.sum() == pytest.approx(y, abs=0.6)
