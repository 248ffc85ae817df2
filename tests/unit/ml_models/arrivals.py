"""Made-up arrivals for tests of demand models: days with a shape, weeks with a rhythm, and chance; always the same."""

from datetime import date, timedelta

import numpy as np

from ml_models.demand_features import DAY, Counts
from ml_models.demand_training import Recipe

FIRST = date(2026, 6, 1)
SMALL = Recipe(trees=60, leaves=15, rate=0.15, least_in_leaf=20, band_trees=20, band_leaves=7, band_rate=0.2)
SHAPE = np.array([0, 0, 0, 0, 0, 0, 2, 20, 60, 90, 70, 50, 40, 35, 25, 15, 5, 0, 0, 0, 0, 0, 0, 0], dtype=float)


def arrivals(days: int, seed: int = 1, noise: float = 0.1, moods: bool = False) -> Counts:
    """Counts by hour. `moods`: a good day follows a bad one, which the same day of the week before does not tell."""
    dice = np.random.default_rng(seed)
    table = np.stack([SHAPE * (1.6 if (FIRST + timedelta(days=day)).weekday() > 4 else 1.0) for day in range(days)])
    if moods:
        table *= np.where(np.arange(days) % 2 == 0, 1.6, 0.5)[:, None]
    wobble = 1 + noise * dice.standard_normal((days, DAY))
    return np.asarray(np.round(np.maximum(table * wobble, 0)).reshape(-1), dtype=np.float64)
