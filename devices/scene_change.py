"""Whether something stands before a camera that was not there when nobody was: so that faces are looked for only then.

A coarse picture is held against the last one that is known to show nobody. It says nothing of what is there; whoever looked for
a face and found none says so by `settle`. Decodes nothing and knows no time.
"""

import numpy as np
from numpy.typing import NDArray

from devices.code_engines import Grey

GRID = 24  # cells along the longer side
MOVED_LEVELS = 14.0  # grey levels, at the empty scene's brightness, by which a cell must differ
MOVED_SHARE = 0.04  # of the cells; a face that fills a tenth of the frame's height and width is less
LEARNING = 0.05  # weight of an unchanged frame: daylight moves, and takes shadows along


class SceneChange:
    """One camera's scene. `look` in one thread at a time; `settle` from any."""

    def __init__(self) -> None:
        self.stirred = False
        self._empty: NDArray[np.float32] | None = None
        self._settling = False

    def settle(self) -> None:
        """What the next frame shows is nobody."""
        self._settling, self.stirred = True, False

    def look(self, grey: Grey) -> None:
        """Take the next frame, of shape (height, width). The first one counts as stirred: nothing is known yet."""
        cells = _cells(grey)
        if self._settling:
            self._empty, self._settling, self.stirred = cells, False, False
            return
        if self._empty is None or self._empty.shape != cells.shape:
            self._empty = None
            self.stirred = True
            return
        share = float((np.abs(cells - self._empty) > MOVED_LEVELS).mean()) if cells.size else 0.0
        self.stirred = share >= MOVED_SHARE
        if not self.stirred:
            self._empty += LEARNING * (cells - self._empty)


def _cells(grey: Grey) -> NDArray[np.float32]:
    """The mean of a few pixels of each cell, scaled to the same brightness: a light that goes on moves nobody."""
    step = max(1, max(grey.shape) // GRID)
    part = max(1, step // 4)  # sixteen pixels a cell are enough, and cost a tenth of a millisecond
    thin = grey[: grey.shape[0] // step * step : part, : grey.shape[1] // step * step : part].astype(np.float32)
    rows, columns = thin.shape[0] * part // step, thin.shape[1] * part // step
    if rows < 1 or columns < 1:
        return np.zeros((0, 0), dtype=np.float32)
    a_cell = step // part
    pooled: NDArray[np.float32] = (
        thin[: rows * a_cell, : columns * a_cell].reshape(rows, a_cell, columns, a_cell).mean(axis=(1, 3))
    )
    return pooled * (110.0 / (float(np.median(pooled)) + 10.0))
