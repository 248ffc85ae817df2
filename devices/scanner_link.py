"""How a scanner's bytes come: over TCP (`tcp://host:port`) or a serial line (`serial:///dev/ttyUSB0?baud=9600`). Reads only."""

import asyncio
import contextlib
import os
import socket
import termios
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from devices.camera_frames import local_address
from resort.errors import InvalidConfig

CONNECT_S = 2.0
# A scanner says nothing while nobody comes: whether it is still there is asked by TCP, and known after about 10 s.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 4), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))
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


class TcpLink:
    """A scanner on a TCP port. Raises InvalidConfig for what is no `tcp://host:port`."""

    def __init__(self, url: str) -> None:
        self._address = parse_scanner(url)
        self.name = f"{self._address[0]}:{self._address[1]}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.StreamReader]:
        """See `ScannerLink`."""
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(*self._address)
        try:
            line: socket.socket = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                line.setsockopt(socket.IPPROTO_TCP, option, value)
            yield reader
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


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


def parse_scanner(url: str) -> tuple[str, int]:
    """Host and port of a `tcp://host:port` scanner. Raises InvalidConfig."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what looking the name up will do with it
    except ValueError as error:
        raise InvalidConfig("camera.url", f"{url} is no address ({error})") from None
    if parts.scheme != "tcp" or not host or not port or parts.path.strip("/") or parts.query or parts.username is not None:
        raise InvalidConfig("camera.url", f"{url} is not an address such as tcp://192.168.10.31:2001")
    return host, port
