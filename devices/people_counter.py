"""A people counter or queue sensor on a TCP port as a `PeopleCounter`: it sends a line for each count (`tcp://host:port`).

`devices/scanner_lines.py` cuts the lines, `LinePattern` reads them by the site's own pattern, `resort/people.py` adds them up.
Back-pressure: newest wins, and as totals only grow nobody is lost by that.
"""

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from devices.scanner_lines import ScannerLines
from resort.clock import Clock
from resort.errors import Invalid, InvalidConfig
from resort.people import PeopleCount, PeopleReading, PeopleSensorSite, PeopleTally
from resort.site import ScannerLine

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
CONNECT_S = 2.0
READ_BYTES = 4 * 2**10
PATTERN_MAX = 200  # characters
# A sensor may say nothing while nobody comes: whether it is still there is asked by TCP, and known after about 10 s.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 4), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))
_FIELDS = {"in": "entered", "out": "left", "waiting": "waiting", "number": "number"}
_FIELD = re.compile(r"\{([a-z]*)\}")
_log = logging.getLogger("snowgate.people")


class LinePattern:
    """Reads lines such as `in=12 out=7` by a pattern such as `in={in} out={out}`.

    {in}, {out}, {waiting} and {number} stand for whole numbers of up to ten digits, {any} for a word of no meaning, and a blank
    for blanks. Everything else stands for itself; blanks around a line do not count. Raises InvalidConfig on a pattern that
    says nothing or is ambiguous.
    """

    def __init__(self, pattern: str) -> None:
        place = "people sensor line"
        pieces = _FIELD.split(pattern.strip())  # text, field, text, field, text
        texts, fields = pieces[::2], pieces[1::2]
        if len(pattern) > PATTERN_MAX or any("{" in text or "}" in text for text in texts):
            raise InvalidConfig(place, f"{pattern[:PATTERN_MAX]} is no pattern such as in={{in}} out={{out}}")
        unknown = [field for field in fields if field != "any" and field not in _FIELDS]
        if unknown:
            raise InvalidConfig(
                place, f"there is no {{{unknown[0]}}}, only {', '.join(f'{{{field}}}' for field in (*_FIELDS, 'any'))}"
            )
        named = [field for field in fields if field != "any"]
        if len(set(named)) != len(named) or not {"in", "out", "waiting"} & set(named):
            raise InvalidConfig(place, "it needs one of {in}, {out} and {waiting}, and none of them twice")
        for number, (field, text) in enumerate(zip(fields, texts[1:], strict=True), 1):
            _check_end(place, field, text, last=number == len(fields))
        parts = [_literal(texts[0])]
        for field, text in zip(fields, texts[1:], strict=True):
            # Possessive: a line that does not fit is told so in one pass, however long it is.
            parts += [r"[^\s,;]*+" if field == "any" else rf"(?P<{_FIELDS[field]}>[0-9]{{1,10}}+)", _literal(text)]
        self._expression = re.compile("".join(parts), re.ASCII)

    def read(self, line: str) -> PeopleReading | None:
        """What the line says; None when it is none of these lines."""
        match = self._expression.fullmatch(line.strip())
        return None if match is None else PeopleReading(**{name: int(digits) for name, digits in match.groupdict().items()})


class Latest:
    """The newest count, for whoever fetches it."""

    def __init__(self) -> None:
        self.count: PeopleCount | None = None
        self._fetched: PeopleCount | None = None
        self._closed = False
        self._news = asyncio.Event()

    def put(self, count: PeopleCount) -> None:
        """A newer one; what nobody fetched is replaced."""
        self.count = count
        self._news.set()

    async def counts(self) -> AsyncIterator[PeopleCount]:
        """Each that is newer than the one fetched last, until closed. For one consumer."""
        while not self._closed:
            if self.count is None or self.count is self._fetched:
                self._news.clear()
                await self._news.wait()
                continue
            self._fetched = self.count
            yield self.count

    def close(self) -> None:
        """No more."""
        self._closed = True
        self._news.set()


class LinePeopleCounter:
    """One sensor. Connects again by itself with back-off; a sensor that is away is no error: `connected`, the age of its
    count and the log tell. Lines that do not fit, or say what cannot be, are dropped and counted as `noise`.

    Raises InvalidConfig for an address or a pattern that cannot be used.
    """

    def __init__(self, site: PeopleSensorSite, clock: Clock) -> None:
        self.connected = False
        self._host, self._port = _parse(site.url)
        self._pattern = LinePattern(site.line)
        self._tally = PeopleTally(site)
        self._clock = clock
        self._lines = ScannerLines(ScannerLine())
        self._latest = Latest()
        self._misread = 0
        self._told_away = False
        self._task = asyncio.create_task(self._receive_for_ever(), name=f"people sensor {self._host}:{self._port}")

    @property
    def noise(self) -> int:
        """Lines that were dropped."""
        return self._lines.noise + self._misread

    @property
    def latest(self) -> PeopleCount | None:
        """See the port."""
        return self._latest.count

    def counts(self) -> AsyncIterator[PeopleCount]:
        """See the port."""
        return self._latest.counts()

    async def close(self) -> None:
        """See the port. Idempotent."""
        self._latest.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.connected = False

    async def _receive_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            before = self._latest.count
            try:
                await self._receive()
                problem = "it hung up"
            except OSError as error:  # of connecting too; TimeoutError is one
                problem = f"{type(error).__name__} {error}".strip()
            self.connected = False
            if not self._told_away:
                _log.warning("people sensor %s:%d is away: %s", self._host, self._port, problem)
                self._told_away = True
            if self._latest.count is not before:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _receive(self) -> None:
        """Take lines until the sensor hangs up. Raises OSError."""
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            line: socket.socket = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _KEEPALIVE:
                line.setsockopt(socket.IPPROTO_TCP, option, value)
            self.connected = True
            if self._told_away:
                _log.info("people sensor %s:%d is back", self._host, self._port)
            self._told_away = False
            self._lines.begin()
            while data := await reader.read(READ_BYTES):
                for text in self._lines.feed(data):
                    self._take(text)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _take(self, text: str) -> None:
        reading = self._pattern.read(text)
        if reading is None:
            self._misread += 1
            return
        try:
            self._latest.put(self._tally.take(reading, self._clock.now()))
        except Invalid:
            self._misread += 1


def _check_end(place: str, field: str, text: str, *, last: bool) -> None:
    """Where a field ends must be plain from what follows it."""
    if not text and not last:
        raise InvalidConfig(place, "two fields need something between them")
    if text and field == "any" and not (text[0].isspace() or text[0] in ",;"):
        raise InvalidConfig(place, "{any} ends at a blank, a comma or a semicolon")
    if text and field != "any" and text[0].isdecimal():
        raise InvalidConfig(place, f"no digit can follow {{{field}}}")


def _parse(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what looking the name up will do with it
    except ValueError as error:
        raise InvalidConfig("people sensor url", f"{url} is no address ({error})") from None
    if parts.scheme != "tcp" or not host or not port or parts.path.strip("/") or parts.query or parts.username is not None:
        raise InvalidConfig("people sensor url", f"{url} is not an address such as tcp://192.168.10.41:4001")
    return host, port


def _literal(text: str) -> str:
    return r"\s++".join(re.escape(word) for word in re.split(r"\s+", text)) if text.strip() else r"\s++" if text else ""
