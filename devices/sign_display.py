"""A display at a sign, on a TCP port: it shows what it is told for as long as it is told, and goes blank by itself.

One JSON object a line, both ways. We send `{"number": 7, "zh": "…", "en": "…", "valid_s": 90}`; the display shows both texts,
says `{"shown": 7}`, and goes back to its own picture when the time is over or a text is empty. What is shown is sent again well
before its time is over, so a display that lost us shows nothing old.
"""

import asyncio
import contextlib
import logging

import msgspec

from devices.kept_connection import KeptConnection
from devices.tcp_line import CONNECT_S, parse_tcp
from resort.texts import Text

VALID_S = 90
AGAIN_S = 30.0
ANSWER_S = 2.0
LINE_MAX = 1_024
BLANK = Text("", "")
_log = logging.getLogger("snowgate.sign")


class SignMessage(msgspec.Struct, frozen=True):
    """A line to the display."""

    number: int
    zh: str
    en: str
    valid_s: int


class SignAnswer(msgspec.Struct, frozen=True):
    """A line from it."""

    shown: int


class LineSignDisplay:
    """One display. `start`, then `show` whenever the text changes, then `close`, which blanks it. Connects by itself, again and
    again. Raises InvalidConfig for an address that is no `tcp://host:port`."""

    def __init__(self, url: str, again_s: float = AGAIN_S) -> None:
        self._address = parse_tcp(url, "sign display")
        self._again_s = again_s
        self._wanted = BLANK
        self._number = 0
        self._changed = asyncio.Event()
        self._shown: Text | None = None
        name = f"sign display {self._address[0]}:{self._address[1]}"
        self._connection = KeptConnection(name, self._serve, _log, (OSError, asyncio.IncompleteReadError, ValueError))

    def start(self) -> None:
        """Connect."""
        self._connection.start()

    def show(self, text: Text) -> None:
        """From now on this; BLANK: its own picture. Returns at once."""
        if text != self._wanted:
            self._wanted = text
            self._changed.set()

    @property
    def shown(self) -> Text | None:
        """What it confirmed last; None while it is away."""
        return self._shown if self._connection.connected else None

    async def close(self) -> None:
        """Blank it if it is there, and hang up. Idempotent."""
        self.show(BLANK)
        if self._connection.connected:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    while self.shown not in (None, BLANK):  # noqa: ASYNC110 - at most once, at the end
                        await asyncio.sleep(0.01)
        await self._connection.close()
        self._shown = None

    async def _hangs_up(self, reader: asyncio.StreamReader) -> bool:
        """Wait until there is something to tell, or to tell again; True when the display is gone meanwhile."""
        reading, changing = asyncio.create_task(reader.readline()), asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((reading, changing), timeout=self._again_s, return_when=asyncio.FIRST_COMPLETED)
            return reading.done() and not reading.result()
        finally:
            for task in (reading, changing):
                task.cancel()
            await asyncio.gather(reading, changing, return_exceptions=True)

    async def _serve(self) -> str:
        """Tell it what to show until it hangs up, or does not answer. Raises OSError, ValueError for nonsense."""
        self._shown = None
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(*self._address, limit=LINE_MAX)
        try:
            self._connection.made()
            while True:
                self._changed.clear()
                text, self._number = self._wanted, self._number + 1
                message = SignMessage(self._number, text.zh, text.en, VALID_S)
                writer.write(msgspec.json.encode(message) + b"\n")
                async with asyncio.timeout(ANSWER_S):
                    await writer.drain()
                    while msgspec.json.decode(await reader.readuntil(b"\n"), type=SignAnswer).shown != self._number:
                        pass  # an answer to what was sent before
                self._shown = text
                self._connection.heard()
                if await self._hangs_up(reader):
                    return "it hung up"
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
