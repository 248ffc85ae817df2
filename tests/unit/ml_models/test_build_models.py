"""Making model files: from a package on a shelf to the pinned bytes, once."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ml_models.build_models import SFACE, build
from ml_models.manifest import Manifest, Origin, PinnedModel, PinnedPackage, problems
from ml_models.onnx_folding import fold
from resort.errors import Bug, PartMissing
from tests.unit.ml_models.wheels import put_wheel

MEMBER = "carrier/model.onnx"


def original() -> bytes:
    """Something of SFace's shape, one weight of it quantised."""
    constants = {
        "q": np.array([[1], [2], [3]], np.int8),
        "s": np.full((3, 1), 0.5, np.float32),
        "z": np.zeros((3, 1), np.int8),
        "shape": np.array([1, 3, 1, 1], np.int64),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["flat"], axis=1, block_size=1),
        helper.make_node("Reshape", ["flat", "shape"], ["w"]),
        helper.make_node("Mul", ["data", "w"], ["weighed"]),
        helper.make_node("ReduceMean", ["weighed"], ["fc1"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


@pytest.fixture
def manifest(shelf: Path) -> Manifest:
    """Of one model in one package on the shelf."""
    wheel = put_wheel(shelf, "carrier", {MEMBER: original()})
    origin = Origin("carrier", MEMBER, hashlib.sha256(original()).hexdigest(), "fold_sface")
    made = hashlib.sha256(fold(original(), SFACE)).hexdigest()
    package = PinnedPackage("carrier", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest())
    return Manifest([package], [PinnedModel("small", "models/small.onnx", made, "MIT", "a test", origin)])


def test_models_are_made_once(manifest: Manifest, shelf: Path, tmp_path: Path) -> None:
    said: list[str] = []
    build(manifest, tmp_path, said.append)
    assert said == ["downloading carrier 1.0 …", "models/small.onnx is made"]
    assert problems(manifest, tmp_path) == []
    session = onnxruntime.InferenceSession((tmp_path / "models/small.onnx").read_bytes(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"data": np.full((1, 3, 112, 112), 2, np.float32)})[0] == pytest.approx(2.0)
    (shelf / "carrier-1.0-py3-none-any.whl").unlink()  # what is there is not fetched again
    build(manifest, tmp_path, said.append)
    assert len(said) == 2


def test_a_broken_model_is_made_anew(manifest: Manifest, tmp_path: Path) -> None:
    build(manifest, tmp_path, str)
    (tmp_path / "models/small.onnx").write_bytes(b"half a fi")
    build(manifest, tmp_path, str)
    assert problems(manifest, tmp_path) == []


def test_a_recipe_that_makes_another_file_writes_none(manifest: Manifest, tmp_path: Path) -> None:
    pinned = manifest.models[0]
    other = PinnedModel(pinned.name, pinned.file, "0" * 64, pinned.licence, pinned.source, pinned.made_from)
    with pytest.raises(Bug, match="another digest"):
        build(Manifest(manifest.packages, [other]), tmp_path, str)
    assert not (tmp_path / "models").exists()


def test_without_the_package_there_is_one_sentence(manifest: Manifest, shelf: Path, tmp_path: Path) -> None:
    (shelf / "carrier-1.0-py3-none-any.whl").unlink()
    with pytest.raises(PartMissing, match=r"carrier==1\.0"):
        build(manifest, tmp_path, str)
