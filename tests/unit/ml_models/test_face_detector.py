"""The detector's decoding by hand-made outputs, and its word on real photographs beside OpenCV's."""

import numpy as np
import pytest

from ml_models.face_detector import LANE_SIDES, Face, FaceDetector, decode, overlap, prepared, suppressed
from ml_models.pictures import Picture, scaled
from ml_models.session import Tensor
from resort.errors import Invalid

# OpenCV 4.14's FaceDetectorYN with the original model on the same photograph, at 320 pixels, times 1.6.
OPENCV_BOX = [179.1, 62.3, 90.3, 112.6]
OPENCV_LANDMARKS = [[203.4, 101.1], [245.3, 101.5], [222.9, 124.8], [203.4, 144.4], [240.2, 142.4]]


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    """The real one."""
    return FaceDetector()


def silent(width: int, height: int) -> dict[str, Tensor]:
    """What the network says of nobody."""
    outputs = {}
    for stride in (8, 16, 32):
        places = (width // stride) * (height // stride)
        for kind, numbers in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
            outputs[f"{kind}_{stride}"] = np.zeros((1, places, numbers), np.float32)
    return outputs


def test_a_place_is_decoded_in_strides_from_its_cell() -> None:
    outputs = silent(64, 96)
    place = 2 * 4 + 3  # row 2, column 3 of the 4 columns at stride 16
    outputs["cls_16"][0, place], outputs["obj_16"][0, place] = 0.81, 1.0
    outputs["bbox_16"][0, place] = [0.5, -0.25, np.log(2), np.log(3)]
    outputs["kps_16"][0, place] = np.arange(10) / 10
    (face,) = decode(outputs, 64, 0.7)
    assert face.score == pytest.approx(0.9)
    assert (face.width, face.height) == (pytest.approx(32), pytest.approx(48))
    assert face.centre == (pytest.approx(3.5 * 16), pytest.approx(1.75 * 16))
    np.testing.assert_allclose(face.landmarks[0], [3.0 * 16, 2.1 * 16], rtol=1e-6)
    np.testing.assert_allclose(face.landmarks[4], [3.8 * 16, 2.9 * 16], rtol=1e-6)
    assert decode(outputs, 64, 0.95) == []


def test_doubles_are_suppressed_and_neighbours_are_not() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [20, 0, 10, 10], [0, 0, 11, 11]], np.float64)
    assert suppressed(boxes, np.array([0.8, 0.9, 0.7, 0.85])) == [1, 2]
    assert overlap(boxes[0], boxes[0]) == pytest.approx(1.0)
    assert overlap(boxes[0], boxes[2]) == 0.0
    assert overlap(boxes[0], boxes[1]) == pytest.approx(81 / 119)


def test_pictures_become_bgr_padded_to_multiples_of_32() -> None:
    picture = np.zeros((33, 64, 3), np.uint8)
    picture[..., 0] = 200
    tensor = prepared(picture)
    assert tensor.shape == (1, 3, 64, 64)
    assert (tensor[0, 2, :33] == 200).all()
    assert (tensor[0, :2] == 0).all()
    assert (tensor[0, :, 33:] == 0).all()


def test_a_face_is_where_opencv_sees_it(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    (face,) = detector.detect(scaled(photographs["three"], 320, 320))
    np.testing.assert_allclose(np.array([face.left, face.top, face.width, face.height]) * 1.6, OPENCV_BOX, atol=1.5)
    np.testing.assert_allclose(face.landmarks * 1.6, OPENCV_LANDMARKS, atol=1.5)
    assert face.score > 0.9


def test_every_photograph_shows_whom_it_shows(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    counts = {name: len(detector.detect(picture)) for name, picture in photographs.items()}
    assert counts == {"one_1": 1, "one_2": 1, "one_3": 1, "one_4": 1, "one_5": 1, "two": 1, "three": 1, "six": 6}


def test_nobody_is_seen_where_nobody_is(detector: FaceDetector) -> None:
    chance = np.random.default_rng(5)
    assert detector.detect(np.full((480, 640, 3), 120, np.uint8)) == []
    assert detector.detect(chance.integers(0, 256, (480, 640, 3), np.uint8)) == []


def test_a_tight_portrait_is_found_by_a_smaller_look(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    whole = photographs["three"]
    tight = scaled(whole[60:180, 172:276], 1040, 1200)  # nothing but the face
    (face,) = detector.detect(tight)
    assert face.side > 600


def test_a_small_face_is_found_by_a_larger_look(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    frame = np.full((960, 1280, 3), 120, np.uint8)
    frame[400:560, 600:760] = scaled(photographs["three"], 160, 160)
    assert detector.detect(frame, LANE_SIDES) == []
    (face,) = detector.detect(frame)
    assert 20 < face.side < 40
    assert 600 < face.centre[0] < 760
    assert 400 < face.centre[1] < 560


def test_a_distant_face_gets_landmarks_as_good_as_a_near_one(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    (near,) = detector.detect(photographs["three"])
    frame = np.full((1200, 1600, 3), 120, np.uint8)
    frame[300:812, 500:1012] = photographs["three"]
    (far,) = detector.detect(frame, LANE_SIDES)
    assert far.side * 320 / 1600 < 20  # the detector's first look sees this much of it
    np.testing.assert_allclose(far.landmarks - [500, 300], near.landmarks, atol=4.5)


@pytest.mark.parametrize("shape", [(16, 16), (16, 700), (500, 17), (33, 65)])
def test_pictures_of_any_shape_are_taken(detector: FaceDetector, shape: tuple[int, int]) -> None:
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_what_is_no_picture_is_refused(detector: FaceDetector) -> None:
    with pytest.raises(Invalid):
        detector.detect(np.zeros((100, 100), np.uint8))


def test_faces_come_largest_first(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    faces: list[Face] = detector.detect(photographs["six"])
    first_look = [face.side for face in faces]
    assert first_look[0] > 0.8 * max(first_look)


def test_a_face_and_its_mirror_image_are_steadied_alike(detector: FaceDetector, photographs: dict[str, Picture]) -> None:
    seen, steadied = [], []
    for name in ("one_1", "one_2", "one_3", "one_5", "two", "three"):
        picture = photographs[name]
        mirror = np.ascontiguousarray(picture[:, ::-1])
        one, other = detector.detect(picture)[0], detector.detect(mirror)[0]
        seen.append(apart(one, other, picture.shape[1]))
        steadied.append(apart(detector.steadied(picture, one), detector.steadied(mirror, other), picture.shape[1]))
    assert sum(steadied) < 0.6 * sum(seen)


def apart(face: Face, mirrored: Face, width: int) -> float:
    """How far the landmarks of a face and of its mirror image are from one another, as a share of its size."""
    back = mirrored.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [width, 0]
    return float(np.linalg.norm(face.landmarks - back, axis=1).mean()) / face.side


def test_a_face_that_no_other_look_sees_stays_as_it_is(detector: FaceDetector) -> None:
    face = Face(50.0, 50.0, 80.0, 100.0, np.full((5, 2), 90.0), 0.9)
    steadied = detector.steadied(np.full((200, 300, 3), 99, np.uint8), face)
    assert np.array_equal(steadied.landmarks, face.landmarks)
