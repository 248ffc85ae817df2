"""The demand bench: its cases are the shipped models, and its clock times rows."""

from benchmarks.demand import CASES, row_us
from ml_models.demand import DemandModel
from ml_models.demand_features import Series, rows
from ml_models.manifest import load_manifest
from tests.unit.ml_models.arrivals import FIRST, arrivals


def test_every_shipped_model_is_measured() -> None:
    assert [case.model for case in CASES] == [
        model.name for model in load_manifest().trained if model.name.startswith("demand")
    ]


def test_a_row_takes_some_time() -> None:
    model = DemandModel.shipped("demand-day")
    some = rows(Series("gate", FIRST, arrivals(30)), "day")[0][-24:]
    assert all(0 < us < 1e6 for us in row_us(model, some, 0.01))
