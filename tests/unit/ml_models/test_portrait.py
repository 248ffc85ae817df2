"""The small picture of a face for staff: of that face, small, and without a camera's notes."""

import io

import numpy as np
import pytest
from PIL import Image

from ml_models.face_detector import Face, FaceDetector
from ml_models.face_quality import nearest
from ml_models.pictures import Picture, open_picture
from ml_models.portrait import SIDE_PX, portrait


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    """YuNet."""
    return FaceDetector()


@pytest.mark.parametrize("name", ["one_1", "two", "three", "six"])
def test_it_shows_one_face_and_little_else(detector: FaceDetector, photographs: dict[str, Picture], name: str) -> None:
    picture = photographs[name]
    content = portrait(picture, nearest(picture, detector.detect(picture)))
    shown = open_picture(content)
    assert max(shown.shape[:2]) <= SIDE_PX
    assert len(content) < 40_000
    (found,) = detector.detect(shown)
    assert max(found.width, found.height) > 0.4 * max(shown.shape[:2])
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        assert len(image.getexif()) == 0


def test_a_face_at_the_edge_is_cut_there(photographs: dict[str, Picture]) -> None:
    picture = photographs["one_1"]
    face = Face(-20.0, -30.0, 120.0, 140.0, np.zeros((5, 2), np.float32), 0.9)
    assert min(open_picture(portrait(picture, face)).shape[:2]) >= 16
