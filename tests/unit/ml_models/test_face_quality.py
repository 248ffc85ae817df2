"""Measures of photographs: geometry by hand, light and sharpness on real faces made worse."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from ml_models.face_alignment import TEMPLATE
from ml_models.face_detector import Face
from ml_models.face_quality import nearest, sharpness, shown, turn
from ml_models.face_reader import FaceReader
from ml_models.pictures import Picture, scaled
from resort.face_quality import ENROLMENT, FaceFault

BLANK = np.zeros((400, 600, 3), np.uint8)


@pytest.fixture(scope="module")
def reader() -> FaceReader:
    """The real one."""
    return FaceReader()


def face_at(left: float, top: float, width: float = 100, height: float = 100, landmarks: np.ndarray = TEMPLATE) -> Face:
    return Face(left, top, width, height, landmarks, 0.9)


def test_share_of_a_face_in_the_picture() -> None:
    assert shown(BLANK, face_at(10, 10)) == pytest.approx(1.0)
    assert shown(BLANK, face_at(-25, 0)) == pytest.approx(0.75)
    assert shown(BLANK, face_at(550, 350)) == pytest.approx(0.25)
    assert shown(BLANK, face_at(700, 10)) == 0.0


def test_turn_is_where_the_nose_is_between_the_eyes() -> None:
    eyes = np.array([[0, 0], [40, 0], [20, 30], [5, 50], [35, 50]], np.float64)
    assert turn(face_at(0, 0, landmarks=eyes)) == pytest.approx(0)
    for nose in (0.0, 40.0):
        eyes[2, 0] = nose
        assert turn(face_at(0, 0, landmarks=eyes)) == pytest.approx(1)


def test_a_flat_or_smooth_face_is_not_sharp() -> None:
    assert sharpness(np.full((112, 112, 3), 90, np.uint8)) == 0.0
    ramp = np.broadcast_to((np.arange(112) * 2)[None, :, None], (112, 112, 3)).astype(np.uint8)
    assert sharpness(ramp) == pytest.approx(0.0, abs=1e-6)
    checks = np.indices((112, 112)).sum(axis=0) % 2 * 200
    assert sharpness(np.dstack([checks] * 3).astype(np.uint8)) > 1


def test_whom_a_picture_is_of() -> None:
    middle, corner = face_at(250, 150), face_at(0, 0, 110, 110)
    assert nearest(BLANK, [corner, middle]) is middle
    assert nearest(BLANK, [face_at(0, 0, 250, 250), middle]) is not middle


def faults(reader: FaceReader, picture: Picture) -> list[FaceFault]:
    return reader.read(picture).faults(ENROLMENT)


def test_good_photographs_have_no_faults(reader: FaceReader, photographs: dict[str, Picture]) -> None:
    for name in ("one_1", "one_2", "one_3", "two", "three"):
        assert faults(reader, photographs[name]) == []


def test_spoilt_photographs_say_what_is_wrong(reader: FaceReader, photographs: dict[str, Picture]) -> None:
    good = photographs["one_1"]
    blurred = np.asarray(Image.fromarray(good).filter(ImageFilter.GaussianBlur(8)))
    assert faults(reader, blurred) == [FaceFault.BLURRED]
    assert FaceFault.TOO_DARK in faults(reader, (good * 0.2).astype(np.uint8))
    assert FaceFault.TOO_BRIGHT in faults(reader, (255 - (255 - good.astype(np.float32)) * 0.15).astype(np.uint8))
    assert FaceFault.TOO_SMALL in faults(reader, scaled(good, good.shape[1] // 6, good.shape[0] // 6))
    assert faults(reader, photographs["six"])[0] == FaceFault.SEVERAL
    assert faults(reader, np.zeros_like(good)) == [FaceFault.NONE_FOUND]
