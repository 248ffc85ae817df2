"""Rows of a demand model: nothing of what is to be forecast is in them, and a place's size is not."""

from datetime import date

import msgspec
import numpy as np
import pytest

from ml_models.demand_features import DAY, WEATHER, Ahead, Series, columns, levels, rows, together
from resort.errors import Invalid
from tests.unit.ml_models.arrivals import FIRST, arrivals

DAYS = 60
HOUR = 50 * DAY + 9  # the one that is looked at


def place(counts: np.ndarray, **more: object) -> Series:
    return Series("gate", FIRST, counts, **more)  # type: ignore[arg-type]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))


@pytest.mark.parametrize(("ahead", "known_to"), [("day", 50 * DAY), ("hour", HOUR)])
def test_a_row_knows_nothing_of_what_comes(ahead: Ahead, known_to: int) -> None:
    whole = together([place(arrivals(DAYS)), place(arrivals(DAYS, seed=2))])
    changed = whole[0].counts.copy()
    changed[known_to:] = 9_999.0
    others = together([place(changed), place(np.where(np.arange(DAYS * DAY) >= known_to, 7_777.0, whole[1].counts))])
    assert same(rows(whole[0], ahead)[0][HOUR], rows(others[0], ahead)[0][HOUR])
    unknown = changed.copy()
    unknown[known_to:] = np.nan
    absent = together([place(unknown), place(np.where(np.arange(DAYS * DAY) >= known_to, np.nan, whole[1].counts))])
    assert same(rows(whole[0], ahead)[0][HOUR], rows(absent[0], ahead)[0][HOUR])


@pytest.mark.parametrize(("ahead", "last_known"), [("day", 50 * DAY - 1), ("hour", HOUR - 1)])
def test_control_a_row_knows_the_last_hour_that_is_known(ahead: Ahead, last_known: int) -> None:
    counts = arrivals(DAYS)
    changed = counts.copy()
    changed[last_known] += 50
    assert not same(rows(place(counts), ahead)[0][HOUR], rows(place(changed), ahead)[0][HOUR])


def test_a_place_twice_as_large_has_the_same_rows_but_for_its_size() -> None:
    small, large = rows(place(arrivals(DAYS, noise=0)), "day"), rows(place(arrivals(DAYS, noise=0) * 2), "day")
    others = [at for at, name in enumerate(columns("day")) if name != "level_log"]
    assert np.allclose(small[0][HOUR, others], large[0][HOUR, others], equal_nan=True)
    assert large[1][HOUR] == pytest.approx(small[1][HOUR] * 2)


@pytest.mark.parametrize("ahead", ["day", "hour"])
def test_a_row_is_as_wide_as_its_columns_are_many(ahead: Ahead) -> None:
    table, level = rows(place(arrivals(DAYS)), ahead)
    assert table.shape == (DAYS * DAY, len(columns(ahead)))
    assert len(set(columns(ahead))) == len(columns(ahead))
    assert np.isnan(table[: 28 * DAY]).all()
    assert np.isfinite(level[28 * DAY :]).all()


def test_holidays_are_seen_before_and_after() -> None:
    holiday = date(2026, 7, 20)
    table, _ = rows(place(arrivals(DAYS), holidays=frozenset({holiday})), "day")
    at = {name: table[:, place].reshape(-1, DAY)[:, 0] for place, name in enumerate(columns("day"))}
    day = (holiday - FIRST).days
    assert at["holiday"][day] == 1
    assert at["to_holiday"][day - 2 : day + 2].tolist() == [2, 1, 0, 5]
    assert at["from_holiday"][day : day + 3].tolist() == [0, 1, 2]
    assert at["holiday_1_days_before"][day + 1] == 1
    assert at["holiday_7_days_before"][day + 7] == 1
    assert at["holidays_4_weeks"][day + 7] == 1


def test_weather_is_of_the_hour_itself() -> None:
    weather = np.tile(np.arange(DAYS * DAY, dtype=float)[:, None], (1, len(WEATHER)))
    table, _ = rows(place(arrivals(DAYS), weather=weather), "day")
    assert table[HOUR, columns("day").index("temperature_c")] == HOUR
    assert table[HOUR, columns("day").index("sky_than_24")] == DAY


def test_a_level_takes_what_is_known_and_is_missing_where_too_little_is() -> None:
    counts = np.full(60 * DAY, 5.0)
    counts[: 30 * DAY] = np.nan
    level = levels(counts)
    assert np.isnan(level[36 * DAY])
    assert level[37 * DAY] == 5.0
    assert levels(np.zeros(60 * DAY))[-1] == 1.0


def test_rows_of_half_a_day_are_refused() -> None:
    with pytest.raises(Invalid, match="whole days"):
        rows(place(np.zeros(30)), "day")
    with pytest.raises(Invalid, match="weather"):
        rows(msgspec.structs.replace(place(np.zeros(48)), weather=np.zeros((47, 4))), "day")
