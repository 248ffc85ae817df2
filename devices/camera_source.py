"""A camera and its reader as a `CodeSource`: what is worth telling the lane about a stream of frames.

A code that stays held up is told once, and again only after a while, so that a guest whose grant lapsed may simply keep
holding it up. Something held up that cannot be read is told once per presence.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from devices.code_reader import CodeReader
from devices.mjpeg import CameraFrame, MjpegCamera
from resort.clock import Clock, Moment
from resort.ports import Sighting

REPEAT_FACTOR = 3.0  # a code held up without a break is told again after this many times `repeat_code_ms`


class Presence:
    """Who stands before the camera, from one reading to the next. Pure."""

    def __init__(self, unreadable_after_ms: float, repeat_code_ms: float) -> None:
        self._unreadable_after_ms = unreadable_after_ms
        self._repeat_code_ms = repeat_code_ms
        self._text: str | None = None  # the code told last
        self._told: Moment | None = None
        self._seen: Moment | None = None
        self._occupied_since: Moment | None = None  # nothing readable since then
        self._complained = False

    def take(self, text: str | None, *, occupied: bool, frame_at: Moment, now: Moment) -> Sighting | None:
        """The sighting that this reading makes, if any."""
        if text is not None:
            return self._take_text(text, frame_at, now)
        if not occupied:
            self._occupied_since, self._complained = None, False
            return None
        if self._seen is not None and frame_at.ms_since(self._seen) <= self._repeat_code_ms:
            return None  # the one whose code was just read is still walking away
        if self._occupied_since is None:
            self._occupied_since = frame_at
        if self._complained or frame_at.ms_since(self._occupied_since) < self._unreadable_after_ms:
            return None
        self._complained = True
        return Sighting(None, frame_at, now)

    def _take_text(self, text: str, frame_at: Moment, now: Moment) -> Sighting | None:
        self._occupied_since, self._complained = None, False
        before, self._seen = self._seen, frame_at
        if text == self._text and before is not None and self._told is not None:
            gone_ms = frame_at.ms_since(before)
            held_ms = frame_at.ms_since(self._told)
            if gone_ms < self._repeat_code_ms and held_ms < self._repeat_code_ms * REPEAT_FACTOR:
                return None
        self._text, self._told = text, frame_at
        return Sighting(text, frame_at, now)


class CameraCodeSource:
    """Frames in, sightings out. The reader works in a thread of its own, one frame at a time: while it does, newer frames
    replace each other (newest wins), so a slow machine reads fewer frames and never older ones."""

    def __init__(
        self, camera: MjpegCamera, reader: CodeReader, clock: Clock, unreadable_after_ms: float, repeat_code_ms: float
    ) -> None:
        self.frames_read = 0
        self._camera = camera
        self._reader = reader
        self._clock = clock
        self._presence = Presence(unreadable_after_ms, repeat_code_ms)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="code reader")

    async def sightings(self) -> AsyncIterator[Sighting]:
        """See the port."""
        self._camera.start()
        loop = asyncio.get_running_loop()
        while True:
            frame: CameraFrame = await self._camera.next_frame()
            reading = await loop.run_in_executor(self._thread, self._reader.read, frame.jpeg)
            self.frames_read += 1
            sighting = self._presence.take(reading.text, occupied=reading.occupied, frame_at=frame.at, now=self._clock.now())
            if sighting is not None:
                yield sighting

    async def close(self) -> None:
        """See the port."""
        await self._camera.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
