"""A picture read for its face: found, aligned, embedded, measured and, where asked, judged for liveness. One call, one thread.

What an inference actor holds. Nothing here logs, and a reading's text form shows neither vector nor picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ml_models.face_alignment import aligned
from ml_models.face_detector import LANE_SIDES, THOROUGH_SIDES, Face, FaceDetector
from ml_models.face_embedder import FaceEmbedder, Vector, fused
from ml_models.face_liveness import Liveness, LivenessCheck
from ml_models.face_quality import measure, nearest
from ml_models.pictures import Picture
from resort.face_quality import FaceFault, FaceLimits, FaceMeasures, faults


@dataclass(frozen=True, slots=True)
class FaceReading:
    """One picture's outcome. Without a face, `face`, `vector` and `liveness` are None."""

    measures: FaceMeasures  # `faces` in it counts every face in the picture
    model_id: str  # whose vector it is: only vectors of one model can be compared
    face: Face | None = field(default=None, repr=False)
    vector: Vector | None = field(default=None, repr=False)
    liveness: Liveness | None = None

    def faults(self, limits: FaceLimits) -> list[FaceFault]:
        """What is wrong with the picture, empty for a good one."""
        return faults(self.measures, limits)


class FaceReader:
    """Detector, embedder and, with `liveness`, the two liveness networks: 130 MB. Raises PartMissing without the models."""

    def __init__(self, *, liveness: bool = False) -> None:
        self._detector = FaceDetector()
        self._embedder = FaceEmbedder()
        self._liveness = LivenessCheck() if liveness else None
        self.model_id = self._embedder.model_id

    def read(
        self, picture: Picture, *, sides: Sequence[int] = THOROUGH_SIDES, mirrored: bool = True, steadied: bool = True
    ) -> FaceReading:
        """The nearest face of an RGB picture. `steadied`: known by two alignments, by the landmarks as found and by the mean of
        four looks, which costs twice the time. Raises Invalid when it is no picture."""
        found = self._detector.detect(picture, sides)
        if not found:
            return FaceReading(FaceMeasures(faces=0), self.model_id)
        face = nearest(picture, found)
        upright = aligned(picture, face.landmarks)
        vector = self._embedder.embed(upright, mirrored=mirrored)
        if steadied:
            steady = aligned(picture, self._detector.steadied(picture, face).landmarks)
            vector = fused([vector, self._embedder.embed(steady, mirrored=mirrored)])
        return FaceReading(
            measure(picture, face, upright, len(found)),
            self.model_id,
            face,
            vector,
            self._liveness.judge(picture, face) if self._liveness is not None else None,
        )

    def find(self, frame: Picture) -> list[Face]:
        """Every face of a camera frame, without reading any."""
        return self._detector.detect(frame, LANE_SIDES)

    def read_at_lane(self, frame: Picture, *, mirrored: bool = True) -> FaceReading:
        """The same for a camera frame: one look, not three, as the next frame is soon there. Without `mirrored` it
        takes a quarter less time; frames that are fused make up for most of it."""
        return self.read(frame, sides=LANE_SIDES, mirrored=mirrored, steadied=False)
