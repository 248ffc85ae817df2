"""Checkpoints read without torch: the values, and that nothing a file names is ever called."""

import os
import pickle
import struct
import sys
from collections import OrderedDict
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ml_models.torch_weights import MAGIC, PROTOCOL, read_weights
from resort.errors import Invalid


class Storage:
    """Stands for a torch storage in the pickle."""

    def __init__(self, kind: str, key: str, values: np.ndarray[Any, Any]) -> None:
        self.kind, self.key, self.values = kind, key, values


class Tensor:
    """Pickles as torch does: a call of `torch._utils._rebuild_tensor_v2`."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.parts = (storage, offset, shape, stride, False, OrderedDict())

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"].__dict__["_rebuild_tensor_v2"], self.parts


class Writer(pickle._Pickler):  # type: ignore[name-defined,misc] # the one written in Python lets a class go by another name
    """Writes storages as persistent ids."""

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Storage):
            return ("storage", sys.modules["torch"].__dict__[obj.kind], obj.key, "cpu", len(obj.values), None)
        return None


@pytest.fixture
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names for the pickler to find when it writes; the reader must do without."""
    torch, utilities = ModuleType("torch"), ModuleType("torch._utils")

    def _rebuild_tensor_v2() -> None:
        """Never called."""

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utilities.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    for kind in ("FloatStorage", "LongStorage", "HalfStorage"):
        torch.__dict__[kind] = type(kind, (), {"__module__": "torch"})
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)


def checkpoint(tmp_path: Any, state: dict[str, Any], storages: list[Storage], *, magic: int = MAGIC) -> bytes:
    path = tmp_path / "weights.pth"
    with path.open("wb") as file:
        for value in (magic, PROTOCOL, {"little_endian": True}, OrderedDict(state), [storage.key for storage in storages]):
            Writer(file, 2).dump(value)
        for storage in storages:
            file.write(struct.pack("<q", len(storage.values)) + storage.values.tobytes())
    content: bytes = path.read_bytes()
    return content


@pytest.mark.usefixtures("_torch")
def test_tensors_come_out_by_name_shape_and_value(tmp_path: Any) -> None:
    numbers = Storage("FloatStorage", "a", np.arange(8, dtype="<f4"))
    count = Storage("LongStorage", "b", np.array([7], "<i8"))
    state = {"module.w": Tensor(numbers, 2, (2, 3), (3, 1)), "module.n": Tensor(count, 0, (), ())}
    weights = read_weights(checkpoint(tmp_path, state, [numbers, count]))
    assert list(weights) == ["w", "n"]
    np.testing.assert_array_equal(weights["w"], [[2, 3, 4], [5, 6, 7]])
    assert weights["n"] == 7


@pytest.mark.usefixtures("_torch")
@pytest.mark.parametrize(("offset", "shape", "stride"), [(4, (2, 3), (3, 1)), (-1, (2,), (1,)), (0, (2, 3), (1, 2))])
def test_tensors_outside_or_across_their_storage_are_refused(
    tmp_path: Any, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    numbers = Storage("FloatStorage", "a", np.arange(8, dtype="<f4"))
    with pytest.raises(Invalid, match="densely"):
        read_weights(checkpoint(tmp_path, {"w": Tensor(numbers, offset, shape, stride)}, [numbers]))


class Evil:
    """Runs a command when it is unpickled by somebody who allows it."""

    def __init__(self, proof: Any) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.proof}",)


@pytest.mark.usefixtures("_torch")
def test_nothing_that_a_file_names_is_called(tmp_path: Any) -> None:
    content = checkpoint(tmp_path, {"w": Evil(tmp_path / "ran")}, [])
    with pytest.raises(Invalid, match="system"):
        read_weights(content)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("_torch")
def test_other_files_are_refused(tmp_path: Any) -> None:
    halves = Storage("HalfStorage", "a", np.zeros(2, "<f2"))
    with pytest.raises(Invalid, match="HalfStorage"):
        read_weights(checkpoint(tmp_path, {"w": Tensor(halves, 0, (2,), (1,))}, [halves]))
    with pytest.raises(Invalid, match="old-style"):
        read_weights(checkpoint(tmp_path, {}, [], magic=5))


@pytest.mark.usefixtures("_torch")
def test_any_cut_or_flip_of_a_file_is_invalid_or_read_but_never_a_traceback(tmp_path: Any) -> None:
    numbers = Storage("FloatStorage", "a", np.arange(8, dtype="<f4"))
    content = checkpoint(tmp_path, {"w": Tensor(numbers, 0, (2, 4), (4, 1))}, [numbers])
    for cut in range(len(content)):
        with pytest.raises(Invalid):
            read_weights(content[:cut])
    chance = np.random.default_rng(1)
    for _ in range(2000):
        bent = bytearray(content)
        bent[chance.integers(len(bent))] ^= int(chance.integers(1, 256))
        try:
            read_weights(bytes(bent))
        except Invalid:
            continue
