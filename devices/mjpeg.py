"""An MJPEG camera over HTTP (`multipart/x-mixed-replace`), as most IP cameras serve one.

Back-pressure: newest wins. A frame that nobody fetched before the next one came is dropped and counted.
"""

import asyncio
import logging

import aiohttp
import msgspec

from resort.clock import Clock, Moment

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
SILENT_S = 5.0  # a camera that says nothing for so long is connected to again
MAX_FRAME_BYTES = 4 * 2**20
_log = logging.getLogger("snowgate.camera")


class CameraFrame(msgspec.Struct, frozen=True, gc=False):
    """One JPEG, with the moment at which its last byte came."""

    jpeg: bytes
    at: Moment


class MjpegCamera:
    """One camera. `start`, then `next_frame` as often as wanted, then `close`; connects again by itself with back-off."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.dropped = 0
        self.connected = False
        self._url = url
        self._clock = clock
        self._newest: CameraFrame | None = None
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to receive. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._receive_for_ever(), name=f"camera {self._url}")

    async def next_frame(self) -> CameraFrame:
        """The newest frame that was not fetched yet; waits for one."""
        while self._newest is None:
            self._arrived.clear()
            await self._arrived.wait()
        frame, self._newest = self._newest, None
        return frame

    async def close(self) -> None:
        """Hang up. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _receive_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        timeout = aiohttp.ClientTimeout(total=None, connect=2.0, sock_read=SILENT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    async with session.get(self._url) as answer:
                        answer.raise_for_status()
                        self._tell(connected=True)
                        pause_s = FIRST_PAUSE_S
                        await self._receive(answer)
                except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
                    self._tell(connected=False, problem=f"{type(error).__name__} {error}".strip())
                else:
                    self._tell(connected=False, problem="the camera hung up")
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _receive(self, answer: aiohttp.ClientResponse) -> None:
        """Take parts until the camera hangs up. Raises ValueError on what is no multipart stream."""
        stream = answer.content
        boundary = answer.content_type.startswith("multipart/") and answer.headers["Content-Type"].partition("boundary=")[2]
        if not boundary:
            raise ValueError(f"the camera serves {answer.content_type}, not an MJPEG stream")
        mark = b"--" + boundary.strip('"').encode().removeprefix(b"--")
        while await self._to_part(stream, mark):
            length = await self._part_length(stream)
            if not 0 < length <= MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            self._keep(CameraFrame(await stream.readexactly(length), self._clock.now()))

    async def _to_part(self, stream: aiohttp.StreamReader, mark: bytes) -> bool:
        """Skip to just behind the next boundary line; False at the end of the stream."""
        while line := await stream.readline():
            if line.rstrip().startswith(mark):
                return True
        return False

    async def _part_length(self, stream: aiohttp.StreamReader) -> int:
        """Read a part's headers. Cameras that send no length are not supported: their frames end at no stated place."""
        length = 0
        while (line := (await stream.readline()).strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return length

    def _keep(self, frame: CameraFrame) -> None:
        if self._newest is not None:
            self.dropped += 1
        self._newest = frame
        self._arrived.set()

    def _tell(self, *, connected: bool, problem: str = "") -> None:
        """Log edges only."""
        if self.connected and not connected:
            _log.warning("camera %s is away: %s", self._url, problem)
        elif connected and not self.connected:
            _log.info("camera %s is connected", self._url)
        self.connected = connected
