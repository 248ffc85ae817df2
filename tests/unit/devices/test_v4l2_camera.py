"""A USB camera: the layouts against the kernel's own header, and a camera played by a pipe that speaks the same calls."""

import asyncio
import ctypes
import errno
import mmap
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path

import pytest

from devices import v4l2_ioctl as v4l2
from devices.v4l2_camera import V4l2Camera
from resort.clock import SystemClock

WAIT_S = 30
URL = "v4l2:///dev/video9?width=800&height=600&fps=12"
LENGTH = 1 << 16

HEADER = """
#include <linux/videodev2.h>
#include <stddef.h>
#include <stdio.h>
int main(void) {
  printf("%lu %lu %lu %lu %lu %lu %lu %lu ", (unsigned long)VIDIOC_S_FMT, (unsigned long)VIDIOC_REQBUFS,
    (unsigned long)VIDIOC_QUERYBUF, (unsigned long)VIDIOC_QBUF, (unsigned long)VIDIOC_DQBUF,
    (unsigned long)VIDIOC_STREAMON, (unsigned long)VIDIOC_STREAMOFF, (unsigned long)VIDIOC_S_PARM);
  printf("%zu %zu %zu %zu %zu %zu ", offsetof(struct v4l2_format, fmt.pix.pixelformat), offsetof(struct v4l2_buffer, bytesused),
    offsetof(struct v4l2_buffer, memory), offsetof(struct v4l2_buffer, m.offset), offsetof(struct v4l2_buffer, length),
    offsetof(struct v4l2_streamparm, parm.capture.timeperframe.denominator));
  printf("%d %d %d\\n", V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP, V4L2_BUF_FLAG_ERROR);
}
"""
# What that program prints on a 64-bit Linux, for machines without a compiler.
NUMBERS = [3234878981, 3222558216, 3227014665, 3227014671, 3227014673, 1074026002, 1074026003, 3234616854]
OFFSETS, CONSTANTS = [16, 8, 60, 64, 72, 16], [1, 1, 64]


class PlayedCamera:
    """A camera behind a pipe: a byte for each frame that waits. Keeps the rules of the calls, and asserts them."""

    def __init__(self, pixelformat: int = v4l2.MJPG) -> None:
        self.pixelformat = pixelformat
        self.opened: list[str] = []
        self.shape: tuple[int, int] = (0, 0)
        self.rate: tuple[int, int] = (0, 0)
        self.streaming = False
        self.gone = False
        self.queued: deque[int] = deque()
        self._memory: dict[int, mmap.mmap] = {}
        self._frames: deque[tuple[bytes, int]] = deque()
        self._bell = 0
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()

    async def until(self, there: Callable[[], bool]) -> None:
        """Wait for it; looked at after every call that may change it."""
        async with asyncio.timeout(WAIT_S):
            while not there():
                self._news.clear()
                await self._news.wait()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._news.set)

    def ring(self) -> None:
        os.write(self._bell, b".")

    def shoot(self, jpeg: bytes, flags: int = 0) -> None:
        self._frames.append((jpeg, flags))
        self.ring()

    def open(self, path: str) -> int:
        if self.gone:
            raise FileNotFoundError(errno.ENOENT, "No such device", path)
        self.opened.append(path)
        self._tell()
        device, self._bell = os.pipe2(os.O_NONBLOCK)
        self.queued.clear()
        return device

    def ioctl(self, device: int, number: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        match number, argument:
            case v4l2.SET_FORMAT, v4l2.Format():
                self.shape = (argument.fmt.pix.width, argument.fmt.pix.height)
                assert argument.fmt.pix.pixelformat == v4l2.MJPG
                argument.fmt.pix.pixelformat = self.pixelformat
            case v4l2.SET_INTERVAL, v4l2.Interval():
                self.rate = (argument.numerator, argument.denominator)
                raise OSError(errno.ENOTTY, "not this camera")
            case v4l2.REQUEST_BUFFERS, v4l2.Request():
                argument.count = 3
            case v4l2.QUERY_BUFFER, v4l2.Buffer():
                argument.length, argument.m.offset = LENGTH, argument.index * LENGTH
            case v4l2.QUEUE_BUFFER, v4l2.Buffer():
                assert argument.index not in self.queued
                self.queued.append(argument.index)
            case v4l2.STREAM_ON, ctypes.c_int():
                assert argument.value == v4l2.CAPTURE
                self.streaming = True
                self._tell()
            case v4l2.DEQUEUE_BUFFER, v4l2.Buffer():
                self._dequeue(device, argument)
            case _:
                raise AssertionError(f"call {number:#x}")

    def _dequeue(self, device: int, buffer: v4l2.Buffer) -> None:
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        os.read(device, 1)  # BlockingIOError when no frame waits
        jpeg, flags = self._frames.popleft()
        index = self.queued.popleft()
        self._memory[index][: len(jpeg)] = jpeg
        buffer.index, buffer.bytesused, buffer.length, buffer.flags = index, len(jpeg), LENGTH, flags

    def map(self, device: int, length: int, offset: int) -> mmap.mmap:
        memory = mmap.mmap(-1, length)
        self._memory[offset // LENGTH] = memory
        return memory

    def close(self, device: int) -> None:
        self.streaming = False
        self._tell()
        os.close(device)
        os.close(self._bell)


def test_layouts_and_numbers_are_the_kernels(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    expected = NUMBERS + OFFSETS + CONSTANTS
    if compiler and Path("/usr/include/linux/videodev2.h").exists():
        (tmp_path / "numbers.c").write_text(HEADER)
        subprocess.run([compiler, "-o", tmp_path / "numbers", tmp_path / "numbers.c"], check=True)
        told = subprocess.run([tmp_path / "numbers"], check=True, capture_output=True, text=True).stdout
        assert [int(number) for number in told.split()] == expected
    ours = [v4l2.SET_FORMAT, v4l2.REQUEST_BUFFERS, v4l2.QUERY_BUFFER, v4l2.QUEUE_BUFFER, v4l2.DEQUEUE_BUFFER]
    ours += [v4l2.STREAM_ON, v4l2.STREAM_OFF, v4l2.SET_INTERVAL]
    ours += [v4l2.Format.fmt.offset + v4l2.PixFormat.pixelformat.offset, v4l2.Buffer.bytesused.offset]
    ours += [v4l2.Buffer.memory.offset, v4l2.Buffer.m.offset, v4l2.Buffer.length.offset, v4l2.Interval.denominator.offset]
    assert [*ours, v4l2.CAPTURE, v4l2.MMAP, v4l2.BAD_FRAME] == expected


async def frame_of(camera: V4l2Camera) -> bytes:
    async with asyncio.timeout(WAIT_S):
        frame = await camera.next_frame()
    assert frame is not None
    return frame.jpeg


async def test_frames_come_and_buffers_go_back() -> None:
    played = PlayedCamera()
    camera = V4l2Camera(URL, SystemClock(), played)
    camera.start()
    try:
        await played.until(lambda: played.streaming)
        for number in range(10):
            played.shoot(b"frame %d" % number)
            assert await frame_of(camera) == b"frame %d" % number
        played.shoot(b"half a fra", v4l2.BAD_FRAME)
        played.shoot(b"whole")
        assert await frame_of(camera) == b"whole"
        assert (played.opened, played.shape, played.rate) == (["/dev/video9"], (800, 600), (1, 12))
        assert sorted(played.queued) == [0, 1, 2]
        assert camera.connected
    finally:
        await camera.close()
    assert not played.streaming


async def test_a_camera_that_is_pulled_out_is_taken_up_again() -> None:
    played = PlayedCamera()
    camera = V4l2Camera(URL, SystemClock(), played)
    camera.start()
    try:
        await played.until(lambda: played.streaming)
        played.shoot(b"before")
        assert await frame_of(camera) == b"before"
        played.gone = True
        played.ring()
        await played.until(lambda: not played.streaming)
        played.gone = False
        await played.until(lambda: played.streaming)
        played.shoot(b"after")
        assert await frame_of(camera) == b"after"
        assert len(played.opened) == 2
    finally:
        await camera.close()


async def test_a_silent_camera_is_opened_again() -> None:
    played = PlayedCamera()
    camera = V4l2Camera(URL, SystemClock(), played, silent_s=0.05)
    camera.start()
    try:
        await played.until(lambda: len(played.opened) >= 3)
    finally:
        await camera.close()


async def test_a_camera_of_raw_pictures_is_away_and_so_is_none_at_all(tmp_path: Path) -> None:
    raw = PlayedCamera(int.from_bytes(b"YUYV", "little"))
    cameras = [V4l2Camera(URL, SystemClock(), raw), V4l2Camera(f"v4l2://{tmp_path}/none", SystemClock())]
    (tmp_path / "file").write_bytes(b"no device")
    cameras.append(V4l2Camera(f"v4l2://{tmp_path}/file", SystemClock()))
    for camera in cameras:
        camera.start()
    try:
        await raw.until(lambda: len(raw.opened) >= 2)
        assert not any(camera.connected for camera in cameras)
        assert not raw.streaming
    finally:
        for camera in cameras:
            await camera.close()


@pytest.mark.parametrize("pause", [0, 3])
async def test_closing_at_any_time_leaves_nothing_open(pause: int) -> None:
    played = PlayedCamera()
    camera = V4l2Camera(URL, SystemClock(), played)
    camera.start()
    for _ in range(pause):
        await asyncio.sleep(0)
    await camera.close()
    assert await camera.next_frame() is None
