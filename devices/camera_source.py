"""A camera and its reader as a `CodeSource`: frames in, sightings out.

What is news in a stream of readings is `devices/presence.py`: a code that stays held up is told once, and again after a
while, so that a guest whose grant lapsed may simply keep holding it up; something unreadable is told once per presence.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from devices.camera_frames import FrameCamera
from devices.code_reader import CodeReader, Reading
from devices.folder_camera import FolderCamera
from devices.mjpeg import MjpegCamera
from devices.picture import grey_of
from devices.presence import Presence
from devices.scene_change import SceneChange
from devices.v4l2_camera import V4l2Camera
from resort.clock import Clock, Moment
from resort.ports import CameraFrame, CameraView, CodeSource, Sighting
from resort.site import CameraSite, LaneLimits


class CameraCodeSource:
    """Frames in, sightings out. The reader works in a thread of its own, one frame at a time: while it does, newer frames
    replace each other (newest wins), so a slow machine reads fewer frames and never older ones."""

    def __init__(
        self, camera: FrameCamera, reader: CodeReader, clock: Clock, unreadable_after_ms: float, repeat_code_ms: float
    ) -> None:
        self.frames_read = 0
        self._camera = camera
        self._reader = reader
        self._clock = clock
        self._presence = Presence(unreadable_after_ms, repeat_code_ms)
        self._change: SceneChange | None = None
        self._face_first = False
        self._news = 0
        self._newer = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="code reader")

    @property
    def last_heard(self) -> Moment | None:
        """See `Audible`: when the newest picture came."""
        return self._camera.heard

    @property
    def view(self) -> CameraView | None:
        """See `Seeing`."""
        return self._reader.view

    def watch_scene(self) -> None:
        """See `Framed`."""
        self._camera.keep_recent(self._note)
        self._change = self._change or SceneChange()

    def face_is_read(self, under_way: bool) -> None:
        """See `Framed`."""
        self._face_first = under_way

    def frames(self, most: int) -> Sequence[CameraFrame]:
        """See `Framed`."""
        return self._camera.recent(most)

    async def news(self, since: int) -> int:
        """See `Framed`."""
        while self._news == since:
            await self._newer.wait()
        return self._news

    def _note(self) -> None:
        """Wake everybody who waits for news."""
        self._news += 1
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()

    @property
    def stirred(self) -> bool:
        """See `Framed`."""
        return self._change is not None and self._change.stirred

    def settle(self) -> None:
        """See `Framed`."""
        if self._change is not None:
            self._change.settle()

    async def sightings(self) -> AsyncIterator[Sighting]:
        """See the port. Ends when the source is closed. For one consumer."""
        self._camera.start()
        loop = asyncio.get_running_loop()
        while (frame := await self._camera.next_frame()) is not None:
            reading = await loop.run_in_executor(self._thread, self._read, frame.jpeg, loop)
            self.frames_read += 1
            sighting = self._presence.take(reading.text, occupied=reading.occupied, frame_at=frame.at, now=self._clock.now())
            if sighting is not None:
                yield sighting

    def _read(self, picture: bytes, loop: asyncio.AbstractEventLoop) -> Reading:
        """Runs in the thread. The picture is decoded once for both looks. Whoever steps up is known before codes are read."""
        if self._change is None:
            return self._reader.read(picture)
        grey = grey_of(picture)
        if grey is None:
            return Reading(None, occupied=False)
        self._change.look(grey)
        loop.call_soon_threadsafe(self._note)
        self._reader.hasty = self._face_first and self._change.stirred
        return self._reader.read_grey(grey)

    async def close(self) -> None:
        """See the port. A frame that is being read is finished first (a few milliseconds). Idempotent."""
        await self._camera.close()
        await asyncio.to_thread(self._thread.shutdown)


def open_camera(camera: CameraSite, limits: LaneLimits, clock: Clock) -> CodeSource:
    """The camera of a lane by its address. Nothing is connected yet. Raises InvalidConfig."""
    scheme = camera.url.partition(":")[0].lower()
    frames: FrameCamera
    if scheme == "folder":
        frames = FolderCamera(camera.url, clock)
    elif scheme == "v4l2":
        frames = V4l2Camera(camera.url, clock)
    else:
        frames = MjpegCamera(camera.url, clock)
    return CameraCodeSource(frames, CodeReader(), clock, limits.unreadable_after_ms, limits.repeat_code_ms)
