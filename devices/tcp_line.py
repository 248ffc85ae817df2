"""Where a device is that sends lines over TCP (`tcp://host:port`), and the connection to it. Knows no lines; only reads."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from resort.errors import InvalidConfig

CONNECT_S = 2.0
# Such a device says nothing while nobody comes: whether it is still there is asked by TCP, and known after about 10 s.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 4), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))


class TcpLine:
    """A device on a TCP port. `place` names the setting in what is raised: InvalidConfig for what is no `tcp://host:port`."""

    def __init__(self, url: str, place: str) -> None:
        self._address = parse_tcp(url, place)
        self.name = f"{self._address[0]}:{self._address[1]}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[asyncio.StreamReader]:
        """Its bytes while the context lasts. Raises OSError."""
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


def parse_tcp(url: str, place: str) -> tuple[str, int]:
    """Host and port of `tcp://host:port`. Raises InvalidConfig, which names `place`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what looking the name up will do with it
    except ValueError as error:
        raise InvalidConfig(place, f"{url} is no address ({error})") from None
    if parts.scheme != "tcp" or not host or not port or parts.path.strip("/") or parts.query or parts.username is not None:
        raise InvalidConfig(place, f"{url} is not an address such as tcp://192.168.10.31:2001")
    return host, port
