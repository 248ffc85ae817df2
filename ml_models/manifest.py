"""The pinned models: what `manifest.yaml` promises, checked against the files before any session opens one."""

import hashlib
from pathlib import Path

import msgspec
import yaml

from resort.errors import InvalidConfig

MANIFEST = Path(__file__).parent / "manifest.yaml"


class PinnedModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model file beside the manifest: its digest, licence and where it came from."""

    name: str
    file: str
    sha256: str
    licence: str
    source: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every model that this version ships."""

    models: list[PinnedModel]


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
        path = folder / model.file
        if not path.is_file():
            found.append(f"{model.file} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != model.sha256:
            found.append(f"{model.file} is not the pinned file")
    return found
