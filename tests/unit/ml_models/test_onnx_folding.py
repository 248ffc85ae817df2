"""Folding against ONNX's own reference evaluator, which carries out block dequantisation by the letter of the standard."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ml_models.onnx_folding import dequantise, fold, split_prelu
from resort.errors import Invalid

SHAPES: dict[str, list[int | str]] = {"data": ["n", 6], "fc1": ["n", 4]}


def quantised_model(chance: np.random.Generator) -> bytes:
    """data [1, 6] through a weight of int8 blocks of 4 along axis 1 (the last one short), reshaped, and listed as an input."""
    constants = {
        "w_quantised": chance.integers(-128, 128, (2, 12)).astype(np.int8),
        "w_scale": chance.random((2, 3), np.float32) + 0.01,
        "w_zero": chance.integers(-5, 5, (2, 3)).astype(np.int8),
        "w_shape": np.array([6, 4], np.int64),
        "bias": chance.random(4, np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["w_quantised", "w_scale", "w_zero"], ["w_flat"], axis=1, block_size=4),
        helper.make_node("Reshape", ["w_flat", "w_shape"], ["w"]),
        helper.make_node("Gemm", ["data", "w", "bias"], ["fc1"]),
    ]
    inputs = [
        helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 6]),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, [6, 4]),
        helper.make_tensor_value_info("bias", TensorProto.FLOAT, [4]),
    ]
    outputs = [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 4])]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "quantised", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def test_a_folded_model_says_what_the_standard_says() -> None:
    chance = np.random.default_rng(3)
    content = quantised_model(chance)
    folded = onnx.load_model_from_string(fold(content, SHAPES))
    assert [node.op_type for node in folded.graph.node] == ["Gemm"]
    assert [item.name for item in folded.graph.input] == ["data"]
    assert [tensor.name for tensor in folded.graph.initializer] == ["bias", "w"]
    original = onnx.load_model_from_string(content)
    del original.graph.input[1:]  # the reference evaluator wants every input fed
    reference = ReferenceEvaluator(original)
    session = onnxruntime.InferenceSession(fold(content, SHAPES), providers=["CPUExecutionProvider"])
    for _ in range(5):
        data = chance.standard_normal((1, 6)).astype(np.float32)
        np.testing.assert_allclose(session.run(None, {"data": data})[0], reference.run(None, {"data": data})[0], rtol=1e-5)
    assert session.run(None, {"data": np.zeros((3, 6), np.float32)})[0].shape == (3, 4)


def test_the_same_model_folds_to_the_same_bytes() -> None:
    content = quantised_model(np.random.default_rng(3))
    assert fold(content, SHAPES) == fold(content, SHAPES)


def test_one_scale_for_each_place_is_dequantised_too() -> None:
    quantised = np.array([[1, 2], [3, 4]], np.int8)
    per_row = dequantise(quantised, np.array([2.0, 10.0], np.float32), np.array([1, 0], np.int8), axis=0, block=0)
    np.testing.assert_array_equal(per_row, [[0, 2], [30, 40]])


def test_a_dequantisation_at_run_time_is_refused() -> None:
    model = onnx.load_model_from_string(quantised_model(np.random.default_rng(3)))
    model.graph.node[0].input[0] = "data"
    with pytest.raises(Invalid, match="DequantizeLinear"):
        fold(model.SerializeToString(), SHAPES)


def test_a_prelu_in_parts_is_the_prelu() -> None:
    slopes = np.array([-0.8, 0.0, 0.25, 1.0, 1.12], np.float32).reshape(5, 1, 1)
    nodes, constants = split_prelu("x", "slope", "y", slopes)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 5, 4, 4]) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "prelu", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    x = np.random.default_rng(6).standard_normal((1, 5, 4, 4)).astype(np.float32)
    (y,) = ReferenceEvaluator(model).run(None, {"x": x})
    np.testing.assert_allclose(y, np.where(x > 0, x, x * slopes), atol=1e-6)
