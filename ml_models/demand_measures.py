"""How good a forecast was: errors against what came, beside the two forecasts that need no model. Pure numpy.

WAPE = sum |came - said| / sum came. MASE = mean |came - said| / mean |came - came a week before|, the latter over the hours
before the test, for each place by itself and then averaged (Hyndman and Koehler 2006, with a season of a week).
"""

import msgspec
import numpy as np
import numpy.typing as npt

from ml_models.demand_features import WEEK, Series

Numbers = npt.NDArray[np.float64]


class Score(msgspec.Struct, frozen=True):
    """Of one forecast over one span of hours: errors, and the shares of hours that came at or below P10 and P90.

    NaN: MASE where the week before told everything, the shares for a forecast that has no such bands.
    """

    wape: float
    mase: float
    below_p10: float = float("nan")
    below_p90: float = float("nan")


def seasonal_naive(series: Series) -> Numbers:
    """The same hour a week before."""
    return _weeks_back(series.counts, 1)


def mean_of_4_weeks(series: Series) -> Numbers:
    """The mean of the same hour in the four weeks before."""
    return np.asarray(np.mean([_weeks_back(series.counts, week) for week in (1, 2, 3, 4)], axis=0))


def score(places: list[Series], said: list[Numbers], begin: int, end: int) -> Score:
    """Of forecasts for each place, shape (hours,) or (hours, 3) as P10, P50, P90, over the hours from `begin` to before `end`.

    Hours that some forecast, or the week before, does not know are left out for every forecast alike.
    """
    off = came = 0.0
    scaled, low, high = [], [], []
    for place, answers in zip(places, said, strict=True):
        naive = seasonal_naive(place)
        table = answers if answers.ndim == 2 else answers[:, None]
        middle = table[:, table.shape[1] // 2]
        known = ~np.isnan(place.counts + mean_of_4_weeks(place))
        known[:begin] = False
        known[end:] = False
        wrong = np.abs(place.counts - middle)[known]
        off += float(wrong.sum())
        came += float(place.counts[known].sum())
        before = np.abs(place.counts - naive)[:begin]
        usual = float(np.nanmean(before))
        scaled.append(float(wrong.mean()) / usual if usual > 0 else float("nan"))
        low.append(place.counts[known] <= table[known, 0])
        high.append(place.counts[known] <= table[known, -1])
    bands = said[0].ndim == 2
    return Score(
        wape=off / came,
        mase=float(np.mean(scaled)),
        below_p10=float(np.concatenate(low).mean()) if bands else float("nan"),
        below_p90=float(np.concatenate(high).mean()) if bands else float("nan"),
    )


def _weeks_back(counts: Numbers, weeks: int) -> Numbers:
    return np.concatenate([np.full(weeks * WEEK, np.nan), counts[: -weeks * WEEK]])
