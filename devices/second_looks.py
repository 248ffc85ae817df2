"""What may be done to a picture in which no code was read at first sight, in the order in which it is worth trying.

Each look is a pure function of one grey picture. The order and the costs were measured on photographs and on the scenes of
`benchmarks/reader_scenes.py`; docs/devices.md has the figures.
"""

from collections.abc import Callable

import msgspec
import numpy as np
from PIL import Image, ImageFilter

from devices.code_engines import FIXED, GLOBAL, Box, Found, Grey, zbar, zxing

# A picture that was enlarged for a look may be this large, in pixels; above it the look would cost a tenth of a second.
MAX_ENLARGED = 6_000_000


class Look(msgspec.Struct, frozen=True):
    """One way to look again. `cost` is in milliseconds for a million pixels of the picture it is given, about."""

    name: str
    cost: float
    read: Callable[[Grey], Found | None]


def sharpened(grey: Grey, radius: float, percent: int) -> Grey:
    """Edges that a lens out of focus has smeared, steeper again."""
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.UnsharpMask(radius, percent, 0)))


def smoothed(grey: Grey, radius: float) -> Grey:
    """Without the grain of little light, and with the dots of a needle printer run together."""
    return np.asarray(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(radius)))


def levelled(grey: Grey, radius: int) -> Grey:
    """Every neighbourhood of `radius` pixels at the same brightness and contrast: glare, shadow and dusk taken away.

    The mean becomes 128 and the mean distance from it 60 grey levels.
    """
    picture = Image.fromarray(grey)
    around = ImageFilter.BoxBlur(radius)
    distance = np.asarray(grey, dtype=np.float32) - np.asarray(picture.filter(around), dtype=np.float32)
    # Doubled and halved around the filter: it works in whole grey levels, of which the dark has few.
    doubled = np.minimum(np.abs(distance) * 2, 255).astype(np.uint8)
    contrast = np.asarray(Image.fromarray(doubled).filter(around), dtype=np.float32) / 2 + 4
    return np.clip(128 + distance * (60 / contrast), 0, 255).astype(np.uint8)


def enlarged(grey: Grey) -> Grey:
    """Twice as wide and as high."""
    height, width = grey.shape
    return np.asarray(Image.fromarray(grey).resize((width * 2, height * 2), Image.Resampling.BICUBIC))


def halved(grey: Grey) -> Grey:
    """Half as wide and as high, each pixel the mean of four."""
    return np.asarray(Image.fromarray(grey).reduce(2))


def _scaled(found: Found | None, factor: float) -> Found | None:
    """What was read in a picture that had been scaled, with its place in the picture itself."""
    if found is None:
        return None
    left, top, right, bottom = (round(at * factor) for at in found.box)
    return msgspec.structs.replace(found, box=(left, top, right, bottom))


def _at_double_size(read: Callable[[Grey], Found | None]) -> Callable[[Grey], Found | None]:
    def look(grey: Grey) -> Found | None:
        return None if grey.size * 4 > MAX_ENLARGED else _scaled(read(enlarged(grey)), 0.5)

    return look


LOOKS = (
    Look("sharpened", 25, lambda grey: zxing(sharpened(grey, 4, 300))),
    Look("zbar", 36, zbar),
    Look("levelled", 24, lambda grey: zxing(levelled(grey, 10), FIXED)),
    Look("one threshold", 2, lambda grey: zxing(grey, GLOBAL)),
    Look("levelled widely", 18, lambda grey: zxing(levelled(grey, 25), GLOBAL)),
    Look("zbar, halved", 12, lambda grey: _scaled(zbar(halved(grey)), 2.0)),
    Look("enlarged and sharpened", 110, _at_double_size(lambda grey: zxing(sharpened(grey, 8, 400)))),
    Look("zbar, levelled", 60, lambda grey: zbar(levelled(grey, 25))),
    Look("sharpened finely", 25, lambda grey: zxing(sharpened(grey, 2, 250))),
    Look("smoothed", 16, lambda grey: zxing(smoothed(grey, 2))),
    Look("zbar, smoothed", 40, lambda grey: zbar(smoothed(grey, 1))),
    Look("zbar, enlarged and sharpened", 160, _at_double_size(lambda grey: zbar(sharpened(grey, 8, 400)))),
)


def crop(grey: Grey, box: Box) -> Grey:
    """That part of the picture; the box lies within it."""
    left, top, right, bottom = box
    return np.ascontiguousarray(grey[top:bottom, left:right])


def moved(found: Found, where: Box) -> Found:
    """What was read in the part `where` of a picture, with its place in the whole."""
    left, top = where[:2]
    box = (found.box[0] + left, found.box[1] + top, found.box[2] + left, found.box[3] + top)
    return msgspec.structs.replace(found, box=box)
