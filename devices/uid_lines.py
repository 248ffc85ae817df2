"""UIDs of cards in the lines of an NFC or RFID reader, as the texts that lanes are told: `nfc:` and lower-case hex digits.

Readers differ in prefix and suffix (`resort.site.ScannerLine`), in how they write the number and in which end they begin at; a
`UidLine` says it. What a UID admits is not known here: today's codes are none of them, so a lane refuses it as malformed.
"""

import re

from resort.errors import InvalidConfig
from resort.site import UidLine

MARK = "nfc:"
LONGEST = 16  # bytes; ISO/IEC 14443-3 has 4, 7 and 10, ISO/IEC 15693 has 8
_BETWEEN = str.maketrans("", "", ":- ")
_HEX, _DECIMAL = re.compile(r"[0-9A-Fa-f]+"), re.compile(r"[0-9]{1,40}")


class UidLines:
    """What a reader's lines mean. Raises InvalidConfig for a pattern or lengths that cannot be."""

    def __init__(self, line: UidLine) -> None:
        try:
            self._pattern = re.compile(line.pattern or "(.*)")
        except re.error as error:
            raise InvalidConfig("camera.uid.pattern", f"{line.pattern} is no regular expression ({error})") from None
        if self._pattern.groups != 1:
            raise InvalidConfig("camera.uid.pattern", f"{line.pattern} needs one group, the UID")
        if not line.bytes or not all(1 <= count <= LONGEST for count in line.bytes):
            raise InvalidConfig("camera.uid.bytes", f"a UID has 1 to {LONGEST} bytes")
        self._line = line

    def text(self, line: str) -> str | None:
        """`nfc:` and the UID's bytes, the first as the card sends it first; None for a line that is no UID."""
        match = self._pattern.fullmatch(line)
        if match is None or match[1] is None:
            return None
        raw = self._decimal(match[1].strip()) if self._line.digits == "decimal" else self._hex(match[1].translate(_BETWEEN))
        if raw is None or len(raw) not in self._line.bytes:
            return None
        return MARK + (raw[::-1] if self._line.reversed else raw).hex()

    def _hex(self, digits: str) -> bytes | None:
        return bytes.fromhex(digits) if _HEX.fullmatch(digits) and len(digits) % 2 == 0 else None

    def _decimal(self, digits: str) -> bytes | None:
        """A number has no length of its own: leading zeros are made up for."""
        length = self._line.bytes[0]
        if not _DECIMAL.fullmatch(digits) or (number := int(digits)).bit_length() > length * 8:
            return None
        return number.to_bytes(length, "big")
