"""The score of odd scans and the drift of a day, ready to run: two ensembles of trees, each one ONNX node.

`AbnormalModel` tells how likely a row of `resort/scan_oddities.py` is part of an attack; `DriftModel` how far a row is from
what training saw, and nothing about guilt. Both are checked before they are opened. How they were trained: docs/models.md.
"""

import lzma
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ml_models.manifest import MANIFEST, Manifest, load_manifest, pinned_bytes
from resort.errors import InvalidConfig, Unavailable
from resort.scan_oddities import COLUMNS

SCORE, DRIFT = "abnormal-score", "abnormal-drift"
QUIET = 3  # onnxruntime's log severity: errors only
Rows = npt.NDArray[np.float32]


class _Trees:
    def __init__(self, content: bytes, model_id: str) -> None:
        """From the file's bytes. Raises InvalidConfig when it is no such model or wants other rows than are made here."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        try:
            self._runtime = onnxruntime.InferenceSession(lzma.decompress(content), options, providers=["CPUExecutionProvider"])
        except Exception:  # onnxruntime's errors have no tree of their own
            raise InvalidConfig("abnormal model", f"{model_id} cannot be opened") from None
        self.about = self._runtime.get_modelmeta().custom_metadata_map
        self.model_id = model_id
        if self.about.get("columns", "").split() != list(COLUMNS):
            raise InvalidConfig("abnormal model", f"{model_id} was trained for other rows than this version makes")

    def answers(self, rows: Rows) -> Rows:
        """One number a row, shape (n,). Raises Unavailable when the runtime fails."""
        try:
            found: Rows = self._runtime.run(None, {"rows": rows})[0]
        except Exception as error:  # likewise
            raise Unavailable("The abnormal model", str(error).split("\n")[0]) from None
        return found[:, 0]

    def number(self, name: str) -> float:
        """A number that training wrote into the file. Raises InvalidConfig."""
        try:
            return float(self.about[name])
        except (KeyError, ValueError):
            raise InvalidConfig("abnormal model", f"{self.model_id} does not tell its {name}") from None


class AbnormalModel(_Trees):
    """The score. From `threshold` on it is an alert by itself."""

    def __init__(self, content: bytes, model_id: str) -> None:
        super().__init__(content, model_id)
        self.threshold = self.number("threshold")

    @classmethod
    def shipped(cls, manifest: Manifest | None = None, folder: Path = MANIFEST.parent) -> "AbnormalModel":
        """The model of the manifest, checked. Raises PartMissing, InvalidConfig."""
        return cls(*_pinned(SCORE, manifest, folder))

    def scores(self, rows: Rows | Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
        """How likely each row, shape (n, columns), is of an attack: (n,) from 0 to 1. Raises Unavailable."""
        margins = self.answers(np.asarray(rows, dtype=np.float32))
        return 1.0 / (1.0 + np.exp(-margins.astype(np.float64)))


class DriftModel(_Trees):
    """An isolation forest (Liu, Ting and Zhou 2008) as one node: how deep rows lie, against how deep training's rows lay."""

    def __init__(self, content: bytes, model_id: str) -> None:
        super().__init__(content, model_id)
        self._shallow = self.number("shallow")  # one in twenty of training's honest rows is not deeper than this

    @classmethod
    def shipped(cls, manifest: Manifest | None = None, folder: Path = MANIFEST.parent) -> "DriftModel":
        """The model of the manifest, checked. Raises PartMissing, InvalidConfig."""
        return cls(*_pinned(DRIFT, manifest, folder))

    def strange(self, rows: Rows | Sequence[Sequence[float]]) -> npt.NDArray[np.bool_]:
        """Which rows are as far out as one in twenty of training's were. Raises Unavailable."""
        return self.answers(np.asarray(rows, dtype=np.float32)) <= self._shallow


def _pinned(name: str, manifest: Manifest | None, folder: Path) -> tuple[bytes, str]:
    model = (manifest or load_manifest()).trained_model(name)
    return pinned_bytes(model, folder), f"{name}@{model.sha256[:12]}"
