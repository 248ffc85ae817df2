"""Lines of a hardware scanner, cut from its bytes as they come. Knows no socket, no time and no tickets.

What a line says is not judged here: a genuine code may hold spaces, also at its ends, so nothing but prefix, suffix and
terminator is taken off.
"""

import re

from resort.site import ScannerLine

MAX_LINE_BYTES = 512  # a QR code of the largest text that any ticket of the trade carries is far shorter
_TERMINATORS = {"any": rb"[\r\n]", "CR": rb"\r", "LF": rb"\n", "CRLF": rb"\r\n"}


class ScannerLines:
    """The texts in a scanner's bytes. Takes any bytes and never raises; keeps at most `max_bytes` and one read.

    Dropped and counted as `noise`: lines without the prefix or suffix, and lines of more than `max_bytes`, prefix and suffix
    included. Empty lines are dropped without a word, so that CR, LF and CRLF all end a line where `any` of them may.
    """

    def __init__(self, line: ScannerLine, max_bytes: int = MAX_LINE_BYTES) -> None:
        self.noise = 0
        self._prefix = line.prefix.encode()
        self._suffix = line.suffix.encode()
        self._end = re.compile(_TERMINATORS[line.terminator])
        self._max_bytes = max_bytes
        self._buffer = b""
        self._overlong = False  # the line that is under way was given up: skip to its end

    def feed(self, data: bytes) -> list[str]:
        """The texts of the lines that these bytes complete. Bytes that are no UTF-8 become U+FFFD, which is in no code."""
        self._buffer += data
        texts: list[str] = []
        begins = 0
        for end in self._end.finditer(self._buffer):
            self._take(self._buffer[begins : end.start()], texts)
            begins = end.end()
        self._buffer = self._buffer[begins:]
        if len(self._buffer) > self._max_bytes + 1:  # the last byte may be the CR of a CRLF
            self._overlong = True
            self._buffer = self._buffer[-1:]
        return texts

    def begin(self) -> None:
        """The bytes that follow come from a new connection: what the old one cut off is worth nothing."""
        self._buffer, self._overlong = b"", False

    def _take(self, line: bytes, texts: list[str]) -> None:
        overlong, self._overlong = self._overlong or len(line) > self._max_bytes, False
        if not line and not overlong:
            return
        framed = len(line) >= len(self._prefix) + len(self._suffix)
        if overlong or not framed or not line.startswith(self._prefix) or not line.endswith(self._suffix):
            self.noise += 1
            return
        text = line[len(self._prefix) : len(line) - len(self._suffix)].decode(errors="replace")
        if text:
            texts.append(text)
