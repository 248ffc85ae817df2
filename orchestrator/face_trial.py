"""Face recognition tried on pictures that come from outside: each picture read once, pairs compared, people identified.

By the very parts that inference actors use (`ml_models/face_reader.py`, `ml_models/face_gallery.py`,
`resort/face_rules.py`), in this process and without Ray. Nothing of a face is kept or told: only counts and likenesses leave.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ml_models.face_embedder import Vector, cosine
from ml_models.face_gallery import Gallery
from ml_models.face_reader import FaceReader
from ml_models.face_scores import PairScores
from ml_models.pictures import open_picture
from orchestrator.face_trial_files import Pair
from resort.errors import Invalid
from resort.face_quality import ENROLMENT, PASSAGE, FaceFault
from resort.face_rules import CURVE, NOBODY, FaceReason, FaceVerdict, OneToMany, OneToOne

MOST_BYTES = 32 * 1024 * 1024
FAR_RATES = (1e-3, 1e-4)
TRIAL = "trial"  # the gallery's model: all vectors are made here, by one


@dataclass(frozen=True, slots=True)
class TrialFace:
    """What one picture showed. Without a vector, `unread` says whether the file was none or no face was in it."""

    faces: int = 0
    vector: Vector | None = field(default=None, repr=False)
    fit_to_enrol: bool = False
    fit_to_pass: bool = False
    unread: bool = False  # the file is no picture


class TrialReader:
    """Reads pictures in several threads, each with a reader of its own (45 MB). Raises PartMissing without the models."""

    def __init__(self, threads: int, *, as_lane: bool = False) -> None:
        """`as_lane`: one look a picture, as a lane takes at a camera frame, and not all of those that photographs have."""
        self._threads = max(1, threads)
        self._as_lane = as_lane
        self._own = threading.local()

    def read(self, pictures: Iterable[Path]) -> Iterator[tuple[Path, TrialFace]]:
        """Each picture once, in its order, as it is read."""
        once = list(dict.fromkeys(pictures))
        with ThreadPoolExecutor(self._threads, "face trial", self._prepare) as pool:
            yield from zip(once, pool.map(self._face, once), strict=True)

    def _prepare(self) -> None:
        self._own.reader = FaceReader()

    def _face(self, file: Path) -> TrialFace:
        reader: FaceReader = self._own.reader
        try:
            picture = open_picture(content_of(file))
        except Invalid:
            return TrialFace(unread=True)
        reading = reader.read_at_lane(picture) if self._as_lane else reader.read(picture)
        several = {FaceFault.SEVERAL}
        return TrialFace(
            reading.measures.faces,
            reading.vector,
            fit_to_enrol=not set(reading.faults(ENROLMENT)) - several,
            fit_to_pass=not set(reading.faults(PASSAGE)) - several,
        )


def content_of(file: Path) -> bytes:
    """A picture's bytes. Raises Invalid for what cannot be read or is too large."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise Invalid("picture", f"{file.name!a} is larger than {MOST_BYTES // 1024 // 1024} MiB")
        return file.read_bytes()
    except OSError as error:
        raise Invalid("picture", f"{file.name!a} cannot be read ({error.strerror})") from None


def pair_figures(pairs: Sequence[Pair], faces: Mapping[Path, TrialFace], rule: OneToOne) -> dict[str, float]:
    """A pair whose pictures do not both show a face counts as two people, whatever it is. Raises Invalid."""
    likenesses = [_likeness(faces[pair.one], faces[pair.other]) for pair in pairs]
    scores = PairScores(likenesses, [pair.same for pair in pairs])
    accuracy, deviation, threshold = scores.ten_fold()
    figures: dict[str, float] = {
        "pairs": len(pairs),
        "pairs_of_one_person": sum(pair.same for pair in pairs),
        "pictures": len(faces),
        "pictures_without_a_face": sum(face.vector is None and not face.unread for face in faces.values()),
        "pictures_unreadable": sum(face.unread for face in faces.values()),
        "pictures_with_several_faces": sum(face.faces > 1 for face in faces.values()),
        "accuracy_ten_fold": accuracy,
        "accuracy_ten_fold_deviation": deviation,
        "threshold_ten_fold": threshold,
    }
    for name, rate in (("pass", rule.pass_rate), ("look", rule.look_rate)):
        shipped = CURVE.threshold(rate)
        figures[f"threshold_{name}"] = shipped
        figures[f"accuracy_at_{name}"] = scores.accuracy(shipped)
        figures[f"true_accepts_at_{name}"] = scores.true_accepts(shipped)
        figures[f"false_accepts_at_{name}"] = scores.false_accepts(shipped)
    for rate in FAR_RATES:
        there = scores.threshold_at(rate)
        figures[f"true_accepts_at_far_{rate:.0e}"] = scores.true_accepts(there)
        figures[f"threshold_at_far_{rate:.0e}"] = there
    return figures


def enrolled(people: Mapping[str, Sequence[Path]], faces: Mapping[Path, TrialFace]) -> Gallery:
    """Everybody of whom at least one picture shows a face, by all such pictures."""
    gallery = Gallery(TRIAL)
    for name, pictures in people.items():
        vectors = [face.vector for picture in pictures if (face := faces[picture]).vector is not None]
        if vectors:
            gallery.add(name, vectors, TRIAL)
    return gallery


def in_groups(people: Mapping[str, Sequence[Path]], frames: int) -> list[tuple[str, tuple[Path, ...]]]:
    """Each person's pictures as groups of so many frames, in their order; a rest that is too small for one is left out."""
    return [
        (name, tuple(pictures[first : first + frames]))
        for name, pictures in people.items()
        for first in range(0, len(pictures) - frames + 1, frames)
    ]


@dataclass(slots=True)
class Identified:
    """What became of the groups of frames. Of a holder: right, taken for another, or refused; a stranger passed or not."""

    holders: int = 0
    right: int = 0
    wrong: int = 0
    strangers: int = 0
    strangers_passed: int = 0
    refused: dict[FaceReason, int] = field(default_factory=dict)  # holders only, by reason

    def figures(self, name: str) -> dict[str, float]:
        """As numbers under `name`; shares are of holders and of strangers."""
        shares = {
            f"{name}_right_share": self.right / max(1, self.holders),
            f"{name}_wrong_share": self.wrong / max(1, self.holders),
            f"{name}_refused_share": sum(self.refused.values()) / max(1, self.holders),
            f"{name}_strangers_passed_share": self.strangers_passed / max(1, self.strangers),
            f"{name}_wrong": self.wrong,
            f"{name}_strangers_passed": self.strangers_passed,
        }
        return shares | {f"{name}_refused_{reason}": count for reason, count in self.refused.items()}


def identify(
    groups: Iterable[tuple[str, Sequence[Path]]],
    faces: Mapping[Path, TrialFace],
    gallery: Gallery,
    rule: OneToMany,
    *,
    second_counts: bool,
) -> Identified:
    """Decide about each group as a lane would. Without `second_counts` only the nearest face of a frame is there, as if the
    frame had been cut to it: many public photographs show somebody behind."""
    outcome = Identified()
    for name, frames in groups:
        seen = [faces[frame] for frame in frames]
        vectors = [face.vector for face in seen if face.fit_to_pass and face.vector is not None]
        most = max((face.faces for face in seen if face.fit_to_pass or face.faces > 1), default=0)
        decision = gallery.identify(vectors, most if second_counts else min(1, most), rule)
        passed = decision.verdict is FaceVerdict.PASS
        if name not in gallery:
            outcome.strangers += 1
            outcome.strangers_passed += passed
            continue
        outcome.holders += 1
        if not passed:
            outcome.refused[decision.reason] = outcome.refused.get(decision.reason, 0) + 1
        elif decision.holder == name:
            outcome.right += 1
        else:
            outcome.wrong += 1
    return outcome


def _likeness(one: TrialFace, other: TrialFace) -> float:
    return NOBODY if one.vector is None or other.vector is None else cosine(one.vector, other.vector)
