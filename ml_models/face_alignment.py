"""A face turned upright and scaled to the ArcFace template, by a similarity over five landmarks. Pure mathematics.

S. Umeyama, Least-squares estimation of transformation parameters between two point patterns, PAMI 13 (1991); the template is
InsightFace's 112 x 112, which SFace was trained on.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ml_models.pictures import Matrix, Picture, warped

SIDE = 112
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)

Points = npt.NDArray[np.float64]


def similarity(points: Points, wanted: Points = TEMPLATE) -> Matrix:
    """The [2, 3] map by turning, one scale and shifting (never mirroring) that brings `points` nearest to `wanted`."""
    middle, wanted_middle = points.mean(axis=0), wanted.mean(axis=0)
    from_middle, wanted_from_middle = points - middle, wanted - wanted_middle
    covariance = wanted_from_middle.T @ from_middle / len(points)
    left, spread, right = np.linalg.svd(covariance)
    sign = np.array([1.0, 1.0 if np.linalg.det(left) * np.linalg.det(right) >= 0 else -1.0])
    turn: npt.NDArray[Any] = left @ np.diag(sign) @ right
    scale = float(spread @ sign) / max(1e-9, float(from_middle.var(axis=0).sum()))
    linear = scale * turn
    return np.hstack([linear, (wanted_middle - linear @ middle)[:, None]])


def aligned(picture: Picture, landmarks: Points) -> Picture:
    """The face as a 112 x 112 picture."""
    return warped(picture, similarity(landmarks), SIDE, SIDE)
