"""Vectors: the folded model against OpenCV's numbers, one person against others, and what is refused."""

import numpy as np
import pytest

from ml_models.face_alignment import aligned
from ml_models.face_detector import FaceDetector
from ml_models.face_embedder import FaceEmbedder, Vector, cosine, fused, normalised
from ml_models.pictures import Picture
from resort.errors import Invalid
from resort.face_rules import CURVE

# OpenCV 4.14's FaceRecognizerSF with the original model on `pattern()`, at length 1.
OPENCV_FIRST = [0.01418, 0.04058, -0.09054, 0.04338, 0.05004, 0.03052, -0.05412, -0.02151]


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    """The real one."""
    return FaceEmbedder()


@pytest.fixture(scope="module")
def people(embedder: FaceEmbedder, photographs: dict[str, Picture]) -> dict[str, list[Vector]]:
    """Vectors by person."""
    detector = FaceDetector()
    found: dict[str, list[Vector]] = {}
    for name, picture in photographs.items():
        for number, face in enumerate(detector.detect(picture)):
            person = f"six {number}" if name == "six" else name.split("_")[0]
            found.setdefault(person, []).append(embedder.embed(aligned(picture, face.landmarks)))
    return found


def pattern() -> Picture:
    rows, columns = np.mgrid[0:112, 0:112]
    return np.stack([columns * 2, rows * 2, (columns + rows) % 256], axis=2).astype(np.uint8)


def test_the_folded_model_says_what_opencv_says_of_the_original(embedder: FaceEmbedder) -> None:
    vector = normalised(embedder.raw(pattern()))
    np.testing.assert_allclose(vector[:8], OPENCV_FIRST, atol=2e-5)


def test_one_person_is_more_alike_than_any_two(people: dict[str, list[Vector]]) -> None:
    same = [cosine(one, other) for one in people["one"] for other in people["one"] if one is not other]
    others = [
        cosine(one, other)
        for person, vectors in people.items()
        for stranger, strange in people.items()
        if person < stranger
        for one in vectors
        for other in strange
    ]
    assert len(people) == 9
    assert min(same) > CURVE.threshold(1e-4) > CURVE.threshold(1e-2) > 0.25
    assert min(same) > max(others) + 0.2
    assert max(others) < CURVE.threshold(1e-3)


def test_a_vector_has_length_one_and_the_mirror_image_has_the_same(embedder: FaceEmbedder) -> None:
    face = np.random.default_rng(4).integers(0, 256, (112, 112, 3), np.uint8)
    vector = embedder.embed(face)
    assert (vector.shape, vector.dtype) == ((128,), np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-6)
    assert cosine(vector, embedder.embed(np.ascontiguousarray(face[:, ::-1]))) == pytest.approx(1, abs=1e-5)
    assert cosine(vector, embedder.embed(face, mirrored=False)) < 0.9999


def test_several_fused_count_alike_whatever_their_length() -> None:
    first, second = np.eye(128, dtype=np.float32)[:2]
    np.testing.assert_allclose(fused([first * 9, second])[:2], [2**-0.5, 2**-0.5], rtol=1e-6)


@pytest.mark.parametrize("vector", [np.zeros(128, np.float32), np.full(128, np.nan, np.float32), np.ones(5, np.float32)])
def test_what_has_no_direction_is_refused(vector: Vector) -> None:
    with pytest.raises(Invalid, match="face vector"):
        normalised(vector)


def test_nothing_at_all_and_faces_of_other_sizes_are_refused(embedder: FaceEmbedder) -> None:
    with pytest.raises(Invalid):
        fused([])
    with pytest.raises(Invalid, match="112"):
        embedder.embed(np.zeros((100, 112, 3), np.uint8))
