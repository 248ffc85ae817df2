"""A height sensor on a TCP port as a `HeightSensor`: it sends a line with centimetres while somebody stands under it.

Lines are `132`, `132.5` or `132 cm`; `0` and `-` say that nobody is there. Centimetres stay here: only a band leaves.
"""

import logging
import re

from devices.kept_connection import KeptConnection
from devices.scanner_lines import ScannerLines
from devices.tcp_line import TcpLine
from resort.clock import Clock, Moment
from resort.heights import HeightBand, HeightLimits, height_band
from resort.site import ScannerLine

READ_BYTES = 4 * 2**10
FRESH_MS = 2_000.0  # an older line may be of the guest before
_LINE = re.compile(r"(?:(?P<cm>[0-9]{1,3}(?:\.[0-9]{1,2})?)(?: ?cm)?|-)", re.ASCII)
_log = logging.getLogger("snowgate.height")


class LineHeightSensor:
    """One sensor. Connects by itself, again and again; while it is away, silent or says what nobody understands, there is no
    band. Raises InvalidConfig for an address that is no `tcp://host:port`.
    """

    def __init__(self, url: str, limits: HeightLimits, clock: Clock) -> None:
        self.noise = 0  # lines that were dropped
        self._line = TcpLine(url, "height sensor url")
        self._limits = limits
        self._clock = clock
        self._lines = ScannerLines(ScannerLine())
        self._newest: tuple[float, Moment] | None = None
        self._connection = KeptConnection(f"height sensor {self._line.name}", self._receive, _log)
        self._connection.start()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.connected

    async def band(self) -> HeightBand | None:
        """See the port; answers at once."""
        if self._newest is None or self._clock.now().ms_since(self._newest[1]) > FRESH_MS:
            return None
        return height_band(self._newest[0], self._limits)

    async def close(self) -> None:
        """See the port. Idempotent."""
        await self._connection.close()

    async def _receive(self) -> str:
        """Take lines until the sensor hangs up. Raises OSError."""
        self._newest = None
        async with self._line.open() as reader:
            self._connection.made()
            self._lines.begin()
            while data := await reader.read(READ_BYTES):
                for text in self._lines.feed(data):
                    self._take(text)
        return "it hung up"

    def _take(self, text: str) -> None:
        match = _LINE.fullmatch(text.strip())
        if match is None:
            self.noise += 1
            return
        self._connection.heard()
        height_cm = float(match["cm"] or 0)
        self._newest = (height_cm, self._clock.now()) if height_cm else None
