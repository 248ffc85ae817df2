"""Block-quantised ONNX models made plain: float32 weights as initialisers, as onnxruntime loads and optimises them.

OpenCV Zoo's `*_int8bq.onnx` keep each weight as int8 blocks with a scale and zero point (DequantizeLinear with `block_size`,
then Reshape), and some list every weight as a graph input too, which onnxruntime may not fold. The arithmetic of the blocks
is carried out here once: (quantised - zero point) x scale, in float32, as ONNX defines it. Needs `onnx`; not for run time.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from resort.errors import Invalid

IR_VERSION = 10  # what opset 21 needs at least
Array = npt.NDArray[Any]
Shapes = dict[str, list[int | str]]  # by name of input and output; a word where a dimension is free


def fold(content: bytes, shapes: Shapes) -> bytes:
    """The model with every DequantizeLinear (and Reshape) of constants carried out, and every PRelu as simpler operators.

    `shapes` gives each real input and output its shape, a name where a dimension is free. Same bytes for the same input.
    Raises Invalid when a dequantised weight is left over.
    """
    model = onnx.load_model_from_string(content)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    left = [node for node in model.graph.node if not _folded(node, constants)]
    if any(node.op_type == "DequantizeLinear" for node in left):
        raise Invalid("model", "a DequantizeLinear does not stand on constants")
    left = [part for node in left for part in _without_prelu(node, constants)]
    used = {name for node in left for name in node.input}
    graph = helper.make_graph(
        left,
        model.graph.name,
        [_value(item.name, shapes) for item in model.graph.input if item.name in used - set(constants)],
        [_value(item.name, shapes) for item in model.graph.output],
        [numpy_helper.from_array(constants[name], name) for name in sorted(used & set(constants))],
    )
    return finished(graph, model.opset_import)


def finished(graph: onnx.GraphProto, opsets: Iterable[onnx.OperatorSetIdProto]) -> bytes:
    """The checked model around a graph, as bytes that depend on nothing else. Raises Invalid."""
    model = helper.make_model(graph, opset_imports=list(opsets), ir_version=IR_VERSION, producer_name="snowgate")
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise Invalid("model", str(error).split("\n")[0]) from None
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def split_prelu(source: str, slope: str, output: str, slopes: Array) -> tuple[list[onnx.NodeProto], dict[str, Array]]:
    """PRelu as slope x source + (1 - slope) x Relu(source), and the two constants for it.

    The same function for any slope. onnxruntime's PRelu is slow: with it SFace takes 29 ms, with this 14.
    """
    rest = f"{slope}.rest"
    constants = {slope: slopes.astype(np.float32), rest: np.float32(1.0) - slopes.astype(np.float32)}
    nodes = [
        helper.make_node("Relu", [source], [f"{output}.positive"]),
        helper.make_node("Mul", [f"{output}.positive", rest], [f"{output}.bent"]),
        helper.make_node("Mul", [source, slope], [f"{output}.straight"]),
        helper.make_node("Add", [f"{output}.straight", f"{output}.bent"], [output]),
    ]
    return nodes, constants


def _without_prelu(node: onnx.NodeProto, constants: dict[str, Array]) -> list[onnx.NodeProto]:
    if node.op_type != "PRelu" or node.input[1] not in constants:
        return [node]
    nodes, more = split_prelu(node.input[0], node.input[1], node.output[0], constants[node.input[1]])
    constants.update(more)
    return nodes


def _value(name: str, shapes: Shapes) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shapes[name])


def _folded(node: onnx.NodeProto, constants: dict[str, Array]) -> bool:
    """Carry the node out if it makes a weight of constants; its outcome joins them."""
    if node.op_type not in ("DequantizeLinear", "Reshape") or any(name not in constants for name in node.input):
        return False
    values = [constants[name] for name in node.input]
    if node.op_type == "Reshape":
        constants[node.output[0]] = values[0].reshape(values[1].tolist())
    else:
        options = {item.name: helper.get_attribute_value(item) for item in node.attribute}
        constants[node.output[0]] = dequantise(*values, axis=options.get("axis", 1), block=options.get("block_size", 0))
    return True


def dequantise(quantised: Array, scale: Array, zero_point: Array, *, axis: int, block: int) -> npt.NDArray[np.float32]:
    """(quantised - zero_point) x scale; both have a value per `block` elements along `axis` (0: per place)."""
    if block:
        places = [slice(None)] * quantised.ndim
        places[axis] = slice(0, quantised.shape[axis])
        scale, zero_point = (np.repeat(part, block, axis=axis)[tuple(places)] for part in (scale, zero_point))
    elif scale.ndim == 1 and quantised.ndim > 1:
        shape = [1] * quantised.ndim
        shape[axis] = -1
        scale, zero_point = scale.reshape(shape), zero_point.reshape(shape)
    difference = quantised.astype(np.int32) - zero_point.astype(np.int32)
    return difference.astype(np.float32) * scale.astype(np.float32)
