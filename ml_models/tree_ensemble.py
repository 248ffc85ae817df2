"""Boosted trees as one ONNX node: from LightGBM's own description of its trees to `TreeEnsembleRegressor`, exactly.

LightGBM compares doubles, the node floats. As rows are floats, a threshold rounded down to the next float decides each row as
the double did; rounding to the nearest, as converters do, would not. For training only: needs `onnx`, and knows no LightGBM.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from resort.errors import Invalid

OPSET, ML_OPSET, IR = 21, 3, 10
INPUT, OUTPUT = "rows", "answers"
FINITE = np.finfo(np.float32)
NODE = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")
Tree = Mapping[str, Any]  # a node as `Booster.dump_model()` describes it


class Forest:
    """Collects trees of several outputs and writes them as one node: shape (n, columns) in, (n, outputs) out."""

    def __init__(self, width: int, outputs: int) -> None:
        self._width = width
        self._outputs = outputs
        self._nodes: dict[str, list[Any]] = {name: [] for name in NODE}
        self._targets: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
        self._trees = 0

    def add(self, trees: Sequence[Tree], output: int) -> None:
        """Trees whose leaves are summed into that output. Raises Invalid for a kind of split that is not known here."""
        for tree in trees:
            self._numbered = 0
            self._node(tree, output)
            self._trees += 1

    def model(self, shifts: Sequence[float], about: Mapping[str, str]) -> bytes:
        """The whole as ONNX; `shifts` are added to the outputs, each of which needs a tree; `about` goes along."""
        told: dict[str, Any] = {f"nodes_{name}": values for name, values in self._nodes.items()}
        told |= {f"target_{name}": values for name, values in self._targets.items()}
        told |= {"n_targets": self._outputs, "base_values": [float(shift) for shift in shifts]}
        node = helper.make_node("TreeEnsembleRegressor", [INPUT], [OUTPUT], domain="ai.onnx.ml", **told)
        graph = helper.make_graph(
            [node],
            "trees",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", self._width])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", self._outputs])],
        )
        imports = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model: ModelProto = helper.make_model(graph, opset_imports=imports, ir_version=IR, producer_name="snowgate")
        helper.set_model_props(model, dict(sorted(about.items())))
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _node(self, node: Tree, output: int) -> int:
        """Write a node and all below it; its number within the tree."""
        number, self._numbered = self._numbered, self._numbered + 1
        if "split_feature" not in node:
            self._write(number, 0, "LEAF", 0.0, 0)
            for name, value in zip(self._targets, (self._trees, number, output, float(node["leaf_value"])), strict=True):
                self._targets[name].append(value)
            return number
        if node["decision_type"] != "<=":
            raise Invalid("tree", f"a split by {node['decision_type']} is not known")
        threshold = floor32(float(node["threshold"]))
        # Where training saw no missing value, LightGBM takes one for 0.
        left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0.0
        place = self._write(number, int(node["split_feature"]), "BRANCH_LEQ", threshold, int(left))
        self._nodes["truenodeids"][place] = self._node(node["left_child"], output)
        self._nodes["falsenodeids"][place] = self._node(node["right_child"], output)
        return number

    def _write(self, number: int, feature: int, mode: str, threshold: float, missing_left: int) -> int:
        values = (self._trees, number, feature, mode, threshold, 0, 0, missing_left)
        for name, value in zip(self._nodes, values, strict=True):
            self._nodes[name].append(value)
        return len(self._nodes["treeids"]) - 1


def floor32(value: float) -> float:
    """The largest 32-bit float that is not above the value: `x <= value` and `x <= floor32(value)` agree for every float x."""
    near = np.float32(np.clip(value, FINITE.min, FINITE.max))  # LightGBM writes 1e300 where all but the missing go left
    return float(near if float(near) <= value else np.nextafter(near, np.float32(-np.inf)))
