"""`snowgate bench demand`: the shipped demand models over the last 20 weeks of their data, which they have not seen.

Beside them, over the same hours: the same hour a week before, and the mean of the same hour over four weeks. And how long a row
takes of a core, alone and in a batch: the quickest of many turns over rows that differ, as others share the machine. The data
are fetched once by pip. Weather is what was measured in that hour, which a forecast of it only comes near to.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter, process_time

import msgspec
import numpy as np

from ml_models.demand import DemandModel
from ml_models.demand_data import auckland, bikes
from ml_models.demand_features import DAY, Rows, Series, rows
from ml_models.demand_measures import Score, mean_of_4_weeks, score, seasonal_naive
from orchestrator.measured import Measured, machine

TEST_DAYS = 140
BATCH = 1_000


class Case(msgspec.Struct, frozen=True):
    """A model, and the places that it is measured on."""

    label: str
    model: str
    places: Callable[[], list[Series]]


CASES = (
    Case("auckland_day", "demand-day", auckland),
    Case("auckland_hour", "demand-hour", auckland),
    Case("bikes_day", "demand-weather-day", bikes),
    Case("bikes_hour", "demand-weather-hour", bikes),
)


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run it; nothing in it is thrown with dice. Raises PartMissing when pip cannot get the data."""
    figures: dict[str, float] = {}
    limits: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for case in CASES:
        told(f"{case.label}: forecasting the last {TEST_DAYS // 7} weeks …")
        await asyncio.sleep(0)  # let Ctrl-C in
        places, model = case.places(), DemandModel.shipped(case.model)
        begin, end = len(places[0].counts) - TEST_DAYS * DAY, len(places[0].counts)
        ours = score(places, [model.forecast(place, begin) for place in places], begin, end)
        naive = score(places, [seasonal_naive(place) for place in places], begin, end)
        mean = score(places, [mean_of_4_weeks(place) for place in places], begin, end)
        figures |= _figures(case.label, ours)
        limits |= {f"{case.label}_wape_seasonal_naive": naive.wape, f"{case.label}_mase_seasonal_naive": naive.mase}
        limits |= {f"{case.label}_wape_mean_of_4_weeks": mean.wape, f"{case.label}_mase_mean_of_4_weeks": mean.mase}
        ratios[f"{case.label}_wape_over_seasonal_naive"] = ours.wape / naive.wape
        ratios[f"{case.label}_wape_over_mean_of_4_weeks"] = ours.wape / mean.wape
        alone, together = row_us(model, rows(places[0], model.ahead)[0][-BATCH:], seconds)
        figures |= {f"{case.label}_us_a_row_alone": alone, f"{case.label}_us_a_row_in_{BATCH}": together}
    return Measured("demand", seed, machine(), figures, limits, ratios)


def row_us(model: DemandModel, some: Rows, seconds: float) -> tuple[float, float]:
    """Microseconds of a core for a row, each by itself and all at once: the quickest turn in a tenth of `seconds` each."""
    alone = [np.ascontiguousarray(some[row : row + 1]) for row in range(len(some))]
    return _quickest(model, alone, seconds / 10) / len(some), _quickest(model, [some], seconds / 10) / len(some)


def _quickest(model: DemandModel, turn: list[Rows], seconds: float) -> float:
    best, until = np.inf, perf_counter() + seconds
    while perf_counter() < until or best == np.inf:
        began = process_time()
        for asked in turn:
            model.run(asked)
        best = min(best, process_time() - began)
    return float(best) * 1e6


def _figures(label: str, ours: Score) -> dict[str, float]:
    return {
        f"{label}_wape": ours.wape,
        f"{label}_mase": ours.mase,
        f"{label}_below_p10": ours.below_p10,
        f"{label}_below_p90": ours.below_p90,
    }
