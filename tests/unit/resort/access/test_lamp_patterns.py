"""Lamp patterns: what the house promises to guests who cannot hear."""

import pytest

from resort.access.lamp_patterns import COLOURS, PATTERNS, PatternName, refusal_pattern
from resort.access.reasons import Reason


def test_steady_green_for_go_and_dark_for_nobody() -> None:
    assert [(step.lit, step.ms) for step in PATTERNS["go"].steps] == [(("green",), 0)]
    assert [(step.lit, step.ms) for step in PATTERNS["idle"].steps] == [((), 0)]


def test_two_red_blinks_for_refused_and_slow_amber_for_look() -> None:
    assert [step.lit for step in PATTERNS["refused"].steps] == [("red",), (), ("red",), (), ("red",)]
    assert not PATTERNS["refused"].repeats
    assert [step.lit for step in PATTERNS["look"].steps] == [("amber",), ()]
    assert all(step.ms >= 500 for step in PATTERNS["look"].steps)
    assert PATTERNS["look"].repeats


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_ends_steady_or_blinks_no_faster_than_is_safe(name: PatternName) -> None:
    pattern = PATTERNS[name]
    assert all(set(step.lit) <= set(COLOURS) for step in pattern.steps)
    assert (pattern.steps[-1].ms == 0) != pattern.repeats
    # Flashes of light at three a second and more can harm people with epilepsy (WCAG 2.3.1): a cycle that goes on is slower.
    assert not pattern.repeats or sum(step.ms for step in pattern.steps) > 334


def test_only_an_admitted_guest_ever_sees_green() -> None:
    for reason in Reason:
        if reason is not Reason.ADMITTED:
            pattern = PATTERNS[refusal_pattern(reason)]
            assert all("green" not in step.lit for step in pattern.steps)
    assert refusal_pattern(Reason.OUTCOME_UNKNOWN) == "look"
    assert refusal_pattern(Reason.ALREADY_USED) == "refused"
