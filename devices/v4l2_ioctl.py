"""The few calls of Linux's Video4Linux2 that a camera of JPEGs needs: layouts and numbers of <linux/videodev2.h>.

Plain ioctl, since the wheels that wrap it (v4l2py, linuxpy) are GPL. What to call when is `devices/v4l2_camera.py`.
"""

import ctypes
import fcntl
import mmap
import os
from typing import Protocol

CAPTURE, MMAP, FIELD_ANY = 1, 1, 0  # V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP, V4L2_FIELD_ANY
MJPG = int.from_bytes(b"MJPG", "little")
JPEG = int.from_bytes(b"JPEG", "little")
BAD_FRAME = 0x40  # V4L2_BUF_FLAG_ERROR: the data may be broken


class PixFormat(ctypes.Structure):
    """struct v4l2_pix_format up to `sizeimage`; the rest is padding here."""

    _fields_ = (
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("pixelformat", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("bytesperline", ctypes.c_uint32),
        ("sizeimage", ctypes.c_uint32),
    )


class _FormatUnion(ctypes.Union):
    _fields_ = (("pix", PixFormat), ("raw", ctypes.c_uint8 * 200), ("align", ctypes.c_void_p))


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _fields_ = (("type", ctypes.c_uint32), ("fmt", _FormatUnion))


class Interval(ctypes.Structure):
    """struct v4l2_streamparm with a struct v4l2_captureparm: `numerator`/`denominator` seconds from frame to frame."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("capability", ctypes.c_uint32),
        ("capturemode", ctypes.c_uint32),
        ("numerator", ctypes.c_uint32),
        ("denominator", ctypes.c_uint32),
        ("rest", ctypes.c_uint8 * 184),
    )


class Request(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("capabilities", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


class _Timecode(ctypes.Structure):
    _fields_ = (("type", ctypes.c_uint32), ("flags", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 8))


class _Place(ctypes.Union):
    _fields_ = (("offset", ctypes.c_uint32), ("userptr", ctypes.c_ulong))


class Buffer(ctypes.Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("bytesused", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("field", ctypes.c_uint32),
        ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long),
        ("timecode", _Timecode),
        ("sequence", ctypes.c_uint32),
        ("memory", ctypes.c_uint32),
        ("m", _Place),
        ("length", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("request_fd", ctypes.c_int32),
    )


def _number(direction: int, number: int, kind: type[ctypes.Structure | ctypes.c_int]) -> int:
    """_IOC of <asm-generic/ioctl.h>: direction 1 write, 2 read, 3 both."""
    return direction << 30 | ctypes.sizeof(kind) << 16 | ord("V") << 8 | number


SET_FORMAT = _number(3, 5, Format)
REQUEST_BUFFERS = _number(3, 8, Request)
QUERY_BUFFER = _number(3, 9, Buffer)
QUEUE_BUFFER = _number(3, 15, Buffer)
DEQUEUE_BUFFER = _number(3, 17, Buffer)
STREAM_ON = _number(1, 18, ctypes.c_int)
STREAM_OFF = _number(1, 19, ctypes.c_int)
SET_INTERVAL = _number(3, 22, Interval)


class Kernel(Protocol):
    """What the kernel does for a camera. Every call raises OSError."""

    def open(self, path: str) -> int:
        """Open the device for reading and writing, without waiting."""
        ...

    def ioctl(self, device: int, number: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        """Ask or tell; the argument is changed in place."""
        ...

    def map(self, device: int, length: int, offset: int) -> mmap.mmap:
        """A buffer of the device as memory."""
        ...

    def close(self, device: int) -> None:
        """Close the device."""
        ...


class LinuxKernel:
    """The real one."""

    def open(self, path: str) -> int:
        """See `Kernel`."""
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, device: int, number: int, argument: ctypes.Structure | ctypes.c_int) -> None:
        """See `Kernel`."""
        fcntl.ioctl(device, number, argument)

    def map(self, device: int, length: int, offset: int) -> mmap.mmap:
        """See `Kernel`."""
        return mmap.mmap(device, length, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)

    def close(self, device: int) -> None:
        """See `Kernel`."""
        os.close(device)
