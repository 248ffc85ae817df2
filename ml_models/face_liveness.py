"""Is this a face or a picture of one? Two MiniFASNets' opinion: advisory only, never a reason to admit or to refuse.

On print attacks the pair's AUC is 0.88 (figure of issue 4; here it is measured on no attack), so about one in five is judged
wrongly at any threshold. It sees neither masks nor good screens reliably. What it says may send staff a hint.
"""

from dataclasses import dataclass

import numpy as np

from ml_models.face_detector import Face
from ml_models.pictures import Matrix, Picture, warped
from ml_models.session import Session, Tensor

SIDE = 80
LIVE = 1  # of the three classes
CROPS = (("minifasnet-v2", 2.7), ("minifasnet-v1se", 4.0))  # model, and how many times the face's box it looks at


@dataclass(frozen=True, slots=True)
class Liveness:
    """The mean of two opinions, 0..1, 1 = live; and the models that gave them."""

    score: float
    model_ids: tuple[str, ...]


class LivenessCheck:
    """Both networks, each in a session of its own. Raises PartMissing without their models."""

    def __init__(self) -> None:
        self._opinions = [(Session(name), times) for name, times in CROPS]
        self.model_ids = tuple(session.model_id for session, _ in self._opinions)

    def judge(self, picture: Picture, face: Face) -> Liveness:
        """What the two say of a face in its picture, surroundings included."""
        scores = [
            float(session.run(prepared(picture, face, times))["probability"][0, LIVE]) for session, times in self._opinions
        ]
        return Liveness(sum(scores) / len(scores), self.model_ids)


def surroundings(picture: Picture, face: Face, times: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (inclusive) of the face's box made `times` as large about its centre, moved and shrunk to
    fit into the picture, as the networks were trained on."""
    height, width = picture.shape[:2]
    times = min((height - 1) / face.height, (width - 1) / face.width, times)
    across, down = face.width * times, face.height * times
    x, y = face.centre
    left = min(max(0.0, x - across / 2), width - 1 - across)
    top = min(max(0.0, y - down / 2), height - 1 - down)
    return int(left), int(top), int(left + across), int(top + down)


def prepared(picture: Picture, face: Face, times: float) -> Tensor:
    """A network's input: [1, 3, 80, 80] BGR 0..255. Sampled without averaging, as in training."""
    left, top, right, bottom = surroundings(picture, face, times)
    part = picture[max(0, top) : bottom + 1, max(0, left) : right + 1]
    across, down = SIDE / part.shape[1], SIDE / part.shape[0]
    matrix: Matrix = np.array([[across, 0.0, (across - 1) / 2], [0.0, down, (down - 1) / 2]])
    small = warped(part, matrix, SIDE, SIDE, average=False)
    return np.ascontiguousarray(small[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32))
