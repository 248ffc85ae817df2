"""RTU frames: unit, PDU and CRC, and which of the bytes on a line answer a request.

Pure. RTU has no transaction number and no length: how long an answer is follows from what was asked, and an answer counts only
with its unit, function, byte count or echo, and CRC (Modbus over Serial Line V1.02, 2.5.1). Bytes before it are noise.
"""

from devices.modbus_frames import READS, WRITES, is_answer_to, is_refusal_of

BROADCAST = 0  # the unit that all obey and none answers
_OVERHEAD = 3  # unit and CRC
_REFUSAL = 5
_WRITE_ANSWER = 8
_BITS = (1, 2)


def _table() -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0xA001 if byte & 1 else 0)
        rows.append(byte)
    return tuple(rows)


_TABLE = _table()


def crc(data: bytes) -> bytes:
    """The two bytes that end a frame, the low one first."""
    rest = 0xFFFF
    for byte in data:
        rest = rest >> 8 ^ _TABLE[(rest ^ byte) & 0xFF]
    return rest.to_bytes(2, "little")


def rtu_frame(unit: int, body: bytes) -> bytes:
    """One frame around a PDU."""
    framed = bytes((unit,)) + body
    return framed + crc(framed)


def is_whole(frame: bytes) -> bool:
    """Whether these bytes end in their CRC."""
    return len(frame) > _OVERHEAD and crc(frame[:-2]) == frame[-2:]


def find_answer(stream: bytes, unit: int, asked: bytes) -> tuple[bytes, int] | None:
    """The first frame of `stream` that answers the PDU `asked`: its PDU, and where it ends. None while there is none.

    A frame that is begun as it should be is waited for; only when its CRC is wrong, the bytes after its first are looked at.
    """
    for at in range(len(stream)):
        if stream[at] != unit:
            continue
        size = _size_of_answer(stream[at + 1 :], asked)
        if size is None:
            continue
        frame = stream[at : at + size]
        if len(frame) < size:
            return None
        body = frame[1:-2]
        if is_whole(frame) and (is_answer_to(asked, body) or is_refusal_of(asked, body)):
            return body, at + size
    return None


def find_frame(stream: bytes) -> tuple[int, int] | None:
    """The unit of the first whole reply of any kind in `stream`, and where it ends; None when there is none."""
    for at in range(len(stream) - _REFUSAL + 1):
        size = _size_of_any(stream[at + 1], stream[at + 2])
        if size is not None and len(stream) >= at + size and is_whole(stream[at : at + size]):
            return stream[at], at + size
    return None


def _size_of_answer(begun: bytes, asked: bytes) -> int | None:
    """How long a frame is whose PDU begins with `begun`, or a guess while that is too short; None if it is no answer."""
    if not begun:
        return _REFUSAL
    if begun[0] == asked[0] | 0x80:
        return _REFUSAL
    if begun[0] != asked[0]:
        return None
    if asked[0] in WRITES:
        return _WRITE_ANSWER if asked.startswith(begun[:5]) else None
    count = int.from_bytes(asked[3:5], "big")
    size = (count + 7) // 8 if asked[0] in _BITS else 2 * count
    return _OVERHEAD + 2 + size if len(begun) < 2 or begun[1] == size else None


def _size_of_any(function: int, second: int) -> int | None:
    if function in READS:
        return _OVERHEAD + 2 + second
    if function in WRITES:
        return _WRITE_ANSWER
    return _REFUSAL if function & 0x7F in READS + WRITES else None
