"""Trees as one ONNX node: the node answers what LightGBM answers, row by row."""

import lightgbm
import numpy as np
import onnxruntime
import pytest
from onnx import load_from_string

from ml_models.tree_ensemble import Forest, floor32
from resort.errors import Invalid

DICE = np.random.default_rng(3)


def learnt(missing: bool) -> tuple[lightgbm.Booster, np.ndarray]:
    """A model of few columns whose thresholds fall between floats, and rows to ask it."""
    rows = (DICE.random((3_000, 4)) - 0.3).astype(np.float32)
    if missing:
        rows[DICE.random(rows.shape) < 0.2] = np.nan
    came = np.nan_to_num(rows[:, 0]) * 3 + np.where(np.isnan(rows[:, 1]), 2.0, rows[:, 1] ** 2)
    settings = {"objective": "regression_l1", "num_leaves": 31, "verbose": -1, "num_threads": 1, "min_child_samples": 5}
    return lightgbm.train(settings, lightgbm.Dataset(rows, came), 40), rows


def trees(booster: lightgbm.Booster) -> list[dict[str, object]]:
    return [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]


@pytest.mark.parametrize("missing", [True, False])
def test_the_node_answers_what_lightgbm_answers(missing: bool) -> None:
    booster, rows = learnt(missing)
    forest = Forest(4, 2)
    forest.add(trees(booster)[:7], 0)
    forest.add(trees(booster), 1)
    model = forest.model([0.5, 0.0], {"ahead": "day"})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    asked = np.concatenate([rows, np.full((1, 4), np.nan, np.float32), np.zeros((1, 4), np.float32)])
    answers = session.run(None, {"rows": asked})[0]
    assert answers[:, 0] == pytest.approx(booster.predict(asked, num_iteration=7) + 0.5, abs=1e-4)
    assert answers[:, 1] == pytest.approx(booster.predict(asked), abs=1e-4)
    assert [node.op_type for node in load_from_string(model).graph.node] == ["TreeEnsembleRegressor"]
    assert session.get_modelmeta().custom_metadata_map == {"ahead": "day"}


def test_the_same_trees_are_the_same_bytes() -> None:
    booster, _ = learnt(missing=True)
    written = []
    for _ in range(2):
        forest = Forest(4, 1)
        forest.add(trees(booster), 0)
        written.append(forest.model([0.0], {"b": "2", "a": "1"}))
    assert written[0] == written[1]


@pytest.mark.parametrize("value", [0.1, -0.1, 1 / 3, 16_777_217.0, 1e-40, 1.5])
def test_a_threshold_decides_every_float_as_it_did(value: float) -> None:
    near = np.float32(value)
    for x in (near, np.nextafter(near, np.float32(9e9)), np.nextafter(near, np.float32(-9e9))):
        assert (float(x) <= value) == (x <= np.float32(floor32(value)))


def test_everything_is_below_a_threshold_beyond_all_floats() -> None:
    assert floor32(1e300) == float(np.finfo(np.float32).max)


def test_an_unknown_split_is_refused() -> None:
    leaf = {"leaf_value": 1.0}
    split = {
        "split_feature": 0, "threshold": "1||2", "decision_type": "==", "default_left": True, "missing_type": "None",
        "left_child": leaf, "right_child": leaf,
    }  # fmt: skip
    with pytest.raises(Invalid, match="=="):
        Forest(1, 1).add([split], 0)
