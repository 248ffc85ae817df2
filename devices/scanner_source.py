"""A hardware scanner, or an NFC reader, as a `CodeSource`: it sends one line for each code or card that it reads.

`devices/scanner_link.py` opens the line to it and `devices/kept_connection.py` keeps it, `devices/scanner_lines.py` cuts the
lines, `devices/uid_lines.py` reads UIDs in them and `devices/presence.py` says what is news.
Back-pressure: newest wins. Of the lines that the lane has not fetched the newest few are kept; older ones are dropped and
counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator

from devices.kept_connection import KeptConnection
from devices.presence import Presence
from devices.scanner_lines import ScannerLines
from devices.scanner_link import ScannerLink, SerialLink
from devices.tcp_line import TcpLine
from devices.uid_lines import UidLines
from resort.clock import Clock, Moment
from resort.ports import CodeSource, Sighting
from resort.site import CameraSite, LaneLimits

READ_BYTES = 4 * 2**10
LINES_KEPT = 4
_log = logging.getLogger("snowgate.scanner")


class ScannerCodeSource:
    """One scanner. Connects again by itself with back-off; a scanner that is away is no error, `connected` and the log tell.

    A line that the scanner repeats, as some do while the code stays before them, is told as often as a camera tells a code that
    stays in sight (`Presence`). Raises InvalidConfig for an address or a format of UIDs that cannot be.
    """

    def __init__(self, camera: CameraSite, clock: Clock, repeat_code_ms: float) -> None:
        self.received = 0  # lines that carried a text
        self.dropped = 0  # of these, the lane fetched newer ones instead
        self._link: ScannerLink = _link(camera.url)
        self._lines = ScannerLines(camera.line)
        self._uids = UidLines(camera.uid) if camera.uid is not None else None
        self._no_uids = 0
        self._clock = clock
        self._presence = Presence(0.0, repeat_code_ms)
        self._waiting: deque[tuple[str, Moment]] = deque(maxlen=LINES_KEPT)
        self._arrived = asyncio.Event()
        self._closed = False
        self._heard: Moment | None = None  # when its connection ended
        self._connection = KeptConnection(f"scanner {self._link.name}", self._receive, _log)

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.connected

    @property
    def last_heard(self) -> Moment | None:
        """See `Audible`: a scanner says nothing while nobody comes, so its connection counts."""
        return self._clock.now() if self.connected else self._heard

    async def sightings(self) -> AsyncIterator[Sighting]:
        """See the port. Ends when the source is closed. For one consumer."""
        if not self._closed:
            self._connection.start()
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
        self._closed = True
        self._arrived.set()
        await self._connection.close()

    @property
    def noise(self) -> int:
        """Lines that were no code or UID at all: too long, without the prefix or suffix, or of another shape."""
        return self._lines.noise + self._no_uids

    async def _receive(self) -> str:
        """Take lines until the scanner hangs up. Raises OSError."""
        try:
            async with self._link.open() as reader:
                self._connection.made()
                self._lines.begin()
                while data := await reader.read(READ_BYTES):
                    for text in self._lines.feed(data):
                        self._keep(text)
        finally:
            if self.connected:
                self._heard = self._clock.now()
        return "the scanner hung up"

    def _keep(self, line: str) -> None:
        text = line if self._uids is None else self._uids.text(line)
        if text is None:
            self._no_uids += 1
            return
        self._connection.heard()
        self.received += 1
        if len(self._waiting) == LINES_KEPT:
            self.dropped += 1
        self._waiting.append((text, self._clock.now()))
        self._arrived.set()


def _link(url: str) -> ScannerLink:
    return SerialLink(url) if url.lower().startswith("serial:") else TcpLine(url, "camera.url")


def open_scanner(camera: CameraSite, limits: LaneLimits, clock: Clock) -> CodeSource:
    """The scanner of a lane by its address. Nothing is connected yet. Raises InvalidConfig."""
    return ScannerCodeSource(camera, clock, limits.repeat_code_ms)
