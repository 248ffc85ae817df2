"""Whether a demand model trained on a resort's own arrivals may take the place of the one that serves now.

Rolling test: the last four weeks in two folds. For each fold a model is trained on what was known before it, and both forecast
its hours. It ships only if its absolute error over both folds is smaller by `LEAST_GAIN`, and smaller than that of the two
forecasts which need no model; then it is trained once more on everything. Needs the extra `train`.
"""

import lzma
from datetime import date, timedelta

import msgspec
import numpy as np

from ml_models.demand import DemandModel
from ml_models.demand_features import DAY, Ahead, Counts, Series, together
from ml_models.demand_measures import mean_of_4_weeks, score, seasonal_naive
from ml_models.demand_training import Recipe, train
from resort.errors import Invalid

FOLD_DAYS, FOLDS = 14, 2
TEST_DAYS = FOLD_DAYS * FOLDS
LEAST_DAYS = 140  # four weeks for levels, eight for calibration, four for the test, and four to learn from
LEAST_GAIN = 0.01
RECIPE = Recipe(trees=200, leaves=31, rate=0.06, least_in_leaf=20)


class Verdict(msgspec.Struct, frozen=True):
    """What the rolling test found: WAPE of each forecast over the same hours, and the new file if it won."""

    ahead: Ahead
    wape: dict[str, float]  # "new", "current", "seasonal_naive", "mean_of_4_weeks"
    content: bytes | None
    trained_to: date

    @property
    def won(self) -> bool:
        """Whether the new model ships."""
        return self.content is not None


def series_of(first: date, counts: dict[str, list[int]], holidays: frozenset[date]) -> list[Series]:
    """A series for each gate. Days on which nobody came to any gate are days on which the resort was closed: unknown."""
    table = {gate: np.array(hours, dtype=np.float64) for gate, hours in counts.items()}
    total: Counts = np.sum(list(table.values()), axis=0)
    closed = np.repeat(total.reshape(-1, DAY).sum(axis=1) == 0, DAY)
    gates = [Series(gate, first, np.where(closed, np.nan, hours), holidays) for gate, hours in table.items()]
    return together(gates)


def retrain(places: list[Series], current: DemandModel, seen_to: date | None, seed: int, recipe: Recipe = RECIPE) -> Verdict:
    """Try a new model against `current`, which has seen the days before `seen_to` (None: none of this resort).

    Raises Invalid when the days are too few, or when too few have come since `current` was trained: over days that it has
    seen, it would win undeserved.
    """
    hours = len(places[0].counts)
    end = places[0].first_day + timedelta(days=hours // DAY)
    if hours < LEAST_DAYS * DAY:
        raise Invalid("journal", f"{hours // DAY} whole days are too few to learn from; it takes {LEAST_DAYS}")
    if seen_to is not None and seen_to > end - timedelta(days=TEST_DAYS):
        raise Invalid("journal", f"the current model has seen the days to {seen_to}; {TEST_DAYS} days after that are needed")
    begin = hours - TEST_DAYS * DAY
    said = [np.full((hours, 3), np.nan) for _ in places]
    for fold in range(FOLDS):
        start = begin + fold * FOLD_DAYS * DAY
        trial = DemandModel(lzma.compress(train(places, current.ahead, start, recipe, seed), preset=0), "trial")
        for place, answers in zip(places, said, strict=True):
            span = slice(start, start + FOLD_DAYS * DAY)
            answers[span] = trial.forecast(place, start)[span]
    forecasts = {
        "new": said,
        "current": [current.forecast(place, begin) for place in places],
        "seasonal_naive": [seasonal_naive(place) for place in places],
        "mean_of_4_weeks": [mean_of_4_weeks(place) for place in places],
    }
    wape = {name: score(places, answers, begin, hours).wape for name, answers in forecasts.items()}
    best = min(value for name, value in wape.items() if name != "new")
    content = None
    if wape["new"] <= best * (1 - LEAST_GAIN):
        content = lzma.compress(train(places, current.ahead, hours, recipe, seed), preset=9)
    return Verdict(current.ahead, wape, content, end)
