"""`snowgate bench liveness`: what the liveness networks, 1:1 and the quality limits make of pictures that are held up, by kind.

Every kind is drawn from the test photographs (`benchmarks/attack_scenes.py`), so this is no measurement of real prints, screens
or masks, and no figure here is a promise. `bare` is the photograph itself with a camera's noise, taken for somebody present:
what is told apart is "drawn as held up" from "not so drawn". For each kind, over all faces and frames:

- `score_mean`, `score_p10`, `score_p90`: of the networks' opinion, 0 to 1, 1 = live;
- `hinted_share`: below `HINT`; of `bare` these are false alarms;
- `auc`: how often a bare face scores higher than one of this kind; 0.5 is chance;
- `not_compared_share`: no face found, or not good enough for a passage;
- `passes_1to1_share`: 1:1 would admit it for the ticket of the person shown. Nothing of liveness decides that.
"""

import asyncio
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from PIL import Image

from benchmarks.attack_scenes import KINDS, grained
from benchmarks.face_photographs import photographs
from ml_models.face_detector import THOROUGH_SIDES, FaceDetector
from ml_models.face_embedder import Vector, cosine
from ml_models.face_reader import FaceReader, FaceReading
from ml_models.pictures import Picture, open_picture
from ml_models.portrait import portrait
from orchestrator.measured import Measured, machine
from resort.face_quality import PASSAGE, FaceFault
from resort.face_rules import FaceVerdict, OneToOne
from resort.figures import percentile

PORTRAITS = ("one_1", "one_2", "one_3", "two", "three")
GROUP = "six"
FRAMES = 4  # of each face and kind
HINT = 0.5
BARE_PX = 900  # the longer side of a bare photograph


@dataclass(frozen=True, slots=True)
class Subject:
    """A face: the picture that is held up, and by which vector its holder is enrolled."""

    picture: Picture
    enrolled: Vector


@dataclass(slots=True)
class Outcome:
    """What became of one kind's frames."""

    scores: list[float] = field(default_factory=list)
    frames: int = 0
    not_compared: int = 0
    passed: int = 0

    def take(self, reading: FaceReading, subject: Subject) -> None:
        """One frame."""
        self.frames += 1
        if reading.liveness is not None:
            self.scores.append(reading.liveness.score)
        if reading.vector is None or set(reading.faults(PASSAGE)) - {FaceFault.SEVERAL}:
            self.not_compared += 1
            return
        decision = OneToOne().decide(cosine(reading.vector, subject.enrolled), reading.measures.faces)
        self.passed += decision.verdict is FaceVerdict.PASS


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it; `seconds` is not used, as it is about a number of frames. Raises PartMissing."""
    return await asyncio.to_thread(compare, seed, told)


def compare(seed: int, told: Callable[[str], None], frames: int = FRAMES, most: int | None = None) -> Measured:
    """Every kind with `frames` of each face, of at most so many faces. Raises PartMissing."""
    reader = FaceReader(liveness=True)
    subjects = _subjects(reader)[:most]
    outcomes = {"bare": _bare(reader, subjects, seed, frames)}
    for kind, drawn in KINDS.items():
        told(f"{kind.replace('_', ' ')} …")
        outcome = outcomes[kind] = Outcome()
        for index, subject in enumerate(subjects):
            for number in range(frames):
                dice = random.Random(f"{seed} {kind} {index} {number}")  # noqa: S311 - how something is held
                outcome.take(reader.read_at_lane(_filmed(drawn(subject.picture, dice))), subject)
    figures = {"faces": float(len(subjects)), "frames_each": float(frames)}
    for kind, outcome in outcomes.items():
        figures |= {f"{kind}_{name}": round(value, 4) for name, value in _figures(outcome, outcomes["bare"]).items()}
    return Measured("liveness", seed, machine(), figures, {"hint": HINT, "chance_auc": 0.5}, {})


def _figures(outcome: Outcome, bare: Outcome) -> dict[str, float]:
    scores = outcome.scores
    figures = {
        "score_mean": fmean(scores) if scores else 0.0,
        "score_p10": percentile(scores, 10),
        "score_p90": percentile(scores, 90),
        "hinted_share": sum(score < HINT for score in scores) / max(1, len(scores)),
        "not_compared_share": outcome.not_compared / outcome.frames,
        "passes_1to1_share": outcome.passed / outcome.frames,
    }
    return figures if outcome is bare else figures | {"auc": auc(bare.scores, scores)}


def auc(live: Sequence[float], held: Sequence[float]) -> float:
    """How often one of `live` is above one of `held`; a tie counts half. 0.5 where either is empty."""
    if not live or not held:
        return 0.5
    difference = np.subtract.outer(np.asarray(live), np.asarray(held))
    return float(((difference > 0) + (difference == 0) / 2).mean())


def _subjects(reader: FaceReader) -> list[Subject]:
    """The portraits, and the faces of the group cut out of it."""
    pictures, detector = photographs(), FaceDetector()
    group = pictures[GROUP]
    shown = [pictures[name] for name in PORTRAITS]
    shown += [open_picture(portrait(group, face)) for face in detector.detect(group, THOROUGH_SIDES)]
    subjects = []
    for picture in shown:
        vector = reader.read(picture).vector
        assert vector is not None, "every one of these photographs shows a face"
        subjects.append(Subject(picture, vector))
    return subjects


def _bare(reader: FaceReader, subjects: Sequence[Subject], seed: int, frames: int) -> Outcome:
    outcome = Outcome()
    for index, subject in enumerate(subjects):
        image = Image.fromarray(subject.picture)
        image.thumbnail((BARE_PX, BARE_PX))
        picture = np.asarray(image)
        for number in range(frames):
            dice = random.Random(f"{seed} bare {index} {number}")  # noqa: S311 - noise
            outcome.take(reader.read_at_lane(_filmed(grained(picture, dice))), subject)
    return outcome


def _filmed(picture: Picture) -> Picture:
    """As a camera's JPEG."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=85)
    return open_picture(content.getvalue())
