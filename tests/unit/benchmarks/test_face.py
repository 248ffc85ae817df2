"""The face bench's own parts, short: what it times, the frame it shows, the photographs it fetches, and OpenCV's word."""

from pathlib import Path

import pytest

from benchmarks.face import FRAME, gallery, lane_frame, measure, random_vectors, timed
from benchmarks.face_photographs import PHOTOGRAPHS, photographs
from orchestrator.measured import Measured
from resort.errors import PartMissing


def test_time_is_per_call() -> None:
    calls: list[int] = []
    cpu_ms, p50_ms = timed(lambda: calls.append(sum(range(20_000))), 0.05)
    assert len(calls) > 3
    assert cpu_ms > 0
    assert p50_ms > 0


def test_a_gallery_of_random_faces_finds_each() -> None:
    filled, vectors = gallery(3, 200), random_vectors(3, 200)
    assert [ranking.holder for ranking in filled.rank(vectors)] == [f"holder-{number}" for number in range(200)]


def test_a_lane_frame_has_the_cameras_size() -> None:
    assert lane_frame(photographs()["one_1"]).shape == (*FRAME, 3)


def test_photographs_are_fetched_once_and_broken_ones_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {photograph.name for photograph in PHOTOGRAPHS}
    assert set(photographs()) == kept
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert set(photographs()) == kept
    with pytest.raises(PartMissing, match="pip could not download it"):
        photographs(tmp_path)


async def test_the_whole_bench_says_what_it_promises() -> None:
    outcome: Measured = await measure(1, 0.05, str)
    figures = outcome.figures
    assert figures["folded_least_cosine"] >= 0.9999
    assert figures["photograph_faces"] == 13
    assert figures["same_person_least_cosine"] > figures["others_most_cosine"] + 0.2
    assert figures["frame_faces_found"] == 1
    assert {"detect_cpu_ms", "embed_cpu_ms", "match_1e3_cpu_ms", "match_1e4_cpu_ms", "match_1e5_cpu_ms"} <= set(figures)
    assert all(
        isinstance(value, float | int) for group in (figures, outcome.limits, outcome.ratios) for value in group.values()
    )
