"""Thresholds from rates and back, and every verdict of 1:1 and 1:N."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resort.errors import Invalid
from resort.face_rules import (
    CURVE,
    FACE_EXPLANATIONS,
    NOBODY,
    FaceReason,
    FaceVerdict,
    OneToMany,
    OneToOne,
    Ranking,
    merged,
)

SURE = Ranking("h", 0.8, 0.3)


def test_the_curve_goes_through_what_was_measured() -> None:
    assert CURVE.threshold(1e-3) == pytest.approx(0.367, abs=0.001)
    assert CURVE.threshold(1e-4) == pytest.approx(0.430, abs=0.001)
    assert 0.014 < CURVE.stranger_rate(0.5, 4340) < 0.025  # 1.4 % were measured: it errs on the side of refusing


@given(st.floats(1e-12, 0.5))
def test_a_rate_and_its_threshold_belong_together(rate: float) -> None:
    assert CURVE.false_accept_rate(CURVE.threshold(rate)) == pytest.approx(rate, rel=1e-6)


@given(st.integers(1, 1_000_000), st.floats(1e-6, 0.1))
def test_the_stated_rate_is_that_of_all_holders_together(holders: int, rate: float) -> None:
    threshold = CURVE.threshold_among(holders, rate)
    assert CURVE.stranger_rate(threshold, holders) == pytest.approx(rate, rel=1e-3)


def test_more_holders_need_more_likeness() -> None:
    thresholds = [OneToMany().threshold(holders) for holders in (0, 1, 10, 1_000, 4_000, 10_000, 100_000)]
    assert thresholds == sorted(thresholds)
    assert thresholds[3:] == [pytest.approx(value, abs=0.001) for value in (0.534, 0.561, 0.578, 0.620)]
    assert thresholds[0] == CURVE.threshold(1e-3)


@pytest.mark.parametrize("rate", [0.0, -1.0, 0.6, math.nan])
def test_rates_that_make_no_sense_are_refused(rate: float) -> None:
    with pytest.raises(Invalid):
        CURVE.threshold(rate)


@pytest.mark.parametrize(("holders", "rate"), [(0, 0.001), (10, 0.0), (10, 1.0), (10, math.nan)])
def test_rates_among_holders_that_make_no_sense_are_refused(holders: int, rate: float) -> None:
    with pytest.raises(Invalid):
        CURVE.threshold_among(holders, rate)


@pytest.mark.parametrize(
    ("score", "faces", "verdict", "reason"),
    [
        (0.44, 1, FaceVerdict.PASS, FaceReason.MATCH),
        (0.42, 1, FaceVerdict.LOOK, FaceReason.UNSURE),
        (0.30, 1, FaceVerdict.LOOK, FaceReason.UNSURE),
        (0.28, 1, FaceVerdict.REFUSE, FaceReason.OTHER_PERSON),
        (NOBODY, 1, FaceVerdict.REFUSE, FaceReason.OTHER_PERSON),
        (math.nan, 1, FaceVerdict.REFUSE, FaceReason.OTHER_PERSON),
        (0.99, 2, FaceVerdict.LOOK, FaceReason.SECOND_FACE),
        (0.99, 0, FaceVerdict.LOOK, FaceReason.NO_FACE),
    ],
)
def test_one_to_one(score: float, faces: int, verdict: FaceVerdict, reason: FaceReason) -> None:
    decision = OneToOne().decide(score, faces)
    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert decision.explanation is FACE_EXPLANATIONS[reason]


@pytest.mark.parametrize(
    ("whole", "frames", "faces", "reason"),
    [
        (SURE, [SURE, SURE, SURE], 1, FaceReason.MATCH),
        (SURE, [SURE, SURE, Ranking("other", 0.9, 0.3)], 1, FaceReason.MATCH),
        (SURE, [SURE, Ranking("h", 0.36, 0.3), Ranking("other", 0.9, 0.3)], 1, FaceReason.FRAMES_DISAGREE),
        (SURE, [SURE, SURE], 1, FaceReason.TOO_FEW_FRAMES),
        (SURE, [SURE, SURE, SURE], 2, FaceReason.SECOND_FACE),
        (SURE, [SURE, SURE, SURE], 0, FaceReason.NO_FACE),
        (Ranking("h", 0.8, 0.76), [SURE, SURE, SURE], 1, FaceReason.LOOKALIKE),
        (Ranking("h", 0.55, 0.3), [SURE, SURE, SURE], 1, FaceReason.UNKNOWN),
        (Ranking("h", math.nan, 0.3), [SURE, SURE, SURE], 1, FaceReason.UNKNOWN),
        (Ranking(), [Ranking(), Ranking(), Ranking()], 1, FaceReason.UNKNOWN),
    ],
)
def test_one_to_many(whole: Ranking, frames: list[Ranking], faces: int, reason: FaceReason) -> None:
    decision = OneToMany().decide(whole, frames, 4_000, faces)
    assert decision.reason is reason
    assert (decision.verdict is FaceVerdict.PASS) is (reason is FaceReason.MATCH)
    assert decision.holder == ("h" if reason is FaceReason.MATCH else None)
    assert decision.threshold == pytest.approx(0.561, abs=0.001)


def test_the_same_likeness_passes_among_few_and_not_among_many() -> None:
    ranking = Ranking("h", 0.58, 0.3)
    passed = [OneToMany().decide(ranking, [SURE] * 3, holders).verdict is FaceVerdict.PASS for holders in (1_000, 100_000)]
    assert passed == [True, False]


def test_shards_rank_as_one_gallery() -> None:
    first, second = Ranking("a", 0.6, 0.2), Ranking("b", 0.5, 0.4)
    assert merged([first, second]) == merged([second, first]) == Ranking("a", 0.6, 0.5)
    assert merged([Ranking("a", 0.6, 0.55), second]).runner_up == 0.55
    assert merged([Ranking(), first]) == first
    assert merged([]) == Ranking()


def test_every_reason_is_explained_in_both_languages() -> None:
    assert set(FACE_EXPLANATIONS) == set(FaceReason)
    assert all(text.zh and text.en for text in FACE_EXPLANATIONS.values())
