"""What a lane's camera shows when nobody is there, learned as it goes; whether something is held up, and how the light is.

Looks at a thin lattice of lines, a tenth of the frame: it runs on every frame and must cost little beside a decoder that takes
a third of a millisecond. Decodes nothing and knows no time.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.code_engines import Box, Grey
from resort.ports import CameraView

# The empty scene is remembered as the texture of tiles: a code has many strong edges, an empty lane, a coat or a cloud few.
TEXTURE_WIDTH = 320  # lines are averaged down to about this width first, which takes sensor noise away
TILE_PX = 20  # edge of a tile in the averaged frame
LINES_A_TILE = 2
EDGE_LEVELS = 24.0  # no step counts for more: a coat has one steep edge where a code has many
RISE_LEVELS = 6.0  # twice the mean grey step between neighbours by which a tile must exceed the empty scene's,
RISE_FACTOR = 2.0  # and how many times as much as the empty scene it must have
FULL_LIGHT, LEAST_LIGHT = 60.0, 0.2  # the mean grey level that these limits are for; and the least share of it that counts
COVERED_ENTER = 0.025  # share of tiles from which something is held up
COVERED_LEAVE = 0.012  # and below which it is gone: one value for both would flicker
LEARN_EVERY = 4  # frames of a quiet lane: the limits that the others are held against are renewed then
LEARNING = 0.19  # weight of such an empty frame in the remembered scene
LEARNING_COVERED = 0.001  # and of a covered one: a camera that was moved finds its new empty scene within minutes

DARK_MEAN = 22.0  # grey level below which no reader works reliably
WHITE, GLARE_SHARE = 250.0, 0.25  # so much of the picture is white
DULL_SHARE = 0.5  # edges and contrast below this share of the clean lens's
DULL_LOOKS = 12  # so many looks in a row: one guest in a white coat is no dirt
LIGHT_EVERY = 8  # the light is judged on one of so many frames: half a second at 15 frames/s
GAIN, LOSS = 0.05, 1e-5  # the clean lens is learned quickly when it is clearer, and forgotten within about a day when it is not


class LaneScene:
    """One camera's scene. `look` at every frame, in their order; then `occupied`, `covered` and `view` say how it stands."""

    def __init__(self) -> None:
        self.occupied = False
        self.covered: Box | None = None  # where something is held up, with a margin
        self.view: CameraView | None = None
        self._empty: NDArray[np.float32] | None = None
        self._limits: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
        self._brightness = 1.0  # of the empty scene
        self._looks = 0
        self._clean: tuple[float, float] | None = None  # sharpness and contrast of the empty scene through a clean lens
        self._dull = 0

    @property
    def known(self) -> bool:
        """Whether an empty scene was seen yet, so that anything can be told from it."""
        return self._empty is not None

    def look(self, grey: Grey, *, has_text: bool) -> None:
        """Learn the empty scene, and tell whether this frame has much more texture than it."""
        sample = _sample(grey)
        tiles = _texture(sample)
        if self._empty is None or self._empty.shape != tiles.shape:
            # The first frame is taken for empty unless a code was read in it. If something unreadable was held up just
            # then, it will be missed; the scene is learned right as soon as it is gone.
            self._empty = None if has_text else tiles
            self._brightness, self._looks = _brightness(sample), 0
            self.occupied, self.covered = False, None
            return
        due = self._looks % LEARN_EVERY == 0
        if due or self.occupied:
            self._limits = self._limits_now(tiles, _brightness(sample))
        risen = tiles > self._limits
        share = int(np.count_nonzero(risen)) / max(1, risen.size)
        self.occupied = share >= (COVERED_LEAVE if self.occupied else COVERED_ENTER)
        self.covered = _around(risen, grey.shape) if self.occupied else None
        if due or self.occupied:
            weight = LEARNING_COVERED if self.occupied or has_text else LEARNING
            self._empty += weight * (tiles - self._empty)
            self._brightness += weight * (_brightness(sample) - self._brightness)
        self._looks += 1
        if self._looks % LIGHT_EVERY == 0:
            self.view = self._judge(_view(sample), empty=not (self.occupied or has_text))

    def _limits_now(self, tiles: NDArray[np.float32], brightness: float) -> NDArray[np.float32]:
        """The most texture that each tile may have while nothing is held up.

        A light that goes out takes texture away in proportion, and leaves the grain: a tile must also exceed what is common
        in this very frame. In the dark a code has few grey levels, and little is much.
        """
        assert self._empty is not None
        dimmed = min(1.0, max(LEAST_LIGHT, brightness / self._brightness))
        common = np.partition(tiles, tiles.size * 3 // 10, axis=None)[tiles.size * 3 // 10] if tiles.size else 0.0
        usual = np.maximum(self._empty * dimmed, common)
        rise = RISE_LEVELS * min(1.0, max(LEAST_LIGHT, brightness / FULL_LIGHT))
        limits: NDArray[np.float32] = np.maximum(usual * RISE_FACTOR, usual + rise)
        return limits

    def _judge(self, seen: CameraView, *, empty: bool) -> CameraView:
        """Tell nobody there from a lens that shows nobody: what an empty scene has of edges stays, unless the lens lost it."""
        if seen.brightness < DARK_MEAN:
            return msgspec.structs.replace(seen, state="dark")
        if seen.white > GLARE_SHARE:
            return msgspec.structs.replace(seen, state="glare")
        if empty:
            self._dull = self._dull + 1 if self._lost(seen) else 0
        return msgspec.structs.replace(seen, state="dull") if self._dull >= DULL_LOOKS else seen

    def _lost(self, seen: CameraView) -> bool:
        """Whether edges and contrast both are far below what the clean lens showed, which is learned here."""
        if self._clean is None:
            self._clean = (seen.sharpness, seen.contrast)
        sharp, contrast = self._clean
        self._clean = _drifted(sharp, seen.sharpness), _drifted(contrast, seen.contrast)
        return seen.sharpness < sharp * DULL_SHARE and seen.contrast < contrast * DULL_SHARE


def _drifted(clean: float, seen: float) -> float:
    return clean + (GAIN if seen > clean else LOSS) * (seen - clean)


def _step(grey: Grey) -> int:
    """How many pixels are averaged into one, either way."""
    return max(1, round(int(grey.shape[1]) / TEXTURE_WIDTH))


def _sample(grey: Grey) -> NDArray[np.int16]:
    """Lines of the frame, `LINES_A_TILE` for each row of whole tiles, a pixel the mean of step x step; a rest is left out."""
    step = _step(grey)
    tile = TILE_PX * step
    rows, columns = grey.shape[0] // tile, grey.shape[1] // tile
    if rows < 1 or columns < 1:
        return np.zeros((0, 0), dtype=np.int16)
    pitch = tile // LINES_A_TILE
    lines = grey[: rows * tile, : columns * tile]
    sums = lines[::pitch].astype(np.int16)  # the sum of up to 12 x 12 grey levels fits
    for line in range(1, step):
        sums += lines[line::pitch]
    wide: NDArray[np.int16] = sums[:, ::step].copy()
    for column in range(1, step):
        wide += sums[:, column::step]
    if step > 1:
        wide //= step * step
    return wide


def _brightness(sample: NDArray[np.int16]) -> float:
    return float(sample[::2, ::8].mean()) + 1 if sample.size else 1.0


def _texture(sample: NDArray[np.int16]) -> NDArray[np.float32]:
    """Twice the mean grey step between neighbours in each tile, shape (rows, columns)."""
    if not sample.size:
        return np.zeros((0, 0), dtype=np.float32)
    steps = np.zeros(sample.shape, dtype=np.float32)
    np.subtract(sample[:, 1:], sample[:, :-1], out=steps[:, :-1])
    np.abs(steps, out=steps)
    np.minimum(steps, EDGE_LEVELS, out=steps)
    rows, columns = sample.shape[0] // LINES_A_TILE, sample.shape[1] // TILE_PX
    tiled = np.add.reduceat(steps, range(0, sample.shape[1], TILE_PX), axis=1)
    texture: NDArray[np.float32] = tiled.reshape(rows, LINES_A_TILE, columns).sum(axis=1)
    texture *= 2.0 / (LINES_A_TILE * TILE_PX)
    return texture


def _view(sample: NDArray[np.int16]) -> CameraView:
    if not sample.size:
        return CameraView("clear", 128.0, 0.0, 0.0, 0.0)  # too small a picture to say anything
    mean, steps = float(sample.mean()), float(np.abs(sample[:, 1:] - sample[:, :-1]).mean())
    return CameraView("clear", mean, float((sample >= WHITE).mean()), steps / (mean + 1), float(sample.std()) / (mean + 1))


def _around(risen: NDArray[np.bool_], shape: tuple[int, ...]) -> Box:
    """The tiles that rose, and one more on every side: a code's quiet zone and what a tile cut off."""
    height, width = shape
    tile = TILE_PX * max(1, round(width / TEXTURE_WIDTH))
    down, across = np.flatnonzero(risen.any(axis=1)), np.flatnonzero(risen.any(axis=0))
    top, bottom = (int(down[0]) - 1) * tile, (int(down[-1]) + 2) * tile
    left, right = (int(across[0]) - 1) * tile, (int(across[-1]) + 2) * tile
    return max(0, left), max(0, top), min(width, right), min(height, bottom)
