"""Paired differences: the same days give none, and an interval is Student's."""

import pytest

from resort.errors import Invalid
from sim.mountain.comparison import compare, difference, measured_comparison
from tests.unit.sim.mountain.small_resort import small


def test_a_scenario_against_itself_differs_in_nothing() -> None:
    shares: list[float] = []
    found = compare(small(), small(), 1, 2, shares.append)
    assert all(one.difference == 0 and one.low == one.high == 0 and not one.sure for one in found)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_more_lanes_wait_less_and_the_interval_says_so() -> None:
    crowd = {
        "guests": 3_000,
        "profile": [[0, 1], [60, 1]],
        "sources": [{"id": "p", "name": {"zh": "a", "en": "a"}, "at": [0, 0], "share": 1}],
    }
    gate = {"id": "main", "name": {"zh": "门", "en": "Main"}, "at": [0, 0], "area": "base"}
    few, many = (small(arrivals=crowd, gates=[{**gate, "lanes": lanes}], steering={"opening": "all"}) for lanes in (1, 6))
    found = {one.name: one for one in compare(few, many, 1, 3)}
    assert found["entrance_wait_mean_s"].difference < 0
    assert found["entrance_wait_mean_s"].sure
    figures = measured_comparison(list(found.values()), 1, 3)
    assert figures.figures["seeds"] == 3
    assert figures.ratios["entrance_wait_mean_s_b_over_a"] < 1


def test_the_interval_is_students() -> None:
    found = difference("x", [(1.0, 2.0), (1.0, 4.0), (1.0, 3.0)])
    assert (found.a, found.b, found.difference) == (1.0, 3.0, 2.0)
    assert found.high - found.difference == pytest.approx(4.303 / 3**0.5)
    assert not found.sure


def test_one_day_is_no_comparison() -> None:
    with pytest.raises(Invalid, match="two days"):
        compare(small(), small(), 1, 1)
