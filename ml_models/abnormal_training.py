"""Training the score of odd scans (LightGBM) and the drift signal (an isolation forest), each as one ONNX node.

Same rows, seed and version of LightGBM: same bytes. Where the rows come from is not this file's concern. Needs the extra
`train`.
"""

import math

import lightgbm
import numpy as np
import numpy.typing as npt

from ml_models.abnormal import Rows
from ml_models.tree_ensemble import Forest
from resort.scan_oddities import COLUMNS

TREES, LEAVES, RATE = 80, 15, 0.1
ISOLATING_TREES, SAMPLE = 100, 256
EULER = 0.5772156649
Labels = npt.NDArray[np.float64]


def train_score(rows: Rows, guilty: Labels, seed: int, threshold: float) -> bytes:
    """The score as ONNX: its answer is the margin, of which the logistic function is the chance. `threshold` goes along."""
    settings: dict[str, object] = {
        "objective": "binary",
        "boost_from_average": False,  # the margin is the sum of the leaves then, and nothing besides
        "learning_rate": RATE,
        "num_leaves": LEAVES,
        "min_child_samples": 20,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "seed": seed,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, guilty), TREES)
    forest = Forest(len(COLUMNS), 1)
    forest.add([tree["tree_structure"] for tree in booster.dump_model()["tree_info"]], 0)
    return forest.model([0.0], _about(seed) | {"threshold": repr(threshold)})


def train_drift(rows: Rows, seed: int) -> bytes:
    """The forest over rows of honest days: its answer is the mean depth at which a row is alone."""
    dice = np.random.default_rng(seed)
    forest = Forest(len(COLUMNS), 1)
    depths = np.zeros(len(rows))
    limit = math.ceil(math.log2(SAMPLE))
    for _ in range(ISOLATING_TREES):
        sample = rows[dice.choice(len(rows), min(SAMPLE, len(rows)), replace=False)]
        tree = _isolate(sample, 0, limit, dice)
        forest.add([tree], 0)
        depths += _depths(tree, rows)
    shallow = float(np.quantile(depths, 0.05))
    return forest.model([0.0], _about(seed) | {"shallow": repr(shallow)})


def _isolate(rows: Rows, depth: int, limit: int, dice: np.random.Generator) -> dict[str, object]:
    """A node as LightGBM writes one; a leaf's value is its share of the mean depth."""
    spread = np.flatnonzero(rows.max(axis=0) > rows.min(axis=0)) if len(rows) else np.array([], dtype=np.int64)
    if depth >= limit or len(rows) <= 1 or not len(spread):
        return {"leaf_value": (depth + _unsplit(len(rows))) / ISOLATING_TREES}
    column = int(dice.choice(spread))
    low, high = rows[:, column].min(), rows[:, column].max()
    threshold = float(np.float32(dice.uniform(low, np.nextafter(high, low))))
    threshold = min(threshold, float(np.nextafter(high, low)))
    left = rows[:, column] <= threshold
    return {
        "split_feature": column,
        "decision_type": "<=",
        "threshold": threshold,
        "missing_type": "None",
        "default_left": True,
        "left_child": _isolate(rows[left], depth + 1, limit, dice),
        "right_child": _isolate(rows[~left], depth + 1, limit, dice),
    }


def _unsplit(number: int) -> float:
    """The mean depth of a random search tree of so many rows: what was not split is taken to be that deep."""
    return 2.0 * (math.log(number - 1) + EULER) - 2.0 * (number - 1) / number if number > 2 else float(number == 2)


def _depths(tree: dict[str, object], rows: Rows) -> npt.NDArray[np.float64]:
    found = np.zeros(len(rows))
    waiting: list[tuple[dict[str, object], npt.NDArray[np.intp]]] = [(tree, np.arange(len(rows)))]
    while waiting:
        node, members = waiting.pop()
        if "leaf_value" in node:
            found[members] = node["leaf_value"]  # type: ignore[call-overload]  # a node's fields
            continue
        left = rows[members, node["split_feature"]] <= node["threshold"]  # type: ignore[index,operator]  # a node's fields
        waiting.append((node["left_child"], members[left]))  # type: ignore[arg-type]
        waiting.append((node["right_child"], members[~left]))  # type: ignore[arg-type]
    return found


def _about(seed: int) -> dict[str, str]:
    return {"columns": " ".join(COLUMNS), "seed": str(seed)}
