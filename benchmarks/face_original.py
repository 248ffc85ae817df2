"""What OpenCV says of aligned faces with the model as OpenCV Zoo ships it: the reference for our folded one.

A program of its own, `python -m benchmarks.face_original MODEL FACES.npy OUT.npy`, run by `face_reference.py` with OpenCV on
its path: no process of the resort loads OpenCV.
"""

import sys

import cv2
import numpy as np


def main(model: str, faces_file: str, out_file: str) -> None:
    """FACES: uint8 [n, 112, 112, 3] RGB. OUT: float32 [n, 128], not of length 1."""
    recognizer = cv2.FaceRecognizerSF.create(model, "")
    faces = np.load(faces_file)
    np.save(out_file, np.stack([recognizer.feature(np.ascontiguousarray(face[:, :, ::-1]))[0] for face in faces]))
    sys.stdout.write(f"{cv2.__version__}\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
