"""Which readings are news: a code that stays held up is told once, and again after a while; something unreadable once. Pure.

Readings come from a camera (`devices/camera_source.py`) or from the lines of a scanner (`devices/scanner_source.py`).
"""

import msgspec

from resort.clock import Moment
from resort.ports import Sighting

REPEAT_FACTOR = 4.0  # a code held up without a break is told again after this many times `repeat_code_ms`
PATIENCE_FACTOR = 4.0  # "unreadable" waits this much longer while the guest whose code was read may still stand there
CODES_KEPT = 16  # codes in sight at once, such as a screen with a family's tickets


class _Shown(msgspec.Struct):
    told: Moment
    seen: Moment


class Presence:
    """Who stands before the camera, from one reading to the next. Pure; readings come in the order of their frames.

    A code is told when it comes into sight. While it stays, or comes back within `repeat_code_ms`, it is told again only
    `REPEAT_FACTOR` times that later: longer than an arm stays open, so the second telling is a second try and not a
    disturbance of the first. Two codes in sight are two codes, however often frames alternate between them.
    """

    def __init__(self, unreadable_after_ms: float, repeat_code_ms: float) -> None:
        self._unreadable_after_ms = unreadable_after_ms
        self._repeat_code_ms = repeat_code_ms
        self._shown: dict[str, _Shown] = {}
        self._unread_since: Moment | None = None  # something is held up and nothing was read since
        self._patience_ms = unreadable_after_ms
        self._complained = False

    def take(self, text: str | None, *, occupied: bool, frame_at: Moment, now: Moment) -> Sighting | None:
        """The sighting that this reading makes, if any."""
        if text is not None:
            # Until this guest has left, what is held up and not read is most likely the same phone at another angle.
            self._unread_since, self._patience_ms = frame_at, self._unreadable_after_ms * PATIENCE_FACTOR
            self._complained = False
            return Sighting(text, frame_at, now) if self._is_news(text, frame_at) else None
        if not occupied:
            self._unread_since, self._patience_ms = None, self._unreadable_after_ms
            self._complained = False
            return None
        if self._unread_since is None:
            self._unread_since = frame_at
        if self._complained or frame_at.ms_since(self._unread_since) < self._patience_ms:
            return None
        self._complained = True
        return Sighting(None, frame_at, now)

    def _is_news(self, text: str, at: Moment) -> bool:
        shown = self._shown.get(text)
        if shown is not None:
            in_sight = at.ms_since(shown.seen) < self._repeat_code_ms
            shown.seen = at
            if in_sight and at.ms_since(shown.told) < self._repeat_code_ms * REPEAT_FACTOR:
                return False
            shown.told = at
            return True
        if len(self._shown) >= CODES_KEPT:
            del self._shown[min(self._shown, key=lambda known: self._shown[known].seen.tick_ns)]
        self._shown[text] = _Shown(told=at, seen=at)
        return True
