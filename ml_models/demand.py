"""A demand model ready to run: P10, P50 and P90 of the persons who come in an hour, for many hours at once.

It checks the model before it opens it. What a row is made of: `demand_features`; how it was trained: docs/models.md.
"""

import lzma
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from ml_models.demand_features import Ahead, Rows, Series, columns, rows
from ml_models.manifest import MANIFEST, Manifest, load_manifest, pinned_bytes
from resort.errors import InvalidConfig, Unavailable

QUIET = 3  # onnxruntime's log severity: errors only
QUANTILES = (0.1, 0.5, 0.9)
Answers = npt.NDArray[np.float64]


class DemandModel:
    """One model. `model_id` goes wherever its answers go."""

    def __init__(self, content: bytes, model_id: str) -> None:
        """From the file's bytes. Raises InvalidConfig when it is no demand model or wants other rows than are made here."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = QUIET
        try:
            self._runtime = onnxruntime.InferenceSession(lzma.decompress(content), options, providers=["CPUExecutionProvider"])
        except Exception:  # onnxruntime's errors have no tree of their own
            raise InvalidConfig("demand model", f"{model_id} cannot be opened") from None
        about = self._runtime.get_modelmeta().custom_metadata_map
        self.model_id = model_id
        ahead = about.get("ahead")
        if ahead not in ("day", "hour") or about.get("columns", "").split() != list(columns(ahead)):
            raise InvalidConfig("demand model", f"{model_id} was trained for other rows than this version makes")
        self.ahead: Ahead = ahead

    @classmethod
    def shipped(cls, name: str, manifest: Manifest | None = None, folder: Path = MANIFEST.parent) -> "DemandModel":
        """A model of the manifest, checked. Raises PartMissing, InvalidConfig."""
        model = (manifest or load_manifest()).trained_model(name)
        return cls(pinned_bytes(model, folder), f"{name}@{model.sha256[:12]}")

    def run(self, of_rows: Rows) -> npt.NDArray[np.float32]:
        """What the trees answer to rows as `demand_features.rows` makes them: shape (n, 3), over the level, not in order yet.
        Raises Unavailable when the runtime fails."""
        try:
            answers: npt.NDArray[np.float32] = self._runtime.run(None, {"rows": of_rows})[0]
        except Exception as error:  # likewise
            raise Unavailable("The demand model", str(error).split("\n")[0]) from None
        return answers

    def forecast(self, series: Series, begin: int = 0) -> Answers:
        """Persons in each hour of the series, shape (hours, 3) as P10, P50, P90, rising; NaN before `begin` and where the
        four weeks before are not known. Hours to come stand in the series as NaN. Raises Invalid, Unavailable."""
        of_rows, level = rows(series, self.ahead)
        answers = np.full((len(level), len(QUANTILES)), np.nan)
        wanted = np.flatnonzero(~np.isnan(level[begin:])) + begin
        if len(wanted):
            answers[wanted] = np.sort(np.maximum(self.run(of_rows[wanted]), 0.0), axis=1) * level[wanted, None]
        return answers
