"""Pictures as arrays: reading, scaling and warping. A picture is uint8 [height, width, 3], RGB.

Nothing here knows faces. Scaling down averages over what it leaves out, so that a face looks alike from far and near cameras.
"""

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from resort.errors import Invalid

Picture = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]  # [2, 3], of an affine map
LARGEST_PIXELS = 50_000_000
SMALLEST_SIDE = 16


def open_picture(content: bytes) -> Picture:
    """An upright RGB picture of JPEG, PNG or WebP bytes. Raises Invalid."""
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise Invalid("picture", f"it has more than {LARGEST_PIXELS // 1_000_000} million pixels")
            upright = ImageOps.exif_transpose(image)
            return checked(np.asarray(upright.convert("RGB")))
    except Invalid:
        raise
    except Exception:  # a spoilt file may make Pillow raise anything
        raise Invalid("picture", "it is not a readable JPEG, PNG or WebP picture") from None


def checked(picture: npt.NDArray[Any]) -> Picture:
    """The same array, known to be a picture. Raises Invalid."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise Invalid("picture", "it is not an RGB picture of 8 bits a colour")
    if min(picture.shape[:2]) < SMALLEST_SIDE:
        raise Invalid("picture", f"it is less than {SMALLEST_SIDE} pixels wide or high")
    return picture


def scaled(picture: Picture, width: int, height: int) -> Picture:
    """The picture in another size; averaged where that is smaller."""
    if (width, height) == (picture.shape[1], picture.shape[0]):
        return picture
    image = Image.fromarray(picture)
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def warped(picture: Picture, matrix: Matrix, width: int, height: int, *, average: bool = True) -> Picture:
    """The picture under an affine map from its own pixel centres to those of the outcome; black outside.

    Bilinear. With `average`, where the map makes things smaller by two or more, the picture is averaged down first by whole
    steps.
    """
    shrinking = 1.0 / max(1e-6, math.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    step = max(1, math.floor(shrinking)) if average else 1
    image = Image.fromarray(picture)
    if step > 1:
        image = image.reduce(step)
    linear = np.linalg.inv(matrix[:, :2])
    # Back from the outcome's coordinates, where a pixel's centre lies at a half, to the picture's, then to the reduced one's.
    shift = linear @ (-matrix[:, 2] - 0.5) + 0.5
    back = np.hstack([linear, shift[:, None]]) / step
    image = image.transform((width, height), Image.Transform.AFFINE, tuple(back.ravel().tolist()), Image.Resampling.BILINEAR)
    return np.asarray(image)


def luma(picture: Picture) -> npt.NDArray[np.float32]:
    """Brightness 0..255 of each pixel (ITU-R BT.601)."""
    return (picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)).astype(np.float32)
