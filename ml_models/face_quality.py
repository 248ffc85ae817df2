"""Measures of a photograph that `resort/face_quality.py` judges: size, place, pose, light and sharpness. Plain numpy."""

import numpy as np

from ml_models.face_detector import Face
from ml_models.pictures import Picture, luma
from resort.face_quality import FaceMeasures

LEAST_VARIANCE = 100.0  # below it, a face is so flat that its edges are noise
INNER = slice(16, 96)  # of the aligned face: without hair, collar and background


def measure(picture: Picture, face: Face, aligned: Picture, faces: int = 1) -> FaceMeasures:
    """Of a face in its picture, with its aligned form [112, 112, 3]; `faces`: how many the picture shows."""
    inner = luma(aligned)[INNER, INNER]
    return FaceMeasures(
        faces=faces,
        side_px=face.side,
        shown=shown(picture, face),
        turn=turn(face),
        brightness=float(inner.mean()),
        contrast=float(inner.std()),
        sharpness=sharpness(aligned),
    )


def shown(picture: Picture, face: Face) -> float:
    """Share of the face's box that lies inside the picture."""
    height, width = picture.shape[:2]
    across = min(width, face.left + face.width) - max(0.0, face.left)
    down = min(height, face.top + face.height) - max(0.0, face.top)
    return float(max(0.0, across) * max(0.0, down) / max(1e-9, face.width * face.height))


def turn(face: Face) -> float:
    """How far the nose is from the middle of the eyes along their line: 0 straight, 1 under an eye. Left or right alike."""
    first, second, nose = face.landmarks[:3]
    across = second - first
    share = float((nose - first) @ across) / max(1e-9, float(across @ across))
    return abs(share - 0.5) * 2


def sharpness(aligned: Picture) -> float:
    """Variance of the Laplacian of the inner face over that of its luma: edges that there are, whatever the light. A face that
    was enlarged to 112 pixels is blurred too."""
    whole = luma(aligned)
    laplacian = whole[:-2, 1:-1] + whole[2:, 1:-1] + whole[1:-1, :-2] + whole[1:-1, 2:] - 4 * whole[1:-1, 1:-1]
    return float(laplacian[INNER, INNER].var() / max(LEAST_VARIANCE, float(whole[INNER, INNER].var())))


def nearest(picture: Picture, faces: list[Face]) -> Face:
    """Whom the picture is of: large and near its middle. `faces` is not empty."""
    middle = np.array([picture.shape[1] / 2, picture.shape[0] / 2])
    reach = float(np.linalg.norm(middle))
    return max(faces, key=lambda face: face.side * (1.0 - 0.6 * float(np.linalg.norm(np.array(face.centre) - middle)) / reach))
