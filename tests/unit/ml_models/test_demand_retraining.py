"""A model trained on the resort's own arrivals serves only if it beats what serves now, over days that neither has seen."""

from datetime import timedelta

import numpy as np
import pytest

from ml_models.demand import DemandModel
from ml_models.demand_features import DAY
from ml_models.demand_retraining import LEAST_DAYS, retrain, series_of
from resort.errors import Invalid
from tests.unit.ml_models.arrivals import FIRST, SMALL, arrivals


def gates(days: int, noise: float = 0.1, moods: bool = False) -> dict[str, list[int]]:
    table = {f"g{seed}": arrivals(days, seed, noise, moods) for seed in (1, 2)}
    return {gate: [int(count) for count in hours] for gate, hours in table.items()}


@pytest.fixture(scope="module")
def shipped() -> DemandModel:
    return DemandModel.shipped("demand-day")


def test_a_model_that_knows_the_resort_ships(shipped: DemandModel) -> None:
    places = series_of(FIRST, gates(LEAST_DAYS, moods=True), frozenset())
    verdict = retrain(places, shipped, None, 1, SMALL)
    assert verdict.won
    assert verdict.wape["new"] < min(value for name, value in verdict.wape.items() if name != "new")
    assert verdict.trained_to == FIRST + timedelta(days=LEAST_DAYS)
    assert verdict.content is not None
    again = DemandModel(verdict.content, "own")
    assert np.isfinite(again.forecast(places[0], (LEAST_DAYS - 1) * DAY)[-DAY:]).all()


def test_where_last_week_tells_everything_nothing_ships(shipped: DemandModel) -> None:
    verdict = retrain(series_of(FIRST, gates(LEAST_DAYS, noise=0.0), frozenset()), shipped, None, 1, SMALL)
    assert verdict.wape["seasonal_naive"] == 0.0
    assert not verdict.won


def test_too_few_days_and_days_that_were_seen_prove_nothing(shipped: DemandModel) -> None:
    with pytest.raises(Invalid, match="139 whole days are too few"):
        retrain(series_of(FIRST, gates(LEAST_DAYS - 1), frozenset()), shipped, None, 1, SMALL)
    seen_to = FIRST + timedelta(days=LEAST_DAYS - 20)
    with pytest.raises(Invalid, match="28 days after that"):
        retrain(series_of(FIRST, gates(LEAST_DAYS), frozenset()), shipped, seen_to, 1, SMALL)


def test_days_without_anybody_are_days_on_which_it_was_closed() -> None:
    table = gates(30)
    for gate in table.values():
        gate[3 * DAY : 4 * DAY] = [0] * DAY
    table["g1"][5 * DAY : 6 * DAY] = [0] * DAY  # one gate only: nobody came there
    one, two = series_of(FIRST, table, frozenset())
    assert np.isnan(one.counts[3 * DAY : 4 * DAY]).all()
    assert np.isnan(two.counts[3 * DAY : 4 * DAY]).all()
    assert not one.counts[5 * DAY : 6 * DAY].any()
    assert one.around is not None
