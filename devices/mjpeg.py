"""An MJPEG camera over HTTP (`multipart/x-mixed-replace`), as most IP cameras serve one.

`PartParser` cuts the bytes into parts and knows no socket; `MjpegCamera` keeps a connection. Pictures are not looked at here.
Back-pressure: newest wins. A frame that nobody fetched before the next one came is dropped and counted.
"""

import asyncio
import logging
import re
from email.message import Message
from urllib.parse import urlsplit

import aiohttp
import msgspec

from resort.clock import Clock, Moment

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
CONNECT_S = 2.0
SILENT_S = 5.0  # a camera that says nothing for so long is connected to again
MAX_FRAME_BYTES = 4 * 2**20
MAX_HEAD_BYTES = 8 * 2**10
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_log = logging.getLogger("snowgate.camera")


class CameraFrame(msgspec.Struct, frozen=True, gc=False):
    """One JPEG, with the moment at which its last byte came."""

    jpeg: bytes
    at: Moment


class PartParser:
    """The parts of a multipart stream, cut from its bytes as they come.

    A part with a Content-Length ends there; one without ends at the next boundary, so it is known a frame later.
    Keeps at most about `max_bytes`. After a ValueError the stream is of no further use.
    """

    def __init__(self, boundary: str, max_bytes: int = MAX_FRAME_BYTES) -> None:
        # Many cameras write the two dashes into the parameter as well.
        self._mark = b"--" + boundary.encode("latin-1").removeprefix(b"--")
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._in_body = False
        self._length: int | None = None
        self._searched = 0  # the body holds no boundary before here

    def feed(self, data: bytes) -> list[bytes]:
        """The parts that these bytes complete. Raises ValueError on an oversized part or head, or an impossible length."""
        self._buffer += data
        parts: list[bytes] = []
        while (self._in_body or self._take_head()) and (part := self._take_body()) is not None:
            self._in_body = False
            if part:
                parts.append(part)
        return parts

    def _take_head(self) -> bool:
        """Skip to the next boundary and past its headers; False until they are all there."""
        at = self._buffer.find(self._mark)
        if at < 0:
            del self._buffer[: max(0, len(self._buffer) - len(self._mark) + 1)]
            return False
        end = _HEAD_END.search(self._buffer, at)
        if end is None:
            del self._buffer[:at]
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise ValueError(f"the head of a part is longer than {MAX_HEAD_BYTES} bytes")
            return False
        length = _LENGTH.search(self._buffer, at, end.start())
        self._length = int(length[1]) if length else None
        if self._length is not None and self._length > self._max_bytes:
            raise ValueError(f"a frame of {self._length} bytes")
        del self._buffer[: end.end()]
        self._in_body, self._searched = True, 0
        return True

    def _take_body(self) -> bytes | None:
        """The part's bytes once they are all there."""
        end = self._length
        if end is None:
            end = self._buffer.find(self._mark, self._searched)
            if end < 0:
                self._searched = max(0, len(self._buffer) - len(self._mark) + 1)
                if len(self._buffer) > self._max_bytes:
                    raise ValueError(f"a frame of more than {self._max_bytes} bytes")
                return None
            if end > self._max_bytes:
                raise ValueError(f"a frame of {end} bytes")
        elif len(self._buffer) < end:
            return None
        part = bytes(self._buffer[:end])
        del self._buffer[:end]
        return part if self._length is not None else part.removesuffix(b"\n").removesuffix(b"\r")


class MjpegCamera:
    """One camera. `start`, then `next_frame` as often as wanted, then `close`; connects again by itself with back-off.

    A camera that is away is no error here: `next_frame` waits until it is back, `connected` and the log tell.
    """

    def __init__(self, url: str, clock: Clock, silent_s: float = SILENT_S) -> None:
        self.received = 0
        self.dropped = 0  # frames that a newer one replaced before they were fetched
        self.connected = False
        self.heard: Moment | None = None  # when the newest frame came
        self._url = url
        self._name = _without_password(url)
        self._clock = clock
        self._silent_s = silent_s
        self._newest: CameraFrame | None = None
        self._arrived = asyncio.Event()
        self._closed = False
        self._told_away = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to receive. Idempotent; a closed camera stays closed."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._receive_for_ever(), name=f"camera {self._name}")
            self._task.add_done_callback(lambda _ended: self._arrived.set())

    async def next_frame(self) -> CameraFrame | None:
        """The newest frame that was not fetched yet; waits for one. None once the camera is closed.

        Receiving never ends by itself; should a mistake of ours end it, that error is raised here, lest the lane go blind.
        """
        while self._newest is None and not self._closed:
            if self._task is not None and self._task.done():
                self._task.result()
            self._arrived.clear()
            await self._arrived.wait()
        frame, self._newest = self._newest, None
        return None if self._closed else frame

    async def close(self) -> None:
        """Hang up; whoever waits for a frame gets None. Idempotent."""
        self._closed, self.connected = True, False
        self._arrived.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _receive_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=self._silent_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                before = self.received
                try:
                    async with session.get(self._url) as answer:
                        answer.raise_for_status()
                        await self._receive(answer)
                    problem = "the camera hung up"
                except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
                    problem = f"{type(error).__name__} {error}".strip()
                self._tell_away(problem)
                if self.received > before:
                    pause_s = FIRST_PAUSE_S
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _receive(self, answer: aiohttp.ClientResponse) -> None:
        """Take parts until the camera hangs up. Raises ValueError on what is no multipart stream."""
        content_type = Message()
        content_type["Content-Type"] = answer.headers.get("Content-Type", "")
        boundary = content_type.get_boundary()
        if content_type.get_content_maintype() != "multipart" or not boundary:
            raise ValueError(f"the camera serves {content_type.get_content_type()}, not an MJPEG stream")
        parser = PartParser(boundary)
        async for data in answer.content.iter_any():
            for jpeg in parser.feed(data):
                self._keep(CameraFrame(jpeg, self._clock.now()))

    def _keep(self, frame: CameraFrame) -> None:
        if not self.connected:
            _log.info("camera %s sends pictures", self._name)
            self.connected, self._told_away = True, False
        self.received += 1
        self.heard = frame.at
        if self._newest is not None:
            self.dropped += 1
        self._newest = frame
        self._arrived.set()

    def _tell_away(self, problem: str) -> None:
        """Log edges only."""
        self.connected = False
        if not self._told_away:
            _log.warning("camera %s is away: %s", self._name, problem)
            self._told_away = True


def _without_password(url: str) -> str:
    """The URL as logs may show it: many cameras want user and password in theirs, before the host or as parameters."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
