"""The height beside a grant: only where staff are asked to look, and what they read."""

import msgspec
import pytest

from resort.access.height_flag import asks_height, height_note, with_height
from resort.heights import HeightBand, HeightLimits
from tests.unit.actors.test_lane_height import CHILD, PLAIN

LIMITS = HeightLimits()


@pytest.mark.parametrize("band", ["below_free", "child", "adult", None])
def test_only_where_staff_are_to_look(band: HeightBand | None) -> None:
    assert asks_height(CHILD)
    assert not asks_height(PLAIN)
    assert with_height(CHILD, band) == msgspec.structs.replace(CHILD, height=band)
    assert with_height(PLAIN, band) == PLAIN


def test_staff_read_a_sentence_and_no_centimetres_of_the_guest() -> None:
    adult = height_note(with_height(CHILD, "adult"), LIMITS, measured=True)
    assert adult is not None
    assert "Over 150 cm" in adult.en
    unknown = height_note(CHILD, LIMITS, measured=True)
    assert unknown is not None
    assert "look for yourself" in unknown.en
    assert height_note(CHILD, LIMITS, measured=False) is None
    assert height_note(PLAIN, LIMITS, measured=True) is None
