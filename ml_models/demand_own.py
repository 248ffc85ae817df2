"""Demand models that a resort trained on its own arrivals: where they lie and what is known of each.

`demand.json` in the folder names at most one model for each way of looking ahead, with the digest of its file. A file is
written before it is named, so a power cut leaves the one before serving.
"""

import hashlib
from datetime import date
from pathlib import Path

import msgspec

from ml_models.demand import DemandModel
from ml_models.demand_features import Ahead
from resort.errors import InvalidConfig

NAMES = "demand.json"


class OwnModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model: its file and digest, what it learnt from, up to which day, and how it and the others did when it was tried."""

    ahead: Ahead
    file: str
    sha256: str
    data: str
    trained_to: date
    seed: int
    wape: dict[str, float]

    @property
    def model_id(self) -> str:
        """Goes wherever its answers go."""
        return f"demand-{self.ahead}-own@{self.sha256[:12]}"

    def opened(self, folder: Path) -> DemandModel:
        """Ready to run. Raises InvalidConfig when the file is missing, another one or of another version."""
        try:
            content = (folder / self.file).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise InvalidConfig("demand model", f"{self.file} is not the file that {NAMES} names")
        return DemandModel(content, self.model_id)


def own_models(folder: Path) -> list[OwnModel]:
    """The models that serve instead of the shipped ones. Raises InvalidConfig when the list cannot be read."""
    try:
        return msgspec.json.decode((folder / NAMES).read_bytes(), type=list[OwnModel])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidConfig("demand models", f"{NAMES} cannot be read: {error}") from None


def keep(model: OwnModel, content: bytes, folder: Path) -> None:
    """Let this model serve in place of the one that looks as far ahead. Raises InvalidConfig."""
    others = [kept for kept in own_models(folder) if kept.ahead != model.ahead]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in ((model.file, content), (NAMES, msgspec.json.format(msgspec.json.encode([*others, model])))):
            fresh = folder / f"{name}.new"
            fresh.write_bytes(body)
            fresh.replace(folder / name)
    except OSError as error:
        raise InvalidConfig("demand models", f"{folder.name} cannot be written: {error.strerror}") from None
