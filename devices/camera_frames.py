"""What every camera of frames has in common: the newest frame for whoever asks. `devices/kept_connection.py` keeps them
connected.

Where frames come from: `devices/mjpeg.py`, `devices/folder_camera.py`, `devices/v4l2_camera.py`. Pictures are not looked at.
Back-pressure: newest wins. A frame that nobody fetched before the next one came is dropped and counted.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from devices.kept_connection import KeptConnection
from resort.clock import Clock, Moment
from resort.errors import InvalidConfig
from resort.ports import CameraFrame as CameraFrame

RECENT = 3  # frames that are kept for a second consumer
_log = logging.getLogger("snowgate.camera")


class FrameCamera(ABC):
    """One camera. `start`, then `next_frame` as often as wanted, then `close`; connects again by itself with back-off.

    A camera that is away is no error here: `next_frame` waits until it is back, `connected` and the log tell.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        self.received = 0
        self.dropped = 0  # frames that a newer one replaced before they were fetched
        self.heard: Moment | None = None  # when the newest frame came
        self._clock = clock
        self._newest: CameraFrame | None = None
        self._recent: deque[CameraFrame] | None = None
        self._tell: Callable[[], None] | None = None
        self._arrived = asyncio.Event()
        self._fetched = asyncio.Event()
        self._closed = False
        # `name` is as logs may show it: without a password.
        self._connection = KeptConnection(f"camera {name}", self._receive, _log, (OSError, ValueError))

    @property
    def connected(self) -> bool:
        """Whether it sends pictures."""
        return self._connection.connected

    def start(self) -> None:
        """Begin to receive. Idempotent; a closed camera stays closed."""
        if not self._closed:
            self._connection.start(self._arrived.set)

    async def next_frame(self) -> CameraFrame | None:
        """The newest frame that was not fetched yet; waits for one. None once the camera is closed.

        Receiving never ends by itself; should a mistake of ours end it, that error is raised here, lest the lane go blind.
        """
        while self._newest is None and not self._closed:
            self._connection.check()
            self._arrived.clear()
            await self._arrived.wait()
        frame, self._newest = self._newest, None
        self._fetched.set()
        return None if self._closed else frame

    def keep_recent(self, tell: Callable[[], None]) -> None:
        """Keep the newest few frames, fetched or not, for `recent`, and `tell` when one comes. Idempotent."""
        if self._recent is None:
            self._recent, self._tell = deque(maxlen=RECENT), tell

    def recent(self, most: int) -> Sequence[CameraFrame]:
        """The newest frames, newest last, at most `most` and `RECENT`. Takes none away from `next_frame`."""
        return list(self._recent or ())[-most:] if most > 0 else []

    async def close(self) -> None:
        """Hang up; whoever waits for a frame gets None. Idempotent."""
        self._closed = True
        self._arrived.set()
        await self._connection.close()

    @abstractmethod
    async def _receive(self) -> str:
        """Connect and `_keep` frames until the camera is gone; answers why. Raises OSError or ValueError likewise."""

    def _keep(self, frame: CameraFrame) -> None:
        self._connection.made()
        self._connection.heard()
        self.received += 1
        self.heard = frame.at
        if self._newest is not None:
            self.dropped += 1
        self._newest = frame
        if self._recent is not None:
            self._recent.append(frame)
        if self._tell is not None:
            self._tell()
        self._fetched.clear()
        self._arrived.set()


def local_address(url: str, example: str, defaults: Mapping[str, float]) -> tuple[str, dict[str, float]]:
    """The path and the numbers of an address such as `folder:///photos?fps=6`. Raises InvalidConfig for any other shape."""
    try:
        parts = urlsplit(url)
        given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        numbers = {**defaults, **{name: float(value) for name, value in given}}
    except ValueError as error:
        raise InvalidConfig("camera.url", f"{url} is no address ({error})") from None
    strange = sorted(set(numbers) - set(defaults))
    if strange:
        raise InvalidConfig("camera.url", f"{strange[0]} is not known; use {', '.join(sorted(defaults))}")
    if parts.netloc or not parts.path.startswith("/") or not all(0 <= number < 1e6 for number in numbers.values()):
        raise InvalidConfig("camera.url", f"{url} is not an address such as {example}")
    return parts.path, numbers
