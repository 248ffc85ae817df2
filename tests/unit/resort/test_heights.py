"""Bands of height: told when they are clear, and never refused by."""

import pytest

from resort.errors import InvalidConfig
from resort.heights import HeightLimits, height_band, staff_note

LIMITS = HeightLimits()


@pytest.mark.parametrize(
    ("height_cm", "band"),
    [
        (49, None),
        (95.0, "below_free"),
        (117.0, "below_free"),
        (117.1, None),
        (120, None),
        (123.0, "child"),
        (147.0, "child"),
        (148.0, None),
        (153.0, "adult"),
        (229, "adult"),
        (231, None),
        (float("nan"), None),
    ],
)
def test_a_height_is_a_band_unless_it_is_near_a_limit(height_cm: float, band: str | None) -> None:
    assert height_band(height_cm, LIMITS) == band


def test_limits_have_to_be_in_order() -> None:
    with pytest.raises(InvalidConfig):
        HeightLimits(150, 150)


def test_staff_read_a_sentence_of_their_own_for_each_band() -> None:
    notes = [staff_note(band, LIMITS) for band in ("below_free", "child", "adult", None)]
    assert len({note.en for note in notes}) == len({note.zh for note in notes}) == 4
    assert "150" in notes[2].en
