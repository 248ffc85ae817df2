"""A people counter or queue sensor on a TCP port as a `PeopleCounter`: it sends a line for each count (`tcp://host:port`).

`devices/scanner_lines.py` cuts the lines, `LinePattern` reads them by the site's own pattern, `devices/people_count.py` counts.
"""

import logging
import re

from devices.kept_connection import KeptConnection
from devices.people_count import CountingSensor
from devices.scanner_lines import ScannerLines
from devices.tcp_line import TcpLine
from resort.clock import Clock
from resort.errors import Invalid, InvalidConfig
from resort.people import PeopleReading, PeopleSensorSite
from resort.site import ScannerLine

READ_BYTES = 4 * 2**10
PATTERN_MAX = 200  # characters
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


class LinePeopleCounter(CountingSensor):
    """One sensor. Connects again by itself with back-off; a sensor that is away is no error: `connected`, the age of its
    count and the log tell. Lines that do not fit, or say what cannot be, are dropped and counted as `noise`.

    Raises InvalidConfig for an address or a pattern that cannot be used.
    """

    def __init__(self, site: PeopleSensorSite, clock: Clock) -> None:
        super().__init__(site, clock)
        self._line = TcpLine(site.url, "people sensor url")
        self._pattern = LinePattern(site.line)
        self._lines = ScannerLines(ScannerLine())
        self._misread = 0
        self._connection = KeptConnection(f"people sensor {self._line.name}", self._receive, _log)
        self._connection.start()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection.connected

    @property
    def noise(self) -> int:
        """Lines that were dropped."""
        return self._lines.noise + self._misread

    async def close(self) -> None:
        """See the port. Idempotent."""
        await super().close()
        await self._connection.close()

    async def _receive(self) -> str:
        """Take lines until the sensor hangs up. Raises OSError."""
        async with self._line.open() as reader:
            self._connection.made()
            self._lines.begin()
            while data := await reader.read(READ_BYTES):
                for text in self._lines.feed(data):
                    self._take(text)
        return "it hung up"

    def _take(self, text: str) -> None:
        reading = self._pattern.read(text)
        if reading is None:
            self._misread += 1
            return
        try:
            self.counted(reading)
        except Invalid:
            self._misread += 1
            return
        self._connection.heard()


def _check_end(place: str, field: str, text: str, *, last: bool) -> None:
    """Where a field ends must be plain from what follows it."""
    if not text and not last:
        raise InvalidConfig(place, "two fields need something between them")
    if text and field == "any" and not (text[0].isspace() or text[0] in ",;"):
        raise InvalidConfig(place, "{any} ends at a blank, a comma or a semicolon")
    if text and field != "any" and text[0].isdecimal():
        raise InvalidConfig(place, f"no digit can follow {{{field}}}")


def _literal(text: str) -> str:
    return r"\s++".join(re.escape(word) for word in re.split(r"\s+", text)) if text.strip() else r"\s++" if text else ""
