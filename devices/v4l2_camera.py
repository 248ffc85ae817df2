"""A USB camera by its path, as Linux serves one: `v4l2:///dev/video0?width=1280&height=720&fps=15`.

Only cameras that send JPEGs by themselves (nearly every USB camera): raw pictures would cost the lane their conversion. Calls
and layouts are `devices/v4l2_ioctl.py`.
"""

import asyncio
import contextlib
import ctypes
import mmap
from typing import NoReturn

from devices import v4l2_ioctl as v4l2
from devices.camera_frames import CameraFrame, FrameCamera, local_address
from resort.clock import Clock

BUFFERS = 4
SILENT_S = 5.0  # a camera that says nothing for so long is opened again
_DEFAULTS = {"width": 1280.0, "height": 720.0, "fps": 15.0}


class V4l2Camera(FrameCamera):
    """One camera; width, height and frames a second are wishes, the camera takes what it has nearest to them.

    Raises InvalidConfig for what is no such address.
    """

    def __init__(self, url: str, clock: Clock, kernel: v4l2.Kernel | None = None, silent_s: float = SILENT_S) -> None:
        path, self._wanted = local_address(url, "v4l2:///dev/video0?width=1280", _DEFAULTS)
        super().__init__(path, clock)
        self._path = path
        self._kernel = kernel or v4l2.LinuxKernel()
        self._silent_s = silent_s

    async def _receive(self) -> NoReturn:
        kernel = self._kernel
        device = await asyncio.to_thread(kernel.open, self._path)  # a USB camera may take half a second to wake up
        maps: list[mmap.mmap] = []
        try:
            await asyncio.to_thread(self._set_up, device, maps)
            await self._stream(device, maps)
        finally:
            for shared in maps:
                shared.close()
            kernel.close(device)  # which ends the stream, too

    def _set_up(self, device: int, maps: list[mmap.mmap]) -> None:
        """Settle format and rate, map the buffers and hand them to the camera, begin. Raises OSError, ValueError."""
        kernel, wanted = self._kernel, self._wanted
        shape = v4l2.Format(type=v4l2.CAPTURE)
        shape.fmt.pix = v4l2.PixFormat(int(wanted["width"]), int(wanted["height"]), v4l2.MJPG, v4l2.FIELD_ANY)
        kernel.ioctl(device, v4l2.SET_FORMAT, shape)
        if shape.fmt.pix.pixelformat not in (v4l2.MJPG, v4l2.JPEG):
            raise ValueError("the camera sends no JPEGs")
        if wanted["fps"]:
            rate = v4l2.Interval(type=v4l2.CAPTURE, numerator=1, denominator=max(1, round(wanted["fps"])))
            with contextlib.suppress(OSError):  # not every camera lets one choose
                kernel.ioctl(device, v4l2.SET_INTERVAL, rate)
        request = v4l2.Request(BUFFERS, v4l2.CAPTURE, v4l2.MMAP)
        kernel.ioctl(device, v4l2.REQUEST_BUFFERS, request)
        for index in range(request.count):
            buffer = v4l2.Buffer(index=index, type=v4l2.CAPTURE, memory=v4l2.MMAP)
            kernel.ioctl(device, v4l2.QUERY_BUFFER, buffer)
            maps.append(kernel.map(device, buffer.length, buffer.m.offset))
            kernel.ioctl(device, v4l2.QUEUE_BUFFER, buffer)
        if not maps:
            raise ValueError("the camera has no buffers to share")
        kernel.ioctl(device, v4l2.STREAM_ON, ctypes.c_int(v4l2.CAPTURE))

    async def _stream(self, device: int, maps: list[mmap.mmap]) -> NoReturn:
        """Take frames as they come, until the camera fails or is silent. Raises OSError."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(device, ready.set)
        try:
            while True:
                async with asyncio.timeout(self._silent_s):
                    await ready.wait()
                ready.clear()
                self._take(device, maps)
        finally:
            loop.remove_reader(device)

    def _take(self, device: int, maps: list[mmap.mmap]) -> None:
        """One frame, and its buffer back to the camera."""
        buffer = v4l2.Buffer(type=v4l2.CAPTURE, memory=v4l2.MMAP)
        try:
            self._kernel.ioctl(device, v4l2.DEQUEUE_BUFFER, buffer)
        except BlockingIOError:
            return  # woken too early
        broken = buffer.flags & v4l2.BAD_FRAME or not 0 < buffer.bytesused <= buffer.length
        jpeg = b"" if broken else maps[buffer.index][: buffer.bytesused]
        self._kernel.ioctl(device, v4l2.QUEUE_BUFFER, buffer)
        if jpeg:
            self._keep(CameraFrame(jpeg, self._clock.now()))
