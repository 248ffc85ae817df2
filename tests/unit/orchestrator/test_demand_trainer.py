"""`snowgate train demand`: what serves, what takes its place, and one sentence where there is nothing to learn from."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_models.demand_features import DAY
from ml_models.demand_own import own_models
from ml_models.demand_retraining import LEAST_DAYS, series_of
from orchestrator.cli import app
from orchestrator.demand_trainer import serving, try_all
from resort.errors import Invalid
from tests.unit.ml_models.arrivals import FIRST, SMALL, arrivals

SITE = Path(__file__).parents[3] / "config" / "demo.yaml"


def test_the_winner_serves_and_is_not_tried_over_days_that_it_has_seen(tmp_path: Path) -> None:
    counts = {f"g{seed}": [int(count) for count in arrivals(LEAST_DAYS, seed, moods=True)] for seed in (1, 2)}
    gates = series_of(FIRST, counts, frozenset())
    said: list[str] = []
    measured = try_all(gates, tmp_path, 1, said.append, SMALL)
    assert measured.figures["day_shipped"] == 1
    assert measured.figures["days"] == LEAST_DAYS
    assert measured.ratios["day_new_over_current"] < 1
    model, seen_to = serving("day", tmp_path)
    assert (model.model_id, seen_to) == (own_models(tmp_path)[0].model_id, own_models(tmp_path)[0].trained_to)
    assert any(model.model_id in line and "serves from now on" in line for line in said)
    assert len(model.forecast(gates[0])) == LEAST_DAYS * DAY
    with pytest.raises(Invalid, match="has seen the days"):
        try_all(gates, tmp_path, 1, said.append, SMALL)


def test_an_empty_journal_is_one_sentence(tmp_path: Path) -> None:
    shutil.copy(SITE, tmp_path / "site.yaml")
    words = ["train", "demand", "--site", str(tmp_path / "site.yaml"), "--data", str(tmp_path / "data")]
    ran = CliRunner().invoke(app, words)
    assert isinstance(ran.exception, Invalid)
    assert "no whole day with arrivals" in str(ran.exception)
