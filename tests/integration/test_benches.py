"""The benches run to their ends and tell everything they promise. How fast lanes are, no test can say.

Each runs in a process of its own, as a process can start Ray only once.
"""

import asyncio
import math
import signal
import sys
from pathlib import Path

import msgspec

from benchmarks.gate import PARTS
from orchestrator.measured import Measured

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240.0
RUN = """
import asyncio, sys
from pathlib import Path
from benchmarks import {name}

asyncio.run({name}.measure(1, 0.5, print)).write(Path(sys.argv[1]))
"""


async def _measured(name: str, outcome: Path, module: str = "") -> Measured:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RUN.format(name=module or name),
        str(outcome),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)  # it closes what it started
            await process.wait()
    assert process.returncode == 0, said.decode(errors="replace")
    return _checked(name, outcome)


def _checked(name: str, outcome: Path) -> Measured:
    measured = msgspec.json.decode(outcome.read_bytes(), type=Measured)
    assert measured.name == name
    for group in (measured.figures, measured.limits, measured.ratios):
        for figure, value in group.items():
            assert math.isfinite(value), figure
            assert value >= 0, figure
    return measured


async def test_the_gate_bench_measures_lanes_limits_arrivals_and_the_cycle(tmp_path: Path) -> None:
    measured = await _measured("gate", tmp_path / "gate.json")
    assert set(measured.ratios) == {
        "scans_over_redis_awaited",
        "scans_over_redis_pipelined",
        "scans_over_ray_calls",
        "cycle_cpu_over_parts",
        "ten_cycle_cpu_over_parts",
    }
    assert all(ratio > 0 for ratio in measured.ratios.values())
    assert {f"{name}_cpu_us" for name in PARTS} <= set(measured.limits)
    assert measured.figures["passages"] > 0
    assert measured.figures["decision_p99_ms"] >= measured.figures["decision_p50_ms"] > 0


async def test_the_open_bench_follows_guests_from_code_or_face_to_the_free_arm(tmp_path: Path) -> None:
    measured = await _measured("open", tmp_path / "open.json", "scan_to_open")
    figures = measured.figures
    assert (figures["lanes"], figures["gave_up"]) == (4, 0)
    assert figures["guests"] >= 4
    assert figures["open_p99_ms"] >= figures["open_p50_ms"] > measured.limits["pulse_ms"] > 0
    for name in ("one_to_one", "face_alone"):
        assert figures[f"{name}_guests"] + figures[f"{name}_gave_up"] >= 4  # on a busy machine nobody may be known in time
        assert figures[f"{name}_open_p99_ms"] >= figures[f"{name}_open_p95_ms"] >= figures[f"{name}_open_p50_ms"]
        assert (figures[f"{name}_open_p50_ms"] > 0) == (figures[f"{name}_guests"] > 0)
        assert figures[f"{name}_frames_received"] > figures[f"{name}_frames_dropped"]
    assert figures["frame_p99_ms"] >= figures["frame_p50_ms"] > 0 < measured.limits["decode_p50_ms"]
    bars = {f"{name}open_p99_over_bar" for name in ("", "one_to_one_", "face_alone_")}
    assert set(measured.ratios) == {*bars, "lane_open_p50_over_parts"}


async def test_the_soak_says_how_much_lanes_grow(tmp_path: Path) -> None:
    measured = await _measured("soak", tmp_path / "soak.json")
    assert measured.figures["scans"] > 0
    assert measured.figures["lane_start_mb"] > 0
    assert measured.ratios["lane_memory_end_over_start"] > 0


async def test_the_face_bench_tells_parts_search_pool_and_likeness(tmp_path: Path) -> None:
    measured = await _measured("face", tmp_path / "face.json")
    figures = measured.figures
    assert figures["folded_least_cosine"] >= 0.9999
    assert figures["photograph_faces"] == 13
    assert figures["same_person_least_cosine"] > figures["others_most_cosine"] + 0.2
    assert figures["frame_faces_found"] == figures["pool_holder_found"] == 1
    parts = {"detect", "embed", "match_1e3", "match_1e4", "match_1e5"}
    assert {f"{name}_cpu_ms" for name in parts} <= set(figures)
    assert {"pool_lane_p50_over_bar", "pool_next_frame_p50_over_bar", "pool_rank_1e5_p50_over_bar"} <= set(measured.ratios)


async def test_the_rebuild_bench_says_how_long_an_empty_ledger_takes(tmp_path: Path) -> None:
    measured = await _measured("rebuild", tmp_path / "rebuild.json")
    assert measured.figures["tickets"] == 5_000
    assert measured.figures["rebuilt_s"] > 0
    assert measured.ratios["rebuilt_over_bare"] > 0
