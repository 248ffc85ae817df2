"""The shipped score and drift signal, and their training on a few rows."""

import lzma

import numpy as np
import onnx
import pytest

from ml_models.abnormal import DRIFT, SCORE, AbnormalModel, DriftModel
from ml_models.abnormal_training import train_drift, train_score
from ml_models.manifest import MANIFEST, load_manifest
from resort.errors import InvalidConfig
from resort.scan_oddities import COLUMNS

DICE = np.random.default_rng(1)
ROWS = DICE.random((400, len(COLUMNS))).astype(np.float32)
GUILTY = (ROWS[:, 3] > 0.8).astype(np.float64)


@pytest.mark.parametrize("name", [SCORE, DRIFT])
def test_each_shipped_model_is_one_node(name: str) -> None:
    content = (MANIFEST.parent / load_manifest().trained_model(name).file).read_bytes()
    nodes = onnx.load_model_from_string(lzma.decompress(content)).graph.node
    assert [node.op_type for node in nodes] == ["TreeEnsembleRegressor"]


def test_the_shipped_models_answer() -> None:
    scores = AbnormalModel.shipped().scores(ROWS)
    assert scores.shape == (400,)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert 0 < AbnormalModel.shipped().threshold < 1
    assert DriftModel.shipped().strange(ROWS).shape == (400,)


def test_training_learns_and_repeats_itself() -> None:
    first = train_score(ROWS, GUILTY, 1, 0.5)
    assert first == train_score(ROWS, GUILTY, 1, 0.5)
    model = AbnormalModel(lzma.compress(first), "trial")
    assert ((model.scores(ROWS) >= 0.5) == GUILTY).mean() > 0.97


def test_the_forest_finds_what_lies_far_out() -> None:
    content = train_drift(ROWS, 1)
    assert content == train_drift(ROWS, 1)
    model = DriftModel(lzma.compress(content), "trial")
    assert model.strange(ROWS).mean() < 0.1
    assert model.strange(ROWS[:20] * 1_000).mean() > 0.9


def test_another_model_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="cannot be opened"):
        AbnormalModel(b"nothing", "trial")
    with pytest.raises(InvalidConfig, match="does not tell its threshold"):
        AbnormalModel(lzma.compress(train_drift(ROWS, 1)), "trial")
