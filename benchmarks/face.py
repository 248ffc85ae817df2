"""`snowgate bench face`: what seeing, knowing and finding a face costs, and whether folding changed the model.

- parts: processor and wall time per call of detection, alignment, embedding (once, and with its mirror image), liveness;
- match: one face among 1,000, 10,000 and 100,000 holders, and three frames fused among the last; limit: one pass over the
  gallery's memory;
- end to end: a 1280 x 720 JPEG frame decoded, read and identified among 100,000, one frame at a time;
- pool: the same through Ray and two inference actors, see `benchmarks/face_pool.py`;
- photographs: likeness of the same person and of others, and the folded embedder against OpenCV's with the original.

Galleries hold random vectors: matching is exact, so it takes the same time as with real ones.
"""

import io
import time
from collections.abc import Callable
from functools import partial
from statistics import fmean

import numpy as np
from PIL import Image

from benchmarks.face_photographs import PHOTOGRAPHS, photographs
from benchmarks.face_pool import pool_figures
from benchmarks.face_reference import folded_cosines
from ml_models.face_alignment import aligned
from ml_models.face_detector import LANE_SIDES, THOROUGH_SIDES, FaceDetector
from ml_models.face_embedder import LENGTH, FaceEmbedder, Vector, cosine, normalised
from ml_models.face_gallery import Gallery
from ml_models.face_liveness import LivenessCheck
from ml_models.face_quality import nearest
from ml_models.face_reader import FaceReader
from ml_models.pictures import Picture, open_picture, scaled
from orchestrator.measured import Measured, machine
from resort.clock import SystemClock
from resort.face_rules import OneToMany
from resort.figures import percentile

FRAME = (720, 1280)
SIZES = (1_000, 10_000, 100_000)
FRAMES = 3  # fused at a walk-up lane
WARM_CALLS = 3
BAR_END_TO_END_MS = 120.0
BAR_MATCH_MS = 10.0


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it, `seconds` for each part. Raises PartMissing."""
    told("fetching the photographs …")
    pictures = photographs()
    frame = lane_frame(pictures["one_1"])
    figures: dict[str, float] = {}
    told("measuring each part …")
    figures |= _parts(frame, seconds)
    told("measuring the search …")
    galleries = {size: gallery(seed, size) for size in SIZES}
    matches, limits = _matches(seed, galleries, seconds)
    figures |= matches
    told("measuring frames end to end …")
    figures |= _end_to_end(frame, galleries[SIZES[-1]], seconds)
    galleries.clear()
    told("measuring the inference pool …")
    pooled, idle = await pool_figures(seed, jpeg(frame), seconds)
    figures |= pooled
    limits |= idle
    told("comparing the photographs, with OpenCV's word on them …")
    figures |= _likeness(pictures)
    ratios = {
        "pool_lane_p50_over_bar": figures["pool_lane_p50_ms"] / BAR_END_TO_END_MS,
        "pool_next_frame_p50_over_bar": figures["pool_next_frame_p50_ms"] / BAR_END_TO_END_MS,
        "pool_rank_1e5_p50_over_bar": figures["pool_rank_1e5_p50_ms"] / BAR_MATCH_MS,
        "end_to_end_p50_over_bar": figures["end_to_end_p50_ms"] / BAR_END_TO_END_MS,
        "match_1e5_p50_over_bar": figures["match_1e5_p50_ms"] / BAR_MATCH_MS,
        "match_1e5_over_memory_pass": figures["match_1e5_p50_ms"] / limits["memory_pass_1e5_p50_ms"],
    }
    return Measured("face", seed, machine(), figures, limits, {name: round(value, 3) for name, value in ratios.items()})


def lane_frame(portrait: Picture) -> Picture:
    """A camera's frame with the person before a plain wall."""
    frame = np.full((*FRAME, 3), 128, np.uint8)
    width = round(portrait.shape[1] * FRAME[0] / portrait.shape[0])
    left = (FRAME[1] - width) // 2
    frame[:, left : left + width] = scaled(portrait, width, FRAME[0])
    return frame


def jpeg(frame: Picture) -> bytes:
    """As a lane's camera sends it."""
    encoded = io.BytesIO()
    Image.fromarray(frame).save(encoded, "JPEG", quality=85)
    return encoded.getvalue()


def gallery(seed: int, size: int) -> Gallery:
    """So many holders with random faces."""
    vectors = random_vectors(seed, size)
    filled = Gallery("random")
    for number, vector in enumerate(vectors):
        filled.add(f"holder-{number}", [vector], "random")
    return filled


def random_vectors(seed: int, size: int) -> list[Vector]:
    """Directions at random."""
    return [normalised(row) for row in np.random.default_rng(seed).standard_normal((size, LENGTH), np.float32)]


def timed(call: Callable[[], object], seconds: float) -> tuple[float, float]:
    """Processor milliseconds per call (all threads) and median wall milliseconds, over `seconds`."""
    clock = SystemClock()
    for _ in range(WARM_CALLS):
        call()
    walls: list[float] = []
    used, began = time.process_time(), clock.now()
    while clock.now().ms_since(began) < seconds * 1000 or not walls:
        before = clock.now()
        call()
        walls.append(clock.now().ms_since(before))
    return (time.process_time() - used) * 1000 / len(walls), percentile(walls, 50)


def _parts(frame: Picture, seconds: float) -> dict[str, float]:
    detector, embedder, liveness = FaceDetector(), FaceEmbedder(), LivenessCheck()
    face = nearest(frame, detector.detect(frame))
    upright = aligned(frame, face.landmarks)
    parts: dict[str, Callable[[], object]] = {
        "detect": lambda: detector.detect(frame, LANE_SIDES),
        "detect_nobody": lambda: detector.detect(np.full_like(frame, 128), LANE_SIDES),
        "detect_640": lambda: detector.detect(frame, (640,)),
        "align": lambda: aligned(frame, face.landmarks),
        "embed": lambda: embedder.embed(upright, mirrored=False),
        "embed_mirrored": lambda: embedder.embed(upright),
        "liveness": lambda: liveness.judge(frame, face),
    }
    figures: dict[str, float] = {}
    for name, call in parts.items():
        figures[f"{name}_cpu_ms"], figures[f"{name}_p50_ms"] = timed(call, seconds)
    return figures


def _matches(seed: int, galleries: dict[int, Gallery], seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    figures: dict[str, float] = {}
    limits: dict[str, float] = {}
    probes = random_vectors(seed + 1, FRAMES)
    for size, filled in galleries.items():
        name = f"match_1e{len(str(size)) - 1}"
        figures[f"{name}_cpu_ms"], figures[f"{name}_p50_ms"] = timed(partial(filled.rank, probes[:1]), seconds)
        figures[f"threshold_1e{len(str(size)) - 1}"] = OneToMany().threshold(size)
    largest = galleries[SIZES[-1]]
    figures["identify_1e5_cpu_ms"], figures["identify_1e5_p50_ms"] = timed(lambda: largest.identify(probes), seconds)
    memory = np.stack(random_vectors(seed, SIZES[-1])).ravel()
    _, limits["memory_pass_1e5_p50_ms"] = timed(lambda: memory.max(), seconds)
    return figures, limits


def _end_to_end(frame: Picture, held: Gallery, seconds: float) -> dict[str, float]:
    """Of one lane: every frame decoded, read with liveness, and the last three identified."""
    reader = FaceReader(liveness=True)
    content = jpeg(frame)
    seen: list[Vector] = []

    def one_frame() -> None:
        reading = reader.read_at_lane(open_picture(content))
        if reading.vector is not None:
            seen.append(reading.vector)
        held.identify(seen[-FRAMES:], reading.measures.faces)

    cpu_ms, p50_ms = timed(one_frame, 2 * seconds)
    return {"end_to_end_cpu_ms": cpu_ms, "end_to_end_p50_ms": p50_ms, "frame_faces_found": float(len(seen) > 0)}


def _likeness(pictures: dict[str, Picture]) -> dict[str, float]:
    """Each face of the photographs against each other, and the folded embedder against the original."""
    detector, embedder = FaceDetector(), FaceEmbedder()
    people: list[str] = []
    faces: list[Picture] = []
    for photograph in PHOTOGRAPHS:
        picture = pictures[photograph.name]
        for number, face in enumerate(detector.detect(picture, THOROUGH_SIDES)):
            people.append(photograph.person or f"{photograph.name} {number}")
            faces.append(aligned(picture, face.landmarks))
    vectors = [embedder.embed(face) for face in faces]
    pairs = [(first, second) for first in range(len(faces)) for second in range(first)]
    same = [cosine(vectors[first], vectors[second]) for first, second in pairs if people[first] == people[second]]
    others = [cosine(vectors[first], vectors[second]) for first, second in pairs if people[first] != people[second]]
    cosines = folded_cosines(embedder, faces)
    return {
        "photograph_faces": len(faces),
        "same_person_least_cosine": min(same),
        "same_person_mean_cosine": fmean(same),
        "others_most_cosine": max(others),
        "others_mean_cosine": fmean(others),
        "folded_least_cosine": min(cosines),
    }
