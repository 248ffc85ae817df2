"""Reading a code from one camera frame: zxing-cpp first, second opinions when it finds none, and whether anything is held up.

Work on one frame plus a slowly learned picture of the empty scene; when frames come and what sightings they make is
`devices/camera_source.py`. Runs in a worker thread (both readers and the JPEG decoder release the interpreter lock).
"""

import io
import struct
from ctypes.util import find_library

import msgspec
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

try:
    from pyzbar import pyzbar
except ImportError:  # the wheel is there, the system library libzbar0 is not
    pyzbar = None

Grey = NDArray[np.uint8]

# In pixels a little over 4K. A camera that sends more is set up wrongly; decoding it would hold the lane up.
MAX_PIXELS = 9_000_000
MAX_TEXT = 200
SECOND_EVERY = 2  # a second opinion (10-40 ms) on every so many frames in a row that zxing-cpp could not read
ENLARGE_UP_TO = 800  # frames up to this width are also read at double size
_FORMATS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.MicroQRCode])

# The empty scene is remembered as the texture of tiles: a code has many strong edges, an empty lane, a coat or a cloud few.
TEXTURE_WIDTH = 320  # frames are averaged down to about this width first, which takes sensor noise away
TILE_PX = 20  # edge of a tile in the averaged frame
RISE_LEVELS = 6.0  # mean grey step between neighbours by which a tile must exceed the empty scene's,
RISE_FACTOR = 2.0  # and how many times as much as the empty scene it must have
COVERED_ENTER = 0.025  # share of tiles from which something is held up
COVERED_LEAVE = 0.012  # and below which it is gone: one value for both would flicker
LEARNING = 0.05  # weight of a new empty frame in the remembered scene
LEARNING_COVERED = 0.001  # and of a covered one: a camera that was moved finds its new empty scene within minutes


class Reading(msgspec.Struct, frozen=True):
    """One frame's outcome: the text, or None; and whether something like a code is held up."""

    text: str | None
    occupied: bool


def zbar_problem() -> str | None:
    """Why the second reader is off and what to do, or None when it works."""
    if pyzbar is not None:
        return None
    found = "found but not loadable" if find_library("zbar") else "not installed"
    return f"libzbar0 is {found} - apt-get install libzbar0; until then zxing-cpp reads alone"


class CodeReader:
    """Reads the frames of one camera. Not to be used from two threads at once.

    Costs about 3 ms for a frame that zxing-cpp reads or that is empty. Frames that show something and stay unread get
    second opinions in turn (double size, pyzbar), each on one of `second_every` frames, which bounds what they cost.
    """

    def __init__(self, second_every: int = SECOND_EVERY) -> None:
        self.second_opinions = 0
        self._second_every = second_every
        self._empty: NDArray[np.float32] | None = None
        self._occupied = False
        self._unread = 0

    def read(self, jpeg: bytes) -> Reading:
        """The frame's code. A frame that is no picture reads as nothing there. Never raises on outside bytes."""
        grey = _grey(jpeg)
        return Reading(None, occupied=False) if grey is None else self.read_grey(grey)

    def read_grey(self, grey: Grey) -> Reading:
        """Likewise for a picture of shape (height, width), 0 black to 255 white."""
        text = _zxing(grey)
        self._look(grey, has_text=text is not None)
        if text is None and self._occupied:
            self._unread += 1
            if self._unread % self._second_every == 0:
                text = self._second_opinion(grey)
        if text is not None or not self._occupied:
            self._unread = 0
        return Reading(text, text is not None or self._occupied)

    def _second_opinion(self, grey: Grey) -> str | None:
        turn, self.second_opinions = self.second_opinions, self.second_opinions + 1
        may_enlarge = grey.shape[1] <= ENLARGE_UP_TO
        if pyzbar is not None and (turn % 2 == 1 or not may_enlarge):
            return _zbar(grey)
        return _zxing(_enlarged(grey)) if may_enlarge else None

    def _look(self, grey: Grey, *, has_text: bool) -> None:
        """Learn the empty scene, and tell whether this frame has much more texture than it."""
        tiles = _texture(grey)
        if self._empty is None or self._empty.shape != tiles.shape:
            # The first frame is taken for empty unless a code was read in it. If something unreadable was held up just
            # then, it will be missed; the scene is learned right as soon as it is gone.
            self._empty = None if has_text else tiles
            self._occupied = False
            return
        covered = (tiles > self._empty * RISE_FACTOR) & (tiles > self._empty + RISE_LEVELS)
        share = float(covered.mean()) if covered.size else 0.0
        self._occupied = share >= (COVERED_LEAVE if self._occupied else COVERED_ENTER)
        self._empty += (LEARNING_COVERED if self._occupied or has_text else LEARNING) * (tiles - self._empty)


def _grey(jpeg: bytes) -> Grey | None:
    # The plug-in itself and not Image.open: what calls itself a camera shall not choose among Pillow's fifty decoders.
    try:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg)) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("L", image.size)
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError, KeyError, IndexError, struct.error):
        return None


def _texture(grey: Grey) -> NDArray[np.float32]:
    """Mean grey step between neighbours in each tile, shape (rows, columns); a rest at the border is left out."""
    small = np.asarray(Image.fromarray(grey).reduce(max(1, round(grey.shape[1] / TEXTURE_WIDTH))), dtype=np.int16)
    rows, columns = (size // TILE_PX for size in (small.shape[0] - 1, small.shape[1] - 1))
    if rows < 1 or columns < 1:
        return np.zeros((0, 0), dtype=np.float32)
    small = small[: rows * TILE_PX + 1, : columns * TILE_PX + 1]
    steps = np.abs(small[:-1, 1:] - small[:-1, :-1]) + np.abs(small[1:, :-1] - small[:-1, :-1])
    texture: NDArray[np.float32] = steps.reshape(rows, TILE_PX, columns, TILE_PX).mean(axis=(1, 3), dtype=np.float32)
    return texture


def _enlarged(grey: Grey) -> Grey:
    height, width = grey.shape
    return np.asarray(Image.fromarray(grey).resize((width * 2, height * 2), Image.Resampling.BICUBIC))


def _zxing(grey: Grey) -> str | None:
    """The text of the largest code with an acceptable one: the one that is held up, not the poster behind."""
    if min(grey.shape) < 1:
        return None
    found = zxingcpp.read_barcodes(
        grey,
        formats=_FORMATS,
        text_mode=zxingcpp.TextMode.Plain,
        binarizer=zxingcpp.Binarizer.LocalAverage,
        try_rotate=True,
        try_downscale=True,
        try_invert=True,
    )
    readable = [code for code in found if _acceptable(code.text)]
    return max(readable, key=_diagonal).text if readable else None


def _diagonal(code: zxingcpp.Barcode) -> int:
    """The square of the code's diagonal, in pixels."""
    one, other = code.position.top_left, code.position.bottom_right
    return int((one.x - other.x) ** 2 + (one.y - other.y) ** 2)


def _zbar(grey: Grey) -> str | None:
    found = pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE])
    texts = [(code.rect.width * code.rect.height, code.data.decode("ascii", errors="replace")) for code in found]
    readable = [(area, text) for area, text in texts if _acceptable(text)]
    return str(max(readable)[1]) if readable else None


def _acceptable(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isascii() and text.isprintable()
