"""Reading a code from one camera frame: zxing-cpp first, pyzbar as second opinion, and whether anything is held up at all.

Pure work on one frame plus a slowly learned picture of the empty scene; when frames come and what sightings they make is
`devices/camera_source.py`. Runs in a worker thread (both readers and the JPEG decoder release the interpreter lock).
"""

import io
from ctypes.util import find_library

import msgspec
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

try:
    from pyzbar import pyzbar
except ImportError:  # the wheel is there, the system library libzbar0 is not
    pyzbar = None

Grey = NDArray[np.uint8]

FORMATS = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.MicroQRCode])
MAX_TEXT = 200
GRID = 16  # the empty scene is remembered as this many by this many mean brightnesses
OCCUPIED_LEVELS = 14.0  # grey levels by which a tile must differ from the empty scene to count as covered
OCCUPIED_SHARE = 0.06  # share of covered tiles from which something is held up
LEARNING = 0.05  # weight of a new empty frame in the remembered scene
LEARNING_COVERED = 0.001  # and of a covered one: a camera that was moved finds its new empty scene within minutes
SECOND_EVERY = 2  # the second reader (13-39 ms) looks at every so many frames that the first could not read


class Reading(msgspec.Struct, frozen=True):
    """One frame's outcome: the text, or None; and whether anything stands before the camera."""

    text: str | None
    occupied: bool


def zbar_problem() -> str | None:
    """Why the second reader is off and what to do, or None when it works."""
    if pyzbar is not None:
        return None
    found = "found but not loadable" if find_library("zbar") else "not installed"
    return f"libzbar0 is {found} - apt-get install libzbar0; until then zxing-cpp reads alone"


class CodeReader:
    """Reads the frames of one camera. Not to be used from two threads at once."""

    def __init__(self) -> None:
        self._empty: NDArray[np.float32] | None = None
        self._unread = 0

    def read(self, jpeg: bytes) -> Reading:
        """The frame's code. A frame that is no picture reads as nothing there. Never raises on outside bytes."""
        grey = _grey(jpeg)
        return Reading(None, occupied=False) if grey is None else self.read_grey(grey)

    def read_grey(self, grey: Grey) -> Reading:
        """Likewise for a picture of shape (height, width), 0 black to 255 white."""
        text = _first(grey)
        occupied = self._occupied(grey, text)
        if text is None and occupied:
            self._unread += 1
            if pyzbar is not None and self._unread % SECOND_EVERY == 0:
                text = _second(grey)
        if text is not None or not occupied:
            self._unread = 0
        return Reading(text, occupied)

    def _occupied(self, grey: Grey, text: str | None) -> bool:
        tiles = _tiles(grey)
        if self._empty is None:
            # The first frame is taken as the empty scene unless it shows a code: then nothing is known of the scene yet.
            if text is None:
                self._empty = tiles
            return text is not None
        # Light that changes everywhere (a cloud) is not something held up: compare against the median change.
        change = tiles - self._empty
        covered = float(np.mean(np.abs(change - np.median(change)) > OCCUPIED_LEVELS))
        occupied = text is not None or covered >= OCCUPIED_SHARE
        self._empty += (LEARNING_COVERED if occupied else LEARNING) * change
        return occupied


def _grey(jpeg: bytes) -> Grey | None:
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            image.draft("L", image.size)
            return np.asarray(image.convert("L"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _tiles(grey: Grey) -> NDArray[np.float32]:
    """Mean brightness on a coarse grid, shape (GRID, GRID); a border that does not divide evenly is left out."""
    height, width = (size - size % GRID for size in grey.shape)
    if height == 0 or width == 0:
        return np.zeros((GRID, GRID), dtype=np.float32)
    blocks = grey[:height:2, :width:2].reshape(GRID, height // GRID // 2 or 1, GRID, -1)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _first(grey: Grey) -> str | None:
    for code in zxingcpp.read_barcodes(grey, formats=FORMATS, text_mode=zxingcpp.TextMode.Plain):
        if _acceptable(code.text):
            return str(code.text)
    return None


def _second(grey: Grey) -> str | None:
    for code in pyzbar.decode(grey, symbols=[pyzbar.ZBarSymbol.QRCODE]):
        text = code.data.decode("ascii", errors="replace")
        if _acceptable(text):
            return str(text)
    return None


def _acceptable(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isascii() and text.isprintable()
