"""How a scanner's bytes come: over TCP (`devices/tcp_line.py`) or a serial line (`serial:///dev/ttyUSB0`). Reads only."""

import asyncio
import contextlib
import os
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from devices.camera_frames import local_address
from resort.errors import InvalidConfig

_BAUDS = {
    int(name[1:]): int(getattr(termios, name))
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit() and name != "B0"
}


class ScannerLink(Protocol):
    """A line to a scanner that can be opened again and again."""

    name: str

    def open(self) -> contextlib.AbstractAsyncContextManager[asyncio.StreamReader]:
        """The scanner's bytes while the context lasts. Raises OSError."""
        ...


class SerialLink:
    """A scanner on a serial line: 8 data bits, no parity, one stop bit. Raises InvalidConfig for what is no such address."""

    def __init__(self, url: str) -> None:
        self.name, numbers = local_address(url, "serial:///dev/ttyUSB0?baud=9600", {"baud": 9600.0})
        speed = _BAUDS.get(int(numbers["baud"]))
        if speed is None:
            raise InvalidConfig("camera.url", f"{url}: no serial line has {numbers['baud']:g} baud")
        self._speed = speed

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.StreamReader]:
        """See `ScannerLink`."""
        device = os.open(self.name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(device, "rb", buffering=0) as line:
            try:
                tty.setraw(device)
                settings = termios.tcgetattr(device)
                settings[4] = settings[5] = self._speed
                settings[2] |= termios.CLOCAL | termios.CREAD
                termios.tcsetattr(device, termios.TCSANOW, settings)
            except termios.error as error:
                raise OSError(f"{self.name} is no serial line ({error.args[-1]})") from None
            reader = asyncio.StreamReader()
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), line
            )
            try:
                yield reader
            finally:
                transport.close()
