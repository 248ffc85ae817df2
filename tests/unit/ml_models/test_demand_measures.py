"""WAPE, MASE and coverage, against what can be reckoned by hand."""

import numpy as np
import pytest

from ml_models.demand_features import WEEK, Series
from ml_models.demand_measures import mean_of_4_weeks, score, seasonal_naive
from tests.unit.ml_models.arrivals import FIRST

WEEKS = 8


def rising() -> Series:
    """Ten persons an hour in the first week, eleven in the next, and so on."""
    return Series("gate", FIRST, np.repeat(np.arange(10.0, 10.0 + WEEKS), WEEK))


def test_errors_are_as_reckoned_by_hand() -> None:
    place, begin, end = rising(), 6 * WEEK, 8 * WEEK
    naive = score([place], [seasonal_naive(place)], begin, end)
    assert naive.wape == pytest.approx(2 / 33)  # one off of 16 and of 17
    assert naive.mase == pytest.approx(1.0)
    assert np.isnan(naive.below_p90)
    assert score([place], [mean_of_4_weeks(place)], begin, end).wape == pytest.approx(5 / 33)


def test_coverage_counts_hours_at_or_below() -> None:
    place = rising()
    said = np.tile([9.0, 16.0, 16.0], (len(place.counts), 1))
    found = score([place], [said], 6 * WEEK, 8 * WEEK)
    assert (found.below_p10, found.below_p90) == (0.0, 0.5)
    assert found.wape == pytest.approx(1 / 33)


def test_unknown_hours_count_for_nobody() -> None:
    place = rising()
    counts = place.counts.copy()
    counts[7 * WEEK :] = np.nan
    found = score([Series("gate", FIRST, counts)], [seasonal_naive(place)], 6 * WEEK, 8 * WEEK)
    assert found.wape == pytest.approx(1 / 16)
