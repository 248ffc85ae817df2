"""Reading a code from one camera frame: zxing-cpp first, second looks on a schedule when it finds none, and whether anything is
held up.

Work on one frame plus what was learned from the frames before; when frames come and what sightings they make is
`devices/camera_source.py`. Runs in a worker thread (the decoders, Pillow and numpy release the interpreter lock).
"""

import msgspec

from devices.code_engines import Box, Found, Grey, zxing
from devices.lane_scene import LaneScene
from devices.picture import grey_of
from devices.second_looks import LOOKS, Look, crop, moved
from resort.ports import CameraView

# Second looks cost ten times what the first one does. Taken at no more than this share of the frames, they leave the median
# frame at the price of the first look, whatever is held up.
SECOND_SHARE = 0.42
CREDIT_MOST = 2.0  # frames with second looks that may be saved up, so that the next guest's first frames have them at once
SECOND_COST = 40.0  # and what they may cost in one such frame, in the milliseconds of `Look.cost`
STILL_COST = 1_500.0  # likewise in the very first frame
BEST_LOOKS = 2  # the most promising ones are taken on every such frame, the others in turn
# Micro QR codes and light codes on dark are rare, and asking for them costs a third more: of a quiet lane's frames only so many
# are asked for them, and where something is held up those in which no ordinary code is.
RARE_EVERY = 3
LOOK_EVERY = 8  # whether something is held up is plain where a code was read: then only so many frames ask, for the light
FIRST_LOOK = "first look"
NEAR_FRAMES = 4  # so many frames in a row may be read only where the last code was, then a whole one: another may have come
NEAR_STREAK = 2  # and only after so many whole frames that were read at first sight
NEAR_MARGIN = 0.35  # of the code's edge, on every side: how far a hand moves it between two frames, and its quiet zone
NEAR_SHARE = 0.5  # of the frame; above it looking near saves nothing


class Reading(msgspec.Struct, frozen=True):
    """One frame's outcome: the text, or None; and whether something like a code is held up."""

    text: str | None
    occupied: bool


class CodeReader:
    """Reads the frames of one camera. Not to be used from two threads at once.

    A frame costs what zxing-cpp takes for it (0.3 to 2 ms) and a tenth of a millisecond. Where something is held up and stays
    unread, the looks of `devices/second_looks.py` are tried in turn, at `second_share` of the frames. The very first frame
    has them all: nothing is known of the scene yet, and a photograph that is read by itself has no second frame.
    """

    def __init__(self, second_share: float = SECOND_SHARE) -> None:
        self.second_opinions = 0  # frames on which second looks were taken
        self.found: Found | None = None  # the last frame's code,
        self.found_by = ""  # and which look read it
        self.hasty = False  # no second looks for now: somebody else needs the processor for what stands there
        self._second_share = second_share
        self._frames = 0
        self._credit = 1.0
        self._scene = LaneScene()
        self._looks: list[Look] = list(LOOKS)  # the one that read last comes first: lens and light stay what they are
        self._next_look = 0
        self._near: Box | None = None
        self._near_left = 0
        self._streak = 0  # whole frames in a row that were read at first sight

    @property
    def view(self) -> CameraView | None:
        """How well the camera sees, once a few frames were read."""
        return self._scene.view

    def read(self, picture: bytes) -> Reading:
        """The frame's code. A frame that is no picture reads as nothing there. Never raises on outside bytes."""
        grey = grey_of(picture)
        return Reading(None, occupied=False) if grey is None else self.read_grey(grey)

    def read_grey(self, grey: Grey) -> Reading:
        """Likewise for a picture of shape (height, width), 0 black to 255 white."""
        scene = self._scene
        knew = scene.known
        self.found_by = FIRST_LOOK
        found = self._first_look(grey)
        if found is None or not knew or self._frames % LOOK_EVERY == 0:
            scene.look(grey, has_text=found is not None)
        self._frames += 1
        self._credit = min(CREDIT_MOST, self._credit + self._second_share)
        if found is None and not knew:
            found = self._second_looks(grey, None, STILL_COST)
        elif found is None and scene.occupied and self._credit >= 1.0 and not self.hasty:
            self._credit -= 1.0
            found = self._second_looks(grey, scene.covered, SECOND_COST)
        self.found = found
        if found is None:
            if not scene.occupied:
                self._next_look = 0
            return Reading(None, scene.occupied)
        return Reading(found.text, occupied=True)

    def _first_look(self, grey: Grey) -> Found | None:
        """Where the last code was; the whole frame if it is not there or is moved about, and now and then anyhow."""
        near, found = self._near, None
        if near is not None and self._near_left > 0 and near[2] <= grey.shape[1] and near[3] <= grey.shape[0]:
            self._near_left -= 1
            found = zxing(crop(grey, near))
            found = None if found is None else moved(found, near)
            self._streak = self._streak if found is not None else 0
        if found is None:
            occupied = self._scene.occupied
            rare = self._frames % RARE_EVERY == 0 and not occupied
            found = zxing(grey, micro=rare, inverted=rare)
            if found is None and occupied:
                found = zxing(grey, micro=True)
            self._streak = self._streak + 1 if found is not None else 0
            self._near_left = NEAR_FRAMES
        self._near = _near(found.box, grey) if found is not None and self._streak >= NEAR_STREAK else None
        return found

    def _second_looks(self, grey: Grey, where: Box | None, cost: float) -> Found | None:
        """The best looks, then the others from where the last frame left off, until one reads or the cost is spent."""
        self.second_opinions += 1
        part = grey if where is None else crop(grey, where)
        best, others = self._looks[:BEST_LOOKS], self._looks[BEST_LOOKS:]
        turn = self._next_look % len(others)
        spent = 0.0
        for number, look in enumerate(best + others[turn:] + others[:turn]):
            if (found := look.read(part)) is not None:
                self._looks.remove(look)
                self._looks.insert(0, look)
                self._next_look = 0
                self.found_by = look.name
                return found if where is None else moved(found, where)
            spent += look.cost * part.size / 1e6
            self._next_look += number >= BEST_LOOKS
            if spent >= cost:
                break
        return None


def _near(box: Box, grey: Grey) -> Box | None:
    """Where to look first in the next frame; None where that would save nothing."""
    height, width = grey.shape
    left, top, right, bottom = box
    margin = round(max(right - left, bottom - top) * NEAR_MARGIN) + 8
    near = (max(0, left - margin), max(0, top - margin), min(width, right + margin), min(height, bottom + margin))
    return near if (near[2] - near[0]) * (near[3] - near[1]) <= width * height * NEAR_SHARE else None


__all__ = ["CodeReader", "Grey", "Reading"]
