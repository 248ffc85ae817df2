"""The two decoders, zxing-cpp and zbar, behind one small face: the code in a grey picture, or None.

What is done to a picture before it is shown to them is `devices/second_looks.py`; when it is, `devices/code_reader.py`.
"""

from ctypes.util import find_library

import msgspec
import numpy as np
import zxingcpp
from numpy.typing import NDArray

try:
    from pyzbar import pyzbar
except ImportError:  # the wheel is there, the system library libzbar0 is not
    pyzbar = None

Grey = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom are outside

LONGEST_EDGE = 65_535  # what zxing-cpp takes, in pixels
MAX_TEXT = 7_089  # ISO/IEC 18004: no QR code holds more characters
# Not `QRCode`: to zxing-cpp 3 that is rectangular and micro codes, too, which it finds by chance in pictures worked on.
_QR = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCodeModel2, zxingcpp.BarcodeFormat.QRCodeModel1])
_QR_AND_MICRO = zxingcpp.BarcodeFormats([*_QR, zxingcpp.BarcodeFormat.MicroQRCode])
_PLAIN = zxingcpp.TextMode.Plain
QR_CODE = str(zxingcpp.BarcodeFormat.QRCode)
LEAST_MICRO_TEXT = 4  # shorter texts are of the smallest kinds, whose error correction is next to none
LOCAL, GLOBAL, FIXED = zxingcpp.Binarizer.LocalAverage, zxingcpp.Binarizer.GlobalHistogram, zxingcpp.Binarizer.FixedThreshold


class Found(msgspec.Struct, frozen=True, gc=False):
    """A code that was read, and where it lies in the picture."""

    text: str
    box: Box
    symbology: str = QR_CODE


def zbar_problem() -> str | None:
    """Why the second reader is off and what to do, or None when it works."""
    if pyzbar is not None:
        return None
    found = "found but not loadable" if find_library("zbar") else "not installed"
    return f"libzbar0 is {found} - apt-get install libzbar0; until then zxing-cpp reads alone"


def zxing(grey: Grey, binarizer: zxingcpp.Binarizer = LOCAL, *, micro: bool = False, inverted: bool = True) -> Found | None:
    """The largest code: the one that is held up, not the poster behind.

    `micro`: Micro QR codes count, too; `inverted`: and so do light ones on dark.
    """
    if min(grey.shape) < 1 or max(grey.shape) > LONGEST_EDGE:
        return None
    codes = zxingcpp.read_barcodes(
        grey,
        formats=_QR_AND_MICRO if micro else _QR,
        text_mode=_PLAIN,
        binarizer=binarizer,
        try_invert=inverted,
    )
    return _foremost([Found(code.text, _box(code), str(code.format)) for code in codes if _counts(code)]) if codes else None


def any_symbology(grey: Grey) -> Found | None:
    """Likewise a code of any kind that zxing-cpp knows. For people who ask what a picture holds: no lane reads those, as the
    checks of some bar codes are so weak that they are found by chance."""
    if min(grey.shape) < 1 or max(grey.shape) > LONGEST_EDGE:
        return None
    codes = zxingcpp.read_barcodes(grey, text_mode=_PLAIN)
    return _foremost([Found(code.text, _box(code), str(code.format)) for code in codes if code.text])


def zbar(grey: Grey) -> Found | None:
    """Likewise by zbar; None also where it is not installed.

    Only ASCII counts: zbar guesses the character set of anything else, and guesses wrong.
    """
    if pyzbar is None:
        return None
    try:
        codes = pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])
    except ValueError:
        return None  # pyzbar 0.1.9 knows no orientation for the parts of a text that is spread over several codes
    texts = [(code.data, code.rect) for code in codes if code.data and code.data.isascii()]
    found = [Found(data.decode("ascii"), (at.left, at.top, at.left + at.width, at.top + at.height)) for data, at in texts]
    return _foremost(found)


def _counts(code: zxingcpp.Barcode) -> bool:
    least = LEAST_MICRO_TEXT if code.format == zxingcpp.BarcodeFormat.MicroQRCode else 1
    return len(code.text) >= least


def _foremost(found: list[Found]) -> Found | None:
    """The largest one. A code that has another within it is only the frame around that one."""
    inner = [one for one in found if not any(_within(other.box, one.box) for other in found if other is not one)]
    return max(inner or found, key=_area, default=None)


def _within(inner: Box, outer: Box) -> bool:
    return outer[0] < inner[0] and outer[1] < inner[1] and inner[2] < outer[2] and inner[3] < outer[3]


def _box(code: zxingcpp.Barcode) -> Box:
    at = code.position
    corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
    across, down = [corner.x for corner in corners], [corner.y for corner in corners]
    return min(across), min(down), max(across), max(down)


def _area(found: Found) -> int:
    left, top, right, bottom = found.box
    return (right - left) * (bottom - top)
