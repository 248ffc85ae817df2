"""A hardware scanner on a TCP port as a `CodeSource`: it sends one line for each code that it reads (`tcp://host:port`).

`devices/scanner_lines.py` cuts the lines and `devices/camera_source.py` says which code is news; this file keeps the
connection. Back-pressure: newest wins. Of the lines that the lane has not fetched the newest few are kept; older ones are
dropped and counted.
"""

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from devices.camera_source import Presence
from devices.scanner_lines import ScannerLines
from resort.clock import Clock, Moment
from resort.errors import InvalidConfig
from resort.ports import Sighting
from resort.site import CameraSite

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
CONNECT_S = 2.0
READ_BYTES = 4 * 2**10
LINES_KEPT = 4
# A scanner says nothing while nobody comes: whether it is still there is asked by TCP, and known after about 10 s.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 4), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))
_log = logging.getLogger("snowgate.scanner")


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


class ScannerCodeSource:
    """One scanner. Connects again by itself with back-off; a scanner that is away is no error, `connected` and the log tell.

    A line that the scanner repeats, as some do while the code stays before them, is told as often as a camera tells a code that
    stays in sight (`Presence`). Raises InvalidConfig for what is no `tcp://host:port`.
    """

    def __init__(self, camera: CameraSite, clock: Clock, repeat_code_ms: float) -> None:
        self.received = 0  # lines that carried a text
        self.dropped = 0  # of these, the lane fetched newer ones instead
        self.connected = False
        self._address = parse_scanner(camera.url)
        self._lines = ScannerLines(camera.line)
        self._clock = clock
        self._presence = Presence(0.0, repeat_code_ms)
        self._waiting: deque[tuple[str, Moment]] = deque(maxlen=LINES_KEPT)
        self._arrived = asyncio.Event()
        self._closed = False
        self._told_away = False
        self._heard: Moment | None = None  # when its connection ended
        self._task: asyncio.Task[None] | None = None

    @property
    def last_heard(self) -> Moment | None:
        """See `Audible`: a scanner says nothing while nobody comes, so its connection counts."""
        return self._clock.now() if self.connected else self._heard

    async def sightings(self) -> AsyncIterator[Sighting]:
        """See the port. Ends when the source is closed. For one consumer."""
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._receive_for_ever(), name=f"scanner {self._name}")
        while not self._closed:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            text, at = self._waiting.popleft()
            sighting = self._presence.take(text, occupied=True, frame_at=at, now=self._clock.now())
            if sighting is not None:
                yield sighting

    async def close(self) -> None:
        """See the port. Idempotent."""
        self._closed, self.connected = True, False
        self._arrived.set()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def noise(self) -> int:
        """Lines that were no code at all: too long, or without the prefix or suffix."""
        return self._lines.noise

    @property
    def _name(self) -> str:
        host, port = self._address
        return f"{host}:{port}"

    async def _receive_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            before = self.received
            try:
                await self._receive()
                problem = "the scanner hung up"
            except OSError as error:  # of connecting too; TimeoutError is one
                problem = f"{type(error).__name__} {error}".strip()
            self._tell_away(problem)
            if self.received > before:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _receive(self) -> None:
        """Take lines until the scanner hangs up. Raises OSError."""
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(*self._address)
        try:
            self._tell_connected(writer)
            self._lines.begin()
            while data := await reader.read(READ_BYTES):
                for text in self._lines.feed(data):
                    self._keep(text)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _keep(self, text: str) -> None:
        self.received += 1
        if len(self._waiting) == LINES_KEPT:
            self.dropped += 1
        self._waiting.append((text, self._clock.now()))
        self._arrived.set()

    def _tell_connected(self, writer: asyncio.StreamWriter) -> None:
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            line.setsockopt(socket.IPPROTO_TCP, option, value)
        self.connected = True
        if self._told_away:
            _log.info("scanner %s is back", self._name)
        self._told_away = False

    def _tell_away(self, problem: str) -> None:
        """Log edges only."""
        if self.connected:
            self._heard = self._clock.now()
        self.connected = False
        if not self._told_away:
            _log.warning("scanner %s is away: %s", self._name, problem)
            self._told_away = True
