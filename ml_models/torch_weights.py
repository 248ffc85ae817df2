"""Weights out of an old-style torch checkpoint (`.pth`), without torch and without running anything the file names.

A checkpoint is a pickle, which may call any function. This reader knows exactly the four names that a plain state dict needs
and refuses every other; tensors become float32 arrays. Layout: pickles of magic number, protocol, system facts, the state
dict and the storages' keys, then each storage as a 64-bit length and its raw little-endian elements (`torch/serialization.py`,
`_legacy_save`). Not for zip-style checkpoints.
"""

import io
import pickle
import struct
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from resort.errors import Invalid

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

Array = npt.NDArray[Any]


class _Storage:
    """One flat run of elements, filled in after the pickles are read."""

    def __init__(self, dtype: np.dtype[Any], length: int) -> None:
        self.dtype = dtype
        self.length = length
        self.elements: Array | None = None


class _Tensor:
    """A view into a storage, resolved once that is filled."""

    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> None:
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def resolve(self) -> Array:
        """Its own copy as an array. Raises Invalid when it is not a dense tensor inside its storage."""
        size = int(np.prod(self.shape, dtype=np.int64))
        dense = tuple(int(np.prod(self.shape[place + 1 :], dtype=np.int64)) for place in range(len(self.shape)))
        elements = self.storage.elements
        if elements is None or self.stride != dense or self.offset < 0 or self.offset + size > len(elements):
            raise Invalid("checkpoint", "a tensor does not lie densely in its storage")
        return elements[self.offset : self.offset + size].reshape(self.shape).copy()


class _Reader(pickle.Unpickler):
    """Unpickler of a state dict. `storages` by key, as they are named."""

    def __init__(self, file: io.BytesIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        """The four names of a plain state dict; everything else is refused."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise Invalid("checkpoint", f"it names {module}.{name}, which no plain weights need")

    def persistent_load(self, pid: Any) -> _Storage:
        """A storage's place holder: ("storage", dtype, key, device, length, view)."""
        kind, dtype, key, _device, length, view = pid
        if kind != "storage" or view is not None:
            raise Invalid("checkpoint", "a storage is shared in a way that is not understood")
        return self.storages.setdefault(key, _Storage(dtype, int(length)))


def read_weights(content: bytes) -> dict[str, Array]:
    """Arrays by name, without a leading `module.`. Raises Invalid for anything but an old-style checkpoint of tensors."""
    file = io.BytesIO(content)
    storages: dict[str, _Storage] = {}
    try:
        magic, protocol, system, state, keys = (_Reader(file, storages).load() for _ in range(5))
        if (magic, protocol) != (MAGIC, PROTOCOL) or not system["little_endian"]:
            raise Invalid("checkpoint", "it is not an old-style little-endian checkpoint")
        for key in keys:
            storage = storages[key]
            (length,) = struct.unpack("<q", file.read(8))
            if length != storage.length or length < 0:
                raise Invalid("checkpoint", "a storage has another length than was announced")
            storage.elements = np.frombuffer(file.read(length * storage.dtype.itemsize), storage.dtype, length)
        return {name.removeprefix("module."): tensor.resolve() for name, tensor in state.items()}
    except Invalid:
        raise
    except Exception as error:  # a pickle of nonsense may raise anything
        raise Invalid("checkpoint", f"it can't be read ({error})") from None
