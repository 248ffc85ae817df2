"""`snowgate face compare`, `pairs` and `identify`: face recognition judged from outside, on anybody's pictures.

For measuring, not for admitting: nobody is enrolled, nothing is stored, no vector is shown. What the figures mean is in
docs/faces.md.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ml_models.face_embedder import cosine
from ml_models.face_reader import FaceReader, FaceReading
from ml_models.pictures import open_picture
from orchestrator.face_trial import TrialFace, TrialReader, content_of, enrolled, identify, in_groups, pair_figures
from orchestrator.face_trial_files import load_pairs, load_people
from orchestrator.measured import Measured, machine
from orchestrator.options import JsonOption
from orchestrator.run import say
from resort.clock import SystemClock
from resort.errors import Invalid, SnowgateError
from resort.face_quality import ENROLMENT, advice
from resort.face_rules import NOBODY, FaceVerdict, OneToMany, OneToOne

WRONG = 2  # exit code: what was asked for makes no sense

ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=64, help="Pictures read at once; all cores without it.")]
CORES = len(os.sched_getaffinity(0))


def face_compare(
    one: Annotated[Path, typer.Argument(help="A JPEG, PNG or WebP picture.")],
    other: Annotated[Path, typer.Argument(help="Another one.")],
    json_file: JsonOption = None,
) -> None:
    """Compare the faces of two pictures. Exit 0: one person, by the rule that lanes use; 1: not, or not surely."""
    with _in_one_sentence():
        reader = FaceReader(liveness=True)
        readings = [reader.read(open_picture(content_of(file))) for file in (one, other)]
        for file, reading in zip((one, other), readings, strict=True):
            _show(file, reading)
        first, second = (reading.vector for reading in readings)
        likeness = NOBODY if first is None or second is None else cosine(first, second)
        # As the lane counts them: the most faces of any picture, and a picture without one is nobody.
        faces = [reading.measures.faces for reading in readings]
        rule = OneToOne()
        decision = rule.decide(likeness, max(faces) if min(faces) > 0 else 0)
        alone = rule.decide(likeness, min(1, *faces))
        say(f"likeness {likeness:.4f}; a lane passes from {decision.threshold:.3f}" if min(faces) else "no likeness")
        said = decision.explanation
        say(f"verdict: {decision.verdict} ({decision.reason}) {said.zh} · {said.en}")
        if max(faces) > 1 and min(faces) > 0:
            say(f"verdict of the nearest faces alone: {alone.verdict} ({alone.reason})")
        figures = {"likeness": likeness, "threshold": decision.threshold, "passes": float(alone.verdict is FaceVerdict.PASS)}
        for name, reading in zip(("one", "other"), readings, strict=True):
            figures[f"{name}_faces"] = reading.measures.faces
            if reading.liveness is not None:
                figures[f"{name}_liveness_advisory"] = reading.liveness.score
        if json_file is not None:
            Measured("face_compare", 0, machine(), figures, {}, {}).write(json_file)
    raise typer.Exit(0 if alone.verdict is FaceVerdict.PASS else 1)


def face_pairs(
    file: Annotated[Path, typer.Argument(help="Lines of `picture, picture, 0 or 1`, or LFW's pairs.txt.")],
    root: Annotated[Path | None, typer.Option("--root", help="Where the pictures are; else beside the list.")] = None,
    threads: ThreadsOption = CORES,
    json_file: JsonOption = None,
) -> None:
    """Compare listed pairs and say how many are told rightly: by ten folds, and at the thresholds that lanes use."""
    with _in_one_sentence():
        pairs = load_pairs(file, root if root is not None else file.parent)
        pictures = [picture for pair in pairs for picture in (pair.one, pair.other)]
        faces, speed = _read(TrialReader(threads), pictures, "pictures")
        figures = pair_figures(pairs, faces, OneToOne()) | speed
    _tell("face_pairs", figures, json_file)


def face_identify(
    gallery: Annotated[Path, typer.Option("--gallery", help="A folder with a folder of pictures for each holder.")],
    probes: Annotated[Path, typer.Option("--probes", help="Likewise, those who walk up; not in the gallery: strangers.")],
    as_lane: Annotated[bool, typer.Option("--as-lane", help="Read probes with one look, as a lane reads frames.")] = False,
    threads: ThreadsOption = CORES,
    json_file: JsonOption = None,
) -> None:
    """Identify people among holders, three pictures each, by the rules and defaults of a lane."""
    with _in_one_sentence():
        holders, comers, rule = load_people(gallery), load_people(probes), OneToMany()
        known, _ = _read(TrialReader(threads), (file for files in holders.values() for file in files), "gallery")
        held = enrolled(holders, known)
        groups = in_groups(comers, rule.frames)
        if not groups:
            raise Invalid("--probes", f"nobody has the {rule.frames} pictures that a decision needs")
        frames = [frame for _, group in groups for frame in group]
        faces, speed = _read(TrialReader(threads, as_lane=as_lane), frames, "probes")
        nearest = identify(groups, faces, held, rule, second_counts=False)
        strict = identify(groups, faces, held, rule, second_counts=True)
        figures: dict[str, float] = {
            "gallery_people": len(held),
            "gallery_people_without_a_face": len(holders) - len(held),
            "gallery_pictures_that_enrolment_would_send_back": sum(not face.fit_to_enrol for face in known.values()),
            "probes_of_holders": nearest.holders,
            "probes_of_strangers": nearest.strangers,
            "probe_pictures_without_a_fit_face": sum(not face.fit_to_pass for face in faces.values()),
            "threshold": rule.threshold(len(held)),
        }
        figures |= nearest.figures("nearest_face") | strict.figures("second_face_refuses") | speed
    _tell("face_identify", figures, json_file)


def _show(file: Path, reading: FaceReading) -> None:
    measures = reading.measures
    live = "" if reading.liveness is None else f"; liveness {reading.liveness.score:.2f} (a hint only, decides nothing)"
    say(f"{file.name}: {measures.faces} faces, the nearest {measures.side_px:.0f} pixels wide{live}")
    for text in advice(reading.faults(ENROLMENT)):
        say(f"  {text.zh} · {text.en}")


def _read(reader: TrialReader, pictures: Iterable[Path], what: str) -> tuple[dict[Path, TrialFace], dict[str, float]]:
    """Every picture's face, and how fast that went. A bar tells the progress where somebody looks on."""
    once = list(dict.fromkeys(pictures))
    clock = SystemClock()
    began = clock.now()
    with typer.progressbar(reader.read(once), length=len(once), label=what, file=sys.stderr) as told:
        faces = dict(told)
    if all(face.unread for face in faces.values()):
        raise Invalid(what, f"none of the {len(faces)} pictures can be read, such as {once[0]}")
    seconds = max(1e-9, clock.now().ms_since(began) / 1000)
    return faces, {"seconds": seconds, "pictures_per_s": len(once) / seconds}


def _tell(name: str, figures: dict[str, float], json_file: Path | None) -> None:
    for figure, value in figures.items():
        say(f"  {figure:48} {value:.6g}")
    if json_file is not None:
        Measured(name, 0, machine(), figures, {}, {}).write(json_file)


@contextmanager
def _in_one_sentence() -> Iterator[None]:
    """What makes no sense is one sentence and exit 2; what is missing here, exit 1."""
    try:
        yield
    except Invalid as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(WRONG) from None
    except SnowgateError as error:
        print(f"snowgate: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
