"""Faces in a picture, by YuNet: boxes, five landmarks and scores. Decoding and suppression are plain numpy.

The detector sees faces of about 10 to 300 pixels, so a picture is tried at several sizes: tight portraits are missed at 640
and found at 320 or 160, small faces the other way round. W. Wu, H. Peng, S. Yu: YuNet (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_models.pictures import Picture, checked, scaled
from ml_models.session import Session, Tensor

STRIDES = (8, 16, 32)
STEP = 32  # inputs are multiples of this
MIN_SCORE = 0.7
SURE_SCORE = 0.5  # enough where a face is known to be
MAX_OVERLAP = 0.3  # boxes that share more of their union are one face
LANE_SIDES = (320,)  # at a lane, a guest is near and the next frame soon there
THOROUGH_SIDES = (320, 640, 160)
SHARP_PX = 72  # a face that the detector saw smaller than this is looked at again, larger, for better landmarks
CLOSE_UP_PX = 192
WIDER = 1.5

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Face:
    """One face, in the picture's pixels. Landmarks: the eye, eye, nose, mouth corner, mouth corner, each pair from left to
    right as seen in the picture, [5, 2] as x and y."""

    left: float
    top: float
    width: float
    height: float
    landmarks: npt.NDArray[np.float64]
    score: float

    @property
    def side(self) -> float:
        """The shorter side of its box in pixels."""
        return min(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """Of its box, x and y."""
        return self.left + self.width / 2, self.top + self.height / 2


class FaceDetector:
    """YuNet in a session of its own. Raises PartMissing without its model."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session or Session("yunet-2023mar")
        self.model_id = self._session.model_id

    def detect(self, picture: Picture, sides: Sequence[int] = THOROUGH_SIDES, min_score: float = MIN_SCORE) -> list[Face]:
        """The faces, largest first; `sides` are tried in turn (the picture's longer side is scaled down to each) until one
        shows a face. Raises Invalid when `picture` is none."""
        checked(picture)
        longest = max(picture.shape[:2])
        tried: set[int] = set()
        for side in sides:
            wanted = min(side, longest)
            if wanted in tried:
                continue
            tried.add(wanted)
            ratio = wanted / longest
            faces = self._look(picture, ratio, min_score)
            if faces:
                return [self._sharpened(picture, face, ratio, min_score) for face in faces]
        return []

    def _look(self, picture: Picture, ratio: float, min_score: float) -> list[Face]:
        height, width = (max(1, round(length * ratio)) for length in picture.shape[:2])
        tensor = prepared(scaled(picture, width, height))
        found = decode(self._session.run(tensor), tensor.shape[3], min_score)
        across, down = picture.shape[1] / width, picture.shape[0] / height
        faces = [_stretched(face, across, down) for face in found]
        return sorted(faces, key=lambda face: -face.width * face.height)

    def _sharpened(self, picture: Picture, face: Face, ratio: float, min_score: float) -> Face:
        """The face as seen in a close-up, if the picture has more to show than the detector saw."""
        if face.side * ratio >= SHARP_PX or ratio > 0.7:
            return face
        return self._again(picture, face, _close_up(face), CLOSE_UP_PX, mirrored=False, min_score=min_score) or face

    def steadied(self, picture: Picture, face: Face) -> Face:
        """The face with the mean of its landmarks over four looks, at a wide and a tight close-up, plain and mirrored, so that
        what the detector errs to one side, or in one frame, cancels out. For photographs; fused frames do as much for a
        lane."""
        wide, tight = _close_up(face, WIDER), _close_up(face)
        looks = [
            self._again(picture, face, wide, round(CLOSE_UP_PX * WIDER), mirrored=True),
            self._again(picture, face, tight, CLOSE_UP_PX, mirrored=False),
            self._again(picture, face, tight, CLOSE_UP_PX, mirrored=True),
        ]
        landmarks = [face.landmarks, *(look.landmarks for look in looks if look is not None)]
        return replace(face, landmarks=np.mean(landmarks, axis=0))

    def _again(
        self,
        picture: Picture,
        face: Face,
        where: tuple[int, int, int, int],
        side: int,
        *,
        mirrored: bool,
        min_score: float = SURE_SCORE,
    ) -> Face | None:
        """The same face as seen in that part of the picture (left, top, right, bottom), its longer side scaled down to `side`;
        in the picture's pixels. None when it is not seen there."""
        left, top, right, bottom = where
        part = picture[top:bottom, left:right]
        if min(part.shape[:2], default=0) < STEP:
            return None
        near = self._look(part[:, ::-1] if mirrored else part, min(1.0, side / max(part.shape[:2])), min_score)
        if mirrored:
            near = [_unmirrored(other, part.shape[1]) for other in near]
        moved = [_moved(other, left, top) for other in near]
        best = max(moved, key=lambda other: overlap(_box(face), _box(other)), default=None)
        return best if best is not None and overlap(_box(face), _box(best)) > MAX_OVERLAP else None


def prepared(picture: Picture) -> Tensor:
    """The network's input: [1, 3, H, W] BGR 0..255, padded with black at right and bottom to multiples of 32."""
    height, width = picture.shape[:2]
    tensor = np.zeros((1, 3, -(-height // STEP) * STEP, -(-width // STEP) * STEP), np.float32)
    tensor[0, :, :height, :width] = picture[:, :, ::-1].transpose(2, 0, 1)
    return tensor


def decode(outputs: dict[str, Tensor], width: int, min_score: float) -> list[Face]:
    """The faces that the network's outputs tell of, best first; `width` of its input in pixels.

    Each stride has one place per cell in rows; a place says class and objectness (score: root of their product), its box's
    centre relative to the cell and log sizes, and landmarks relative to the cell, all in strides.
    """
    boxes, points, scores = [], [], []
    for stride in STRIDES:
        score = np.sqrt(np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1))
        kept = np.flatnonzero(score >= min_score)
        cell = np.stack(np.divmod(kept, width // stride)[::-1], axis=1).astype(np.float64)
        box = outputs[f"bbox_{stride}"][0, kept].astype(np.float64)
        centre, size = (box[:, :2] + cell) * stride, np.exp(np.minimum(box[:, 2:], 10.0)) * stride
        boxes.append(np.hstack([centre - size / 2, size]))
        points.append((outputs[f"kps_{stride}"][0, kept].astype(np.float64).reshape(-1, 5, 2) + cell[:, None]) * stride)
        scores.append(score[kept])
    every_box, every_point, every_score = np.concatenate(boxes), np.concatenate(points), np.concatenate(scores)
    return [_face(every_box[place], every_point[place], every_score[place]) for place in suppressed(every_box, every_score)]


def _face(box: Array, landmarks: Array, score: float) -> Face:
    left, top, width, height = (float(value) for value in box)
    return Face(left, top, width, height, landmarks, float(score))


def suppressed(boxes: Array, scores: Array) -> list[int]:
    """Places of the boxes (left, top, width, height) that are no better box's double, best first."""
    kept: list[int] = []
    for place in np.argsort(-scores, kind="stable"):
        if all(overlap(boxes[place], boxes[other]) <= MAX_OVERLAP for other in kept):
            kept.append(int(place))
    return kept


def overlap(one: Array, other: Array) -> float:
    """Intersection over union of two boxes (left, top, width, height)."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    return shared / max(1e-9, float(one[2] * one[3] + other[2] * other[3]) - shared)


def _box(face: Face) -> Array:
    return np.array([face.left, face.top, face.width, face.height])


def _stretched(face: Face, across: float, down: float) -> Face:
    points = face.landmarks * np.array([across, down])
    return Face(face.left * across, face.top * down, face.width * across, face.height * down, points, face.score)


def _close_up(face: Face, wider: float = 1.0) -> tuple[int, int, int, int]:
    """A face and as much again around it: left, top, right, bottom; right and bottom may lie outside the picture."""
    (x, y), reach = face.centre, max(face.width, face.height) * wider
    left, top = max(0, round(x - reach)), max(0, round(y - reach))
    return left, top, max(left, round(x + reach)), max(top, round(y + reach))


def _unmirrored(face: Face, width: int) -> Face:
    """A face of a mirror image of that width as it is in the picture itself: left and right change places."""
    points = face.landmarks[[1, 0, 2, 4, 3]] * np.array([-1.0, 1.0]) + np.array([width, 0.0])
    return replace(face, left=width - face.left - face.width, landmarks=points)


def _moved(face: Face, left: int, top: int) -> Face:
    return Face(face.left + left, face.top + top, face.width, face.height, face.landmarks + np.array([left, top]), face.score)
