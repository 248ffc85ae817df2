"""A hardware scanner, or an NFC reader, as a `CodeSource`: it sends one line for each code or card that it reads.

`devices/scanner_link.py` opens the line to it, `devices/scanner_lines.py` cuts the lines, `devices/uid_lines.py` reads UIDs in
them and `devices/presence.py` says what is news; this file keeps the connection. Back-pressure: newest wins. Of the lines that
the lane has not fetched the newest few are kept; older ones are dropped and counted.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator

from devices.presence import Presence
from devices.scanner_lines import ScannerLines
from devices.scanner_link import ScannerLink, SerialLink, TcpLink
from devices.uid_lines import UidLines
from resort.clock import Clock, Moment
from resort.ports import CodeSource, Sighting
from resort.site import CameraSite, LaneLimits

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
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
        self.connected = False
        self._link: ScannerLink = SerialLink(camera.url) if camera.url.lower().startswith("serial:") else TcpLink(camera.url)
        self._lines = ScannerLines(camera.line)
        self._uids = UidLines(camera.uid) if camera.uid is not None else None
        self._no_uids = 0
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
            self._task = asyncio.create_task(self._receive_for_ever(), name=f"scanner {self._link.name}")
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
        """Lines that were no code or UID at all: too long, without the prefix or suffix, or of another shape."""
        return self._lines.noise + self._no_uids

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
        async with self._link.open() as reader:
            self._tell_connected()
            self._lines.begin()
            while data := await reader.read(READ_BYTES):
                for text in self._lines.feed(data):
                    self._keep(text)

    def _keep(self, line: str) -> None:
        text = line if self._uids is None else self._uids.text(line)
        if text is None:
            self._no_uids += 1
            return
        self.received += 1
        if len(self._waiting) == LINES_KEPT:
            self.dropped += 1
        self._waiting.append((text, self._clock.now()))
        self._arrived.set()

    def _tell_connected(self) -> None:
        self.connected = True
        if self._told_away:
            _log.info("scanner %s is back", self._link.name)
        self._told_away = False

    def _tell_away(self, problem: str) -> None:
        """Log edges only."""
        if self.connected:
            self._heard = self._clock.now()
        self.connected = False
        if not self._told_away:
            _log.warning("scanner %s is away: %s", self._link.name, problem)
            self._told_away = True


def open_scanner(camera: CameraSite, limits: LaneLimits, clock: Clock) -> CodeSource:
    """The scanner of a lane by its address. Nothing is connected yet. Raises InvalidConfig."""
    return ScannerCodeSource(camera, clock, limits.repeat_code_ms)
