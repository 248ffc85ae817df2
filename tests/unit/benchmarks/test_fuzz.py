"""The fuzz bench in small: what it counts, that it finds nothing today, and that it would find something."""

from collections.abc import Awaitable

import pytest

from benchmarks.fuzz import FuzzFound, fuzz, run
from benchmarks.fuzz_codes import CodeFuzz
from benchmarks.fuzz_frames import FrameFuzz, RtuFuzz
from benchmarks.fuzz_report import Verdict
from benchmarks.fuzz_streams import STREAMS
from resort.clock import SystemClock


def untold(line: str) -> None:
    """Nobody reads the progress of a test."""


async def test_some_thousands_of_codes_and_frames_crash_nothing_and_admit_nobody() -> None:
    measured = await fuzz(3, untold, share=0.006)
    assert measured.figures["inputs"] == 6_000
    assert (measured.figures["crashes"], measured.figures["grants"], measured.figures["genuine_refused"]) == (0, 0, 0)
    assert measured.figures["control_grants"] > 0


def test_the_same_seed_draws_the_same_codes() -> None:
    first, second, other = CodeFuzz(5), CodeFuzz(5), CodeFuzz(6)
    drawn = []
    for target in (first, second, other):
        shown = []
        for _ in range(50):
            target.try_one()
            shown.append(target.shown)
        drawn.append(shown)
    assert drawn[0] == drawn[1] != drawn[2]


def test_codes_are_of_every_kind() -> None:
    """A fuzzer whose inputs all fail at the first check would test that check only."""
    target = CodeFuzz(1)
    verdicts = [target.try_one() for _ in range(3_000)]
    assert 50 < verdicts.count("genuine") < 1_000
    assert set(verdicts) == {"genuine", "refused"}


@pytest.mark.parametrize("kind", [FrameFuzz, RtuFuzz])
async def test_frames_are_of_every_kind(kind: type[FrameFuzz]) -> None:
    target = kind(1)
    verdicts = [await target.try_one() for _ in range(2_000)]
    target.close()
    assert 100 < verdicts.count("genuine") < 1_000
    assert set(verdicts) == {"genuine", "refused"}


class Scripted:
    """A target that answers what it was told; "crash" raises."""

    name = "scripted"
    shown = "an input"

    def __init__(self, *verdicts: Verdict) -> None:
        self._verdicts = list(verdicts)

    def try_one(self) -> Verdict | Awaitable[Verdict]:
        """The next verdict."""
        if not self._verdicts:
            raise IndexError("beyond the end")
        return self._verdicts.pop(0)


async def test_verdicts_and_crashes_are_counted_and_shown() -> None:
    lines: list[str] = []
    tally = await run(Scripted("refused", "genuine", "lost", "grant"), 6, SystemClock(), lines.append)
    assert (tally.inputs, tally.genuine, tally.lost, tally.grants, tally.crashes) == (6, 1, 1, 1, 2)
    assert tally.evidence[:2] == ["scripted: lost on an input", "scripted: grant on an input"]
    assert tally.evidence[2] == "scripted: IndexError beyond the end on an input"
    assert lines[-1].endswith("2 crashes, 1 grants")


async def test_a_find_is_told_and_fails_the_bench() -> None:
    lines: list[str] = []
    with pytest.raises(FuzzFound, match="99 crashes, 1 grants"):
        await fuzz(1, lines.append, share=0.001, streams=((lambda _seed: Scripted("grant"), 1),))
    assert "! scripted: grant on an input" in lines


@pytest.mark.parametrize("make", [make for make, _ in STREAMS])
async def test_other_parsers_survive_what_comes(make: type) -> None:
    tally = await run(make(11), 150, SystemClock(), untold)
    assert (tally.inputs, tally.crashes, tally.grants) == (150, 0, 0)
    assert tally.genuine or tally.name == "pictures"
