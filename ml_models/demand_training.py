"""Training a demand model: LightGBM on the rows of `demand_features`, three outputs (P10, P50, P90) as one ONNX node.

P50 minimises the absolute error, in persons: rows weigh as much as their place is large. P10 and P90 are quantile models,
shifted by what a window of weeks that they had not seen shows to be missing (conformal prediction: Romano and others 2019),
and then fitted again with those weeks. Same data, seed and version of LightGBM: same bytes. Needs the extra `train`.
"""

import lightgbm
import msgspec
import numpy as np
import numpy.typing as npt

from ml_models.demand_features import DAY, Ahead, Counts, Rows, Series, columns, rows
from ml_models.tree_ensemble import Forest
from resort.errors import Invalid

LOW, HIGH = 0.1, 0.9
CALIBRATION_DAYS = 56
LEAST_ROWS = 500


class Recipe(msgspec.Struct, frozen=True):
    """How large and how patient; `share` of the rows is looked at."""

    trees: int
    leaves: int
    rate: float
    least_in_leaf: int
    share: float = 1.0
    band_trees: int = 120
    band_leaves: int = 31
    band_rate: float = 0.08


class Table(msgspec.Struct, frozen=True):
    """Rows to learn from: what is seen, what came over the level, and the level, which is each row's weight."""

    seen: Rows
    came: Counts
    level: Counts

    def part(self, chosen: npt.NDArray[np.bool_]) -> "Table":
        """Some of the rows."""
        return Table(self.seen[chosen], self.came[chosen], self.level[chosen])


def table(places: list[Series], ahead: Ahead, begin: int, end: int) -> Table:
    """The rows of all places for the hours from `begin` to before `end`, as far as they are known."""
    seen, came, levels = [], [], []
    for place in places:
        of_place, level = rows(place, ahead)
        known = ~np.isnan(level) & ~np.isnan(place.counts)
        known[:begin] = False
        known[end:] = False
        seen.append(of_place[known])
        came.append(place.counts[known] / level[known])
        levels.append(level[known])
    return Table(np.concatenate(seen), np.concatenate(came), np.concatenate(levels))


def train(places: list[Series], ahead: Ahead, end: int, recipe: Recipe, seed: int) -> bytes:
    """The model that knows the hours before `end`, as ONNX. Raises Invalid when there is too little to learn from."""
    whole = table(places, ahead, 0, end)
    held = table(places, ahead, end - CALIBRATION_DAYS * DAY, end)
    first = table(places, ahead, 0, end - CALIBRATION_DAYS * DAY)
    if min(len(first.came), len(held.came)) < LEAST_ROWS:
        raise Invalid("journal", f"too little to learn from: {len(first.came)} hours before the last eight weeks are known")
    dice = np.random.default_rng(seed)
    whole, first = (part.part(dice.random(len(part.came)) < recipe.share) for part in (whole, first))
    forest = Forest(len(columns(ahead)), 3)
    shifts = [0.0, 0.0, 0.0]
    for output, quantile in ((0, LOW), (2, HIGH)):
        trial = _fit(first, recipe, seed, quantile)
        shifts[output] = float(np.quantile(held.came - trial.predict(held.seen), quantile))
        forest.add(_trees(_fit(whole, recipe, seed, quantile)), output)
    forest.add(_trees(_fit(whole, recipe, seed, None)), 1)
    return forest.model(shifts, {"ahead": ahead, "columns": " ".join(columns(ahead)), "seed": str(seed)})


def _fit(rows_: Table, recipe: Recipe, seed: int, quantile: float | None) -> lightgbm.Booster:
    """The middle (`quantile` None) or a band. One thread: the same on every machine, and no waiting on a busy one."""
    settings: dict[str, object] = {
        "objective": "regression_l1" if quantile is None else "quantile",
        "learning_rate": recipe.rate if quantile is None else recipe.band_rate,
        "num_leaves": recipe.leaves if quantile is None else recipe.band_leaves,
        "min_child_samples": recipe.least_in_leaf,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "max_bin": 127,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    if quantile is not None:
        settings["alpha"] = quantile
    # A band is of hours, not of persons: its share of hours is promised, so each hour weighs the same.
    data = lightgbm.Dataset(rows_.seen, rows_.came, weight=rows_.level if quantile is None else None)
    return lightgbm.train(settings, data, recipe.trees if quantile is None else recipe.band_trees)


def _trees(booster: lightgbm.Booster) -> list[dict[str, object]]:
    return [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
