"""One onnxruntime session over a pinned model: checked before it is opened, one thread, no arena.

An inference actor does one call at a time on a core that lanes share, so a session must not spawn threads that spin; and its
memory goes back after each call, as frames differ in size. What both cost stands in docs/faces.md.
"""

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import onnxruntime

from ml_models.manifest import MANIFEST, Manifest, load_manifest, pinned_bytes
from resort.errors import Unavailable

Tensor = npt.NDArray[np.float32]
QUIET = 3  # onnxruntime's log severity: errors only


class Session:
    """A model that is ready to run. `model_id` goes into journals beside scores.

    Raises PartMissing when its file is missing or another one, InvalidConfig for a manifest that can't be read.
    """

    def __init__(self, name: str, manifest: Manifest | None = None, folder: Path = MANIFEST.parent) -> None:
        model = (manifest or load_manifest()).model(name)
        self.model_id = f"{name}@{model.sha256[:12]}"
        self._runtime = onnxruntime.InferenceSession(
            pinned_bytes(model, folder), _options(), providers=["CPUExecutionProvider"]
        )
        self._input = self._runtime.get_inputs()[0].name
        self.outputs: tuple[str, ...] = tuple(item.name for item in self._runtime.get_outputs())

    def run(self, tensor: Tensor) -> dict[str, Tensor]:
        """Every output by name, for the model's one input. Raises Unavailable when the runtime fails."""
        try:
            values: list[Any] = self._runtime.run(self.outputs, {self._input: tensor})
        except Exception as error:  # onnxruntime's errors have no tree of their own
            raise Unavailable("The face model", str(error).split("\n")[0]) from None
        return {name: cast(Tensor, value) for name, value in zip(self.outputs, values, strict=True)}


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.log_severity_level = QUIET
    return options
