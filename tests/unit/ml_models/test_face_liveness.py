"""The liveness networks: what they look at, and the converted graphs against the network written out in numpy."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from onnx import numpy_helper

from ml_models.face_detector import Face, FaceDetector
from ml_models.face_liveness import CROPS, LivenessCheck, prepared, surroundings
from ml_models.manifest import load_manifest, pinned_bytes
from ml_models.pictures import Picture
from ml_models.session import Session

Array = np.ndarray[Any, Any]


def face_at(left: float, top: float, width: float, height: float) -> Face:
    return Face(left, top, width, height, np.zeros((5, 2)), 0.9)


def test_it_looks_at_the_face_with_its_surroundings_inside_the_picture() -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    assert surroundings(picture, face_at(250, 150, 100, 100), 2.0) == (200, 100, 400, 300)
    assert surroundings(picture, face_at(0, 0, 100, 100), 2.0) == (0, 0, 200, 200)  # moved in from the edge
    assert surroundings(picture, face_at(500, 300, 100, 100), 2.0) == (399, 199, 599, 399)
    left, top, right, bottom = surroundings(picture, face_at(200, 100, 200, 200), 4.0)  # no more than there is
    assert (left, top, right, bottom) == (100, 0, 499, 399)


def test_a_crop_is_bgr_of_80_by_80() -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    picture[..., 0], picture[..., 2] = 10, 30
    tensor = prepared(picture, face_at(250, 150, 100, 100), 2.7)
    assert tensor.shape == (1, 3, 80, 80)
    assert [float(tensor[0, channel].mean()) for channel in range(3)] == [30.0, 0.0, 10.0]


class Network:
    """MiniFASNet as its paper and source describe it, over the same weights."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights

    def convolved(self, x: Array, name: str, stride: int, padding: int) -> Array:
        weight = self.weights[f"{name}.weight"]
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        windows = sliding_window_view(x, weight.shape[2:], axis=(1, 2))[:, ::stride, ::stride]
        grouped: Array
        if weight.shape[1] == 1 and x.shape[0] > 1:
            grouped = np.einsum("chwij,cij->chw", windows, weight[:, 0])
        else:
            grouped = np.einsum("chwij,ocij->ohw", windows, weight)
        return grouped

    def normal(self, x: Array, name: str) -> Array:
        scale = self.weights[f"{name}.weight"] / np.sqrt(self.weights[f"{name}.running_var"] + 1e-5)
        shift = self.weights[f"{name}.bias"] - self.weights[f"{name}.running_mean"] * scale
        return (x.T * scale + shift).T

    def block(self, x: Array, name: str, stride: int = 1, padding: int = 0) -> Array:
        x = self.normal(self.convolved(x, f"{name}.conv", stride, padding), f"{name}.bn")
        slope = self.weights.get(f"{name}.prelu.weight")
        return x if slope is None else np.where(x > 0, x, x * slope)

    def depthwise(self, x: Array, name: str, stride: int) -> Array:
        x = self.block(x, f"{name}.conv")
        x = self.block(x, f"{name}.conv_dw", stride, 1)
        return self.block(x, f"{name}.project")

    def residual(self, x: Array, name: str) -> Array:
        y = self.depthwise(x, name, 1)
        squeeze = f"{name}.se_module"
        if f"{squeeze}.fc1.weight" in self.weights:
            pooled = y.mean(axis=(1, 2), keepdims=True)
            pooled = np.maximum(self.normal(self.convolved(pooled, f"{squeeze}.fc1", 1, 0), f"{squeeze}.bn1"), 0)
            pooled = self.normal(self.convolved(pooled, f"{squeeze}.fc2", 1, 0), f"{squeeze}.bn2")
            y = y / (1 + np.exp(-pooled))
        return x + y

    def probability(self, x: Array) -> Array:
        x = self.block(self.block(x, "conv1", 2, 1), "conv2_dw", 1, 1)
        for entrance, stage, blocks in (("conv_23", "conv_3", 4), ("conv_34", "conv_4", 6), ("conv_45", "conv_5", 2)):
            x = self.depthwise(x, entrance, 2)
            for number in range(blocks):
                x = self.residual(x, f"{stage}.model.{number}")
        x = self.block(self.block(x, "conv_6_sep"), "conv_6_dw")
        x = self.normal(x.reshape(-1) @ self.weights["linear.weight"], "bn") @ self.weights["prob.weight"]
        grown: Array = np.exp(x - x.max())
        return grown / grown.sum()


@pytest.mark.parametrize("name", [name for name, _ in CROPS])
def test_a_converted_graph_is_the_network(name: str, photographs: dict[str, Picture]) -> None:
    model = onnx.load_model_from_string(pinned_bytes(load_manifest().model(name)))
    network = Network({tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer})
    slopes = [key for key in network.weights if key.endswith("prelu.weight")]
    network.weights |= {key: network.weights[key].reshape(-1, 1, 1) for key in slopes}
    session = Session(name)
    picture = photographs["three"]
    (face,) = FaceDetector().detect(picture)
    chance = np.random.default_rng(8)
    for tensor in (prepared(picture, face, 2.7), chance.integers(0, 256, (1, 3, 80, 80)).astype(np.float32)):
        np.testing.assert_allclose(
            session.run(tensor)["probability"][0], network.probability(tensor[0].astype(np.float64)), atol=1e-4
        )


def test_photographs_of_people_are_judged_live(photographs: dict[str, Picture]) -> None:
    """Which says little: no attack is among them."""
    detector, check = FaceDetector(), LivenessCheck()
    scores = [check.judge(picture, detector.detect(picture)[0]).score for picture in photographs.values()]
    assert min(scores) > 0.5
    assert max(scores) <= 1.0
    assert [model.split("@")[0] for model in check.model_ids] == ["minifasnet-v2", "minifasnet-v1se"]
