"""A face as 128 numbers, by SFace: the cosine of two vectors tells how alike two faces are. Vectors are personal data.

Vectors are never logged and never put into an event; they live encrypted at rest and in galleries in memory. Y. Zhong,
W. Deng and others: SFace, IEEE TIP 30 (2021).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_models.face_alignment import SIDE
from ml_models.pictures import Picture
from ml_models.session import Session, Tensor
from resort.errors import Invalid

LENGTH = 128

Vector = npt.NDArray[np.float32]  # [128], of length 1


class FaceEmbedder:
    """SFace in a session of its own. Raises PartMissing without its model."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session or Session("sface-2021dec")
        self.model_id = self._session.model_id

    def embed(self, face: Picture, *, mirrored: bool = True) -> Vector:
        """The vector of an aligned face [112, 112, 3]. `mirrored`: averaged with that of the mirror image, which costs twice
        the time and makes less of how the light fell. Raises Invalid."""
        if face.shape != (SIDE, SIDE, 3):
            raise Invalid("face", f"it is not an aligned face of {SIDE} x {SIDE} pixels")
        pictures = [face, face[:, ::-1]] if mirrored else [face]
        return fused([self.raw(picture) for picture in pictures])

    def raw(self, face: Picture) -> Tensor:
        """What the network says of an aligned face, [128], not of length 1."""
        tensor = face.transpose(2, 0, 1)[None].astype(np.float32)  # RGB 0..255; the network centres it itself
        vector: Tensor = self._session.run(np.ascontiguousarray(tensor))["fc1"][0]
        return vector


def normalised(vector: Tensor) -> Vector:
    """The vector at length 1, as float32. Raises Invalid for one that has no direction."""
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length < 1e-6 or vector.shape != (LENGTH,):
        raise Invalid("face vector", f"it is not {LENGTH} numbers with a direction")
    return (vector / length).astype(np.float32)


def fused(vectors: Sequence[Tensor]) -> Vector:
    """One vector for several of the same person: the direction of their mean, each counted alike. Raises Invalid."""
    if not vectors:
        raise Invalid("face vector", "there is none")
    return normalised(np.mean([normalised(vector) for vector in vectors], axis=0, dtype=np.float32))


def packed(vector: Vector) -> bytes:
    """A vector as it crosses processes and is stored, encrypted: float32, little-endian."""
    return vector.astype("<f4").tobytes()


def unpacked(content: bytes) -> Vector:
    """The vector again, at length 1. Raises Invalid."""
    if len(content) != LENGTH * 4:
        raise Invalid("face vector", f"it is not {LENGTH} numbers")
    return normalised(np.frombuffer(content, "<f4"))


def cosine(one: Vector, other: Vector) -> float:
    """How alike, -1..1; vectors of length 1."""
    return float(np.dot(one, other))
