"""An MJPEG camera over HTTP (`multipart/x-mixed-replace`), as most IP cameras serve one.

`PartParser` cuts the bytes into parts and knows no socket; `MjpegCamera` keeps a connection. Pictures are not looked at here.
"""

import re
from email.message import Message
from urllib.parse import urlsplit

import aiohttp

from devices.camera_frames import CameraFrame, FrameCamera
from resort.clock import Clock

CONNECT_S = 2.0
SILENT_S = 5.0  # a camera that says nothing for so long is connected to again
MAX_FRAME_BYTES = 4 * 2**20
MAX_HEAD_BYTES = 8 * 2**10
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,10})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


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


class MjpegCamera(FrameCamera):
    """One camera by its URL. One that says nothing for `silent_s` is connected to again."""

    def __init__(self, url: str, clock: Clock, silent_s: float = SILENT_S) -> None:
        super().__init__(_without_password(url), clock)
        self._url = url
        self._silent_s = silent_s

    async def _receive(self) -> str:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=self._silent_s)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url) as answer:
                answer.raise_for_status()
                await self._take_parts(answer)
        except aiohttp.ClientError as error:
            return f"{type(error).__name__} {error}".strip()
        return "the camera hung up"

    async def _take_parts(self, answer: aiohttp.ClientResponse) -> None:
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


def _without_password(url: str) -> str:
    """The URL as logs may show it: many cameras want user and password in theirs, before the host or as parameters."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
