"""MiniFASNet as an ONNX graph, built from the weights of a state dict alone.

The network (minivision, Silent-Face-Anti-Spoofing, Apache-2.0): a stem, four stages of inverted residual blocks (the V1SE
variant ends each stage with squeeze-and-excitation), a 5 x 5 depthwise head, 128 features, 3 classes (1 = live). Layer sizes
follow from the weights. Input `image` [n, 3, 80, 80] BGR 0..255, output `probability` [n, 3]. Needs `onnx`; not for run time.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from ml_models.onnx_folding import finished, split_prelu

OPSET = 17
STAGES = (("conv_23", "conv_3"), ("conv_34", "conv_4"), ("conv_45", "conv_5"))
EPSILON = 1e-5  # torch's default of BatchNorm
Array = npt.NDArray[Any]


class _Graph:
    """Nodes and weights as they are added; every method returns its outcome's name."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, Array] = {}

    def weight(self, name: str, value: Array | None = None) -> str:
        """Put a weight into the graph, as it stands in the checkpoint or reshaped."""
        self.initialisers[name] = (self.weights[name] if value is None else value).astype(np.float32)
        return name

    def node(self, kind: str, inputs: list[str], output: str, **options: Any) -> str:
        """Add one operator."""
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **options))
        return output

    def convolution(self, name: str, source: str, *, stride: int = 1, padding: int = 0) -> str:
        """A convolution without bias; grouped where its weights have one input channel only."""
        shape = self.weights[f"{name}.weight"].shape
        return self.node(
            "Conv",
            [source, self.weight(f"{name}.weight")],
            name,
            kernel_shape=list(shape[2:]),
            strides=[stride, stride],
            pads=[padding] * 4,
            group=shape[0] if shape[1] == 1 and shape[0] > 1 else 1,
        )

    def normalised(self, name: str, source: str) -> str:
        """Batch normalisation with its stored statistics."""
        parts = [self.weight(f"{name}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", [source, *parts], name, epsilon=EPSILON)

    def block(self, name: str, source: str, *, stride: int = 1, padding: int = 0) -> str:
        """Convolution and normalisation, with a PReLU where the checkpoint has one."""
        outcome = self.convolution(f"{name}.conv", source, stride=stride, padding=padding)
        outcome = self.normalised(f"{name}.bn", outcome)
        slope = f"{name}.prelu.weight"
        if slope not in self.weights:
            return outcome
        nodes, constants = split_prelu(outcome, slope, f"{name}.prelu", self.weights[slope].reshape(-1, 1, 1))
        self.nodes += nodes
        self.initialisers |= constants
        return f"{name}.prelu"

    def depthwise(self, name: str, source: str, *, stride: int, residual: bool) -> str:
        """Expand, filter by channel, project; residual blocks add their source, after squeeze-and-excitation where it is."""
        outcome = self.block(f"{name}.conv", source)
        outcome = self.block(f"{name}.conv_dw", outcome, stride=stride, padding=1)
        outcome = self.block(f"{name}.project", outcome)
        if not residual:
            return outcome
        if f"{name}.se_module.fc1.weight" in self.weights:
            outcome = self.excited(f"{name}.se_module", outcome)
        return self.node("Add", [source, outcome], f"{name}.sum")

    def excited(self, name: str, source: str) -> str:
        """Squeeze-and-excitation: each channel weighed by what the whole picture says."""
        outcome = self.node("GlobalAveragePool", [source], f"{name}.pool")
        outcome = self.normalised(f"{name}.bn1", self.convolution(f"{name}.fc1", outcome))
        outcome = self.node("Relu", [outcome], f"{name}.relu")
        outcome = self.normalised(f"{name}.bn2", self.convolution(f"{name}.fc2", outcome))
        outcome = self.node("Sigmoid", [outcome], f"{name}.sigmoid")
        return self.node("Mul", [source, outcome], f"{name}.scaled")


def minifasnet(weights: Mapping[str, Array]) -> bytes:
    """The model of a MiniFASNet checkpoint. Raises Invalid, KeyError when a layer's weights are missing."""
    graph = _Graph(weights)
    outcome = graph.block("conv1", "image", stride=2, padding=1)
    outcome = graph.block("conv2_dw", outcome, padding=1)
    for entrance, stage in STAGES:
        outcome = graph.depthwise(entrance, outcome, stride=2, residual=False)
        number = 0
        while f"{stage}.model.{number}.conv.conv.weight" in weights:
            outcome = graph.depthwise(f"{stage}.model.{number}", outcome, stride=1, residual=True)
            number += 1
    outcome = graph.block("conv_6_dw", graph.block("conv_6_sep", outcome))
    outcome = graph.node("Flatten", [outcome], "flat")
    outcome = graph.node("MatMul", [outcome, graph.weight("linear.weight", weights["linear.weight"].T)], "linear")
    outcome = graph.normalised("bn", outcome)
    outcome = graph.node("MatMul", [outcome, graph.weight("prob.weight", weights["prob.weight"].T)], "prob")
    graph.node("Softmax", [outcome], "probability", axis=1)
    made = helper.make_graph(
        graph.nodes,
        "minifasnet",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 3, 80, 80])],
        [helper.make_tensor_value_info("probability", onnx.TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in sorted(graph.initialisers.items())],
    )
    return finished(made, [helper.make_opsetid("", OPSET)])
