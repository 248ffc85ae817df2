"""From the bytes of a picture to its grey levels, for whoever reads codes in it. Takes any bytes and never raises."""

import io
import struct
from typing import Final

import numpy as np
from PIL import Image, JpegImagePlugin

from devices.code_engines import Grey

# In pixels; a telephone's photographs have 12 million. A JPEG of more is decoded at a half or a quarter, which costs no more.
MAX_PIXELS = 16_000_000
MAX_JPEG_PIXELS = 16 * MAX_PIXELS
_BROKEN: Final = (OSError, SyntaxError, ValueError, KeyError, IndexError, struct.error)
_PNG, _WEBP = b"\x89PNG\r\n\x1a\n", b"RIFF"


def grey_of_jpeg(jpeg: bytes) -> Grey | None:
    """The picture of shape (height, width), 0 black to 255 white; None for what is no JPEG, cut off or a giant."""
    # The plug-in itself and not Image.open: what calls itself a camera shall not choose among Pillow's fifty decoders.
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg)) as image:
            pixels = image.width * image.height
            if pixels > MAX_JPEG_PIXELS:
                return None
            shrink = next(share for share in (1, 2, 4) if pixels <= MAX_PIXELS * share * share)
            image.draft("L", (image.width // shrink, image.height // shrink))
            return np.asarray(image.convert("L"))
    except _BROKEN:
        return None


def grey_of(picture: bytes) -> Grey | None:
    """Likewise for a JPEG, PNG or WebP file, such as a photograph from a folder; what is transparent is white."""
    if not picture.startswith((_PNG, _WEBP)):
        return grey_of_jpeg(picture)
    try:
        with Image.open(io.BytesIO(picture), formats=("PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            if not image.has_transparency_data:
                return np.asarray(image.convert("L"))
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(image.convert("RGBA"))
            return np.asarray(paper.convert("L"))
    except (*_BROKEN, Image.DecompressionBombError):
        return None


def grey_of_file(picture: bytes) -> Grey | None:
    """Likewise for a file that somebody chose, which may also be a GIF, BMP or TIFF. Not for what cameras send."""
    if (grey := grey_of(picture)) is not None or picture.startswith((_PNG, _WEBP)):
        return grey
    try:
        with Image.open(io.BytesIO(picture), formats=("GIF", "BMP", "TIFF")) as image:
            return None if image.width * image.height > MAX_PIXELS else np.asarray(image.convert("L"))
    except (*_BROKEN, Image.DecompressionBombError):
        return None
