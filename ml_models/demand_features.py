"""What a demand model sees of an hour: numbers without a unit, made from counts by hour, the calendar and the weather.

Amounts are divided by the place's own level of the last four weeks, so that one model serves places of any size. Nothing here
looks past what is known: for a day ahead the counts of all hours before that day's midnight, for an hour ahead those of all
hours before that one. Pure numpy; the same code makes rows for training, measuring and running.
"""

import warnings
from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from resort.errors import Invalid

Ahead = Literal["day", "hour"]
Counts = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]

DAY, WEEK = 24, 168
LEVEL_DAYS = 28
LEAST_KNOWN = WEEK  # so many hours of the four weeks have to be known, or there is no level
WEATHER = ("temperature_c", "humidity_percent", "wind_kmh", "sky")  # sky: 0 clear, 1 clouds, 2 light rain or snow, 3 heavy
_DAY_LAGS = (24, 25, 48, 72, 96, 120, 144, 168, 336, 504, 672)
_WEEKS = (168, 336, 504, 672)
_YEAR = 364 * DAY  # the same day of the week
_HOUR_LAGS = (1, 2, 3, 4, 23)
_REACH = 4  # days to the next holiday and from the last one are counted this far


class Series(msgspec.Struct, frozen=True):
    """Counts of one place by hour of local time, from midnight of `first_day`, whole days; NaN where none is known.

    `weather` has one row an hour with the columns of `WEATHER`, NaN where unknown; for hours to come it is the forecast.
    `around` is how full all places of the site were in each hour, over their levels: `together` fills it in.
    """

    name: str
    first_day: date
    counts: Counts
    holidays: Collection[date] = frozenset()
    weather: npt.NDArray[np.float64] | None = None
    around: Counts | None = None


def together(places: Sequence[Series]) -> list[Series]:
    """The same places, which know of each other; all of the same hours. What one of them lacks, the others still tell."""
    counts = np.stack([place.counts for place in places])
    level = np.where(np.isnan(counts), np.nan, np.stack([levels(place.counts) for place in places]))
    sums = np.nansum(level, axis=0)
    around = np.where(sums > 0, np.nansum(np.where(np.isnan(level), np.nan, counts), axis=0) / np.maximum(sums, 1e-9), np.nan)
    return [msgspec.structs.replace(place, around=around) for place in places]


def rows(series: Series, ahead: Ahead) -> tuple[Rows, Counts]:
    """A row for each hour of the series, shape (hours, `len(columns(ahead))`), and the level that the model's answers are
    multiplied by. Hours without a level (the first four weeks) have NaN for both. Raises Invalid: not of whole days."""
    if len(series.counts) % DAY or (series.weather is not None and series.weather.shape != (len(series.counts), len(WEATHER))):
        raise Invalid("series", "counts must be of whole days, and weather one row for each hour")
    level = levels(series.counts)
    table = np.stack([values for _, values in _named(series, level, ahead)], axis=1)
    table[np.isnan(level)] = np.nan
    return table.astype(np.float32), level


def columns(ahead: Ahead) -> tuple[str, ...]:
    """The names of a row's numbers, in order."""
    empty = Series("", date(2000, 1, 1), np.zeros(DAY))
    return tuple(name for name, _ in _named(empty, np.ones(DAY), ahead))


def levels(counts: Counts) -> Counts:
    """For each hour the mean count of an hour in the four weeks before its day, at least 1; NaN where too little is known."""
    by_day = counts.reshape(-1, DAY)
    total = np.concatenate([[0.0], np.cumsum(np.nansum(by_day, axis=1))])
    known = np.concatenate([[0], np.cumsum((~np.isnan(by_day)).sum(axis=1))])
    level = np.full(len(by_day), np.nan)
    hours = (known[LEVEL_DAYS:-1] - known[: -LEVEL_DAYS - 1]).astype(float)
    sums = total[LEVEL_DAYS:-1] - total[: -LEVEL_DAYS - 1]
    level[LEVEL_DAYS:] = np.where(hours >= LEAST_KNOWN, np.maximum(1.0, sums / np.maximum(hours, 1)), np.nan)
    return np.repeat(level, DAY)


def _named(series: Series, level: Counts, ahead: Ahead) -> list[tuple[str, Counts]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean over nothing but NaN is NaN, and that is what is meant
        return list(_columns(series, level, ahead))


def _columns(series: Series, level: Counts, ahead: Ahead) -> Iterator[tuple[str, Counts]]:
    counts = series.counts
    yield from ((f"lag_{lag}", _back(counts, lag) / level) for lag in _DAY_LAGS)
    weeks = np.stack([_back(counts, lag) for lag in _WEEKS]) / level
    usual = np.nanmean(weeks, axis=0)
    yield "mean_4_weeks", usual
    yield "median_4_weeks", np.nanmedian(weeks, axis=0)
    yield "least_4_weeks", np.nanmin(weeks, axis=0)
    yield "most_4_weeks", np.nanmax(weeks, axis=0)
    yield "year_before", _back(counts / level, _YEAR)
    yield "level_over_year_before", level / _back(level, _YEAR)
    yield "mean_8_weeks", np.nanmean(np.stack([_back(counts, WEEK * week) for week in range(1, 9)]), axis=0) / level
    yield "usual_before", _back(usual, 1)
    yield "level_log", np.log(level)
    yield from _days(counts, level, usual)
    yield from _calendar(series)
    yield from _weather(series)
    yield from _around(series, usual, ahead)
    if ahead == "hour":
        yield from _last_hours(counts, level, usual)


def _days(counts: Counts, level: Counts, usual: Counts) -> Iterator[tuple[str, Counts]]:
    """How the days before went, and how a day like this one usually goes."""
    by_day = counts.reshape(-1, DAY)
    sums = np.nanmean(by_day, axis=1)
    for name, back in (("day_before", 1), ("two_days_before", 2), ("day_a_week_before", 7)):
        yield name, np.repeat(_back(sums, back), DAY) / level
    week = np.nanmean(np.stack([_back(sums, back) for back in range(1, 8)]), axis=0)
    yield "week_over_level", np.repeat(week, DAY) / level
    # How yesterday differed from what was usual for it: in all, and in its last six hours.
    off = counts / level - usual
    yield "yesterday_off", np.repeat(_back(np.nanmean(off.reshape(-1, DAY), axis=1), 1), DAY)
    yield "evening_off", np.repeat(_back(np.nanmean(off.reshape(-1, DAY)[:, -6:], axis=1), 1), DAY)
    yield "same_hour_off", _back(off, DAY)
    yield "same_hour_off_week", np.nanmean(np.stack([_back(off, DAY * back) for back in range(1, 8)]), axis=0)
    usual_day = np.repeat(np.nanmean(usual.reshape(-1, DAY), axis=1), DAY)
    yield "usual_day", usual_day
    yield "usual_share", usual / np.maximum(usual_day, 1e-3)
    night = np.nanmean(by_day[:, :6], axis=1)
    yield "night_share", np.repeat(np.nanmean([_back(night, back) for back in range(1, 29)], axis=0), DAY) / level


def _calendar(series: Series) -> Iterator[tuple[str, Counts]]:
    days = len(series.counts) // DAY
    first = LEVEL_DAYS + _REACH
    dates = [series.first_day + timedelta(days=day) for day in range(-first, days + first)]
    off = np.array([day in series.holidays for day in dates])
    here = dates[first : first + days]
    yield "hour", np.tile(np.arange(DAY, dtype=float), days)
    yield "weekday", np.repeat([float(day.weekday()) for day in here], DAY)
    yield "day_of_year", np.repeat([float(day.timetuple().tm_yday) for day in here], DAY)
    yield "holiday", np.repeat(off[first : first + days].astype(float), DAY)
    for name, sign in (("to_holiday", 1), ("from_holiday", -1)):
        nearest = np.full(days, float(_REACH + 1))
        for step in range(_REACH, -1, -1):
            begin = first + sign * step
            nearest[off[begin : begin + days]] = step
        yield name, np.repeat(nearest, DAY)
    for back in (1, 7):
        yield f"holiday_{back}_days_before", np.repeat(off[first - back :][:days].astype(float), DAY)
    yield (
        "holidays_4_weeks",
        np.repeat(np.sum([off[first - back :][:days] for back in (7, 14, 21, 28)], axis=0, dtype=float), DAY),
    )


def _weather(series: Series) -> Iterator[tuple[str, Counts]]:
    """The hour's own weather, its day's, and how it differs from that of the hours it is compared with."""
    weather = series.weather if series.weather is not None else np.full((len(series.counts), len(WEATHER)), np.nan)
    for name, values in zip(WEATHER, weather.T, strict=True):
        yield name, values
        for lag in (DAY, WEEK):
            yield f"{name}_than_{lag}", values - _back(values, lag)
        month = np.nanmean(np.stack([_back(values, lag) for lag in _WEEKS]), axis=0)
        yield f"{name}_than_usual", values - month
        yield f"{name}_day", np.repeat(np.nanmean(values.reshape(-1, DAY), axis=1), DAY)
        yield f"{name}_3_hours", np.nanmean(np.stack([_back(values, lag) for lag in (0, 1, 2)]), axis=0)


def _around(series: Series, usual: Counts, ahead: Ahead) -> Iterator[tuple[str, Counts]]:
    """How the whole site went lately against what was usual for it: one place alone is noisy."""
    around = series.around if series.around is not None else np.full(len(series.counts), np.nan)
    site_usual = np.nanmean(np.stack([_back(around, lag) for lag in _WEEKS]), axis=0)
    yield "site_usual", site_usual
    off = around - site_usual
    yield "site_yesterday_off", np.repeat(_back(np.nanmean(off.reshape(-1, DAY), axis=1), 1), DAY)
    yield "site_same_hour", _back(around, DAY)
    yield "site_evening_off", np.repeat(_back(np.nanmean(off.reshape(-1, DAY)[:, -6:], axis=1), 1), DAY)
    if ahead == "hour":
        for span in (1, 3):
            ratio = _sum_back(around, span) / np.maximum(_sum_back(site_usual, span), 1e-3)
            yield f"site_share_{span}", ratio
        yield "site_off_1", _back(off, 1)
        yield "site_off_2", _back(off, 2)
        yield "site_guess", usual * np.clip(_back(around, 1) / np.maximum(_back(site_usual, 1), 1e-2), 0.1, 10.0)


def _sum_back(values: Counts, span: int) -> Counts:
    """The sum of the so many values before."""
    return np.asarray(np.sum([_back(values, lag) for lag in range(1, span + 1)], axis=0))


def _last_hours(counts: Counts, level: Counts, usual: Counts) -> Iterator[tuple[str, Counts]]:
    """What came in the hours just before, and how that differs from what was usual for them."""
    yield from ((f"lag_{lag}", _back(counts, lag) / level) for lag in _HOUR_LAGS)
    off = counts / level - usual
    for span in (1, 2, 3, 6):
        yield f"off_{span}", np.nanmean(np.stack([_back(off, lag) for lag in range(1, span + 1)]), axis=0)
    expected = np.nansum(np.stack([_back(usual, lag) for lag in (1, 2, 3)]), axis=0)
    came = np.nansum(np.stack([_back(counts / level, lag) for lag in (1, 2, 3)]), axis=0)
    yield "share_3", came / np.maximum(expected, 1e-3)
    last = _back(counts / level, 1) / np.maximum(_back(usual, 1), 1e-2)
    yield "share_1", last
    yield "guess", usual * np.clip(last, 0.1, 10.0)
    yield "guess_3", usual * np.clip(came / np.maximum(expected, 1e-3), 0.1, 10.0)
    for name, lag in (("day", DAY), ("week", WEEK)):
        share = _sum_back(counts, 2) / np.maximum(_back(_sum_back(counts, 2), lag), 1.0)
        yield f"guess_by_{name}", _back(counts, lag) / level * np.clip(share, 0.1, 10.0)
        yield f"step_since_{name}", (_back(counts, 1) - _back(counts, lag + 1)) / level
    yield "usual_step", usual - _back(usual, 1)
    yield "step_week_before", (_back(counts, WEEK) - _back(counts, WEEK + 1)) / level
    yield "step_day_before", (_back(counts, DAY) - _back(counts, DAY + 1)) / level


def _back(values: Counts, steps: int) -> Counts:
    """The values of so many steps before; NaN where there are none."""
    moved = np.full(len(values), np.nan)
    if steps < len(values):
        moved[steps:] = values[: len(values) - steps]
    return moved
