"""The manifest's word on the model files: missing, altered and true ones."""

import hashlib
from pathlib import Path

import pytest

from ml_models.manifest import Manifest, Origin, PinnedModel, load_manifest, pinned_bytes, problems
from resort.errors import InvalidConfig, PartMissing

ORIGIN = Origin("carrier", "carrier/weights", "0" * 64, "fold_sface")


def manifest(content: bytes) -> Manifest:
    return Manifest([], [PinnedModel("one", "one.onnx", hashlib.sha256(content).hexdigest(), "MIT", "a test", ORIGIN)])


def test_every_model_of_this_version_is_there_as_pinned() -> None:
    models = load_manifest()
    assert {model.name for model in models.models} == {"yunet-2023mar", "sface-2021dec", "minifasnet-v2", "minifasnet-v1se"}
    assert problems(models) == []
    assert all(models.package(model.made_from.package).sha256 for model in models.models)
    assert {model.licence for model in models.models} == {"MIT", "Apache-2.0"}


def test_a_missing_model_is_told_in_a_sentence(tmp_path: Path) -> None:
    assert problems(manifest(b"weights"), tmp_path) == ["one.onnx is missing"]
    with pytest.raises(PartMissing, match="make install"):
        pinned_bytes(manifest(b"weights").model("one"), tmp_path)


def test_an_altered_model_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(b"weightz")
    assert problems(manifest(b"weights"), tmp_path) == ["one.onnx is not the pinned file"]
    with pytest.raises(PartMissing, match="not the pinned file"):
        pinned_bytes(manifest(b"weights").model("one"), tmp_path)


def test_the_true_model_is_read(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(b"weights")
    assert problems(manifest(b"weights"), tmp_path) == []
    assert pinned_bytes(manifest(b"weights").model("one"), tmp_path) == b"weights"


@pytest.mark.parametrize("content", ["models: []\npackages: []\nextra: 1\n", "models: 3\n", ": :", "models:\n  - {name: a}\n"])
def test_nonsense_is_a_config_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.yaml").write_text(content)
    with pytest.raises(InvalidConfig):
        load_manifest(tmp_path / "manifest.yaml")


def test_unknown_names_are_config_errors() -> None:
    with pytest.raises(InvalidConfig, match="no model is called two"):
        manifest(b"").model("two")
    with pytest.raises(InvalidConfig, match="no package is called two"):
        manifest(b"").package("two")
