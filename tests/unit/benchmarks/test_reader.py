"""The reader bench in small: its scenes are what they say, it counts what is so, and it would tell if we fell short."""

import numpy as np
import pytest

from benchmarks.reader import ReaderFellShort, Reads, Score, compare, fell_short
from benchmarks.reader_scenes import CONDITIONS, Condition, empty_frames, presentations
from orchestrator.measured import Measured

SMALL = (640, 480)


def untold(line: str) -> None:
    """Nobody reads the progress of a test."""


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_same_seed_draws_the_same_frames_and_another_one_others(condition: Condition) -> None:
    first, again, other = (presentations(seed, condition, SMALL, 2, 2) for seed in (5, 5, 6))
    for one, same, different in zip(first, again, other, strict=True):
        assert one.text == same.text != different.text
        assert all(np.array_equal(a, b) for a, b in zip(one.frames, same.frames, strict=True))
        assert not np.array_equal(one.frames[0], different.frames[0])
        assert {frame.shape for frame in (*one.before, *one.frames)} == {(480, 640)}


def test_conditions_are_what_they_are_called() -> None:
    shown = {condition: presentations(5, condition, SMALL, 4, 1)[-1] for condition in CONDITIONS}
    frames = {condition: one.frames[0].astype(float) for condition, one in shown.items()}
    steps = {condition: np.abs(np.diff(frame, axis=1)).mean() for condition, frame in frames.items()}
    assert frames["dark"].mean() < frames["clean"].mean() / 3
    assert shown["dark"].before[0].mean() < frames["clean"].mean() / 3
    assert (frames["glare"] == 255).mean() > (frames["clean"] == 255).mean() + 0.002
    assert steps["noisy"] > 3 * steps["clean"] > 3 * steps["blurred"]
    ink = {condition: (frame < 50).sum() for condition, frame in frames.items()}
    assert ink["small"] < ink["clean"] / 2


def test_a_small_run_reads_what_it_should_and_every_number_is_there() -> None:
    measured = compare(3, untold, sizes=[SMALL], guests=3)
    assert measured.figures["wrong_texts"] == 0
    assert measured.figures["clean_480_reader_guests_read_share"] == 1.0
    assert measured.limits["clean_480_zxing_guests_read_share"] == 1.0
    cells = {"empty_480", *(f"{condition}_480" for condition in CONDITIONS)}
    assert {name.removesuffix("_p50_over_zxing") for name in measured.ratios if name.endswith("_p50_over_zxing")} == cells
    assert all(value > 0 for name, value in measured.figures.items() if name.endswith("_frames_per_s"))
    assert measured.ratios["read_over_best_worst"] >= 1


def test_a_wrong_text_and_a_guest_who_is_not_read_count() -> None:
    score = Score()
    score.take("A", empty_frames(1, SMALL, 3), iter_reads([["A"], [], ["B"]]))
    score.take("A", empty_frames(1, SMALL, 1), iter_reads([[]]))
    assert (score.frames_read, score.guests_read, score.wrong, len(score.times_ms)) == (1, 1, 1, 4)


def iter_reads(outcomes: list[list[str]]) -> Reads:
    turn = iter(outcomes)
    return lambda grey: next(turn)


def test_each_broken_promise_is_told() -> None:
    kept = Measured("reader", 1, "", {"wrong_texts": 0}, {}, {"a_p50_over_zxing": 1.5, "a_read_over_best": 1.0})
    assert fell_short(kept) == []
    broken = Measured("reader", 1, "", {"wrong_texts": 2}, {}, {"a_p50_over_zxing": 1.51, "a_read_over_best": 0.99})
    assert len(fell_short(broken)) == 3
    assert "2 wrong texts" in str(ReaderFellShort("; ".join(fell_short(broken))))
