"""What bytes on a Modbus TCP connection may look like, which reply answers which request, and sentences for what went wrong.

Pure, and trusts nobody: replies are cut and judged here, byte by byte, before pymodbus' classes see them. Covers the eight
functions that are used here (Modbus Application Protocol V1.1b3, chapter 6; framing by the Messaging on TCP/IP guide, 3.1).
"""

import struct

import msgspec
from pymodbus.pdu import DecodePDU, ModbusPDU

READS = (1, 2, 3, 4)
WRITES = (5, 6, 15, 16)
_BITS = (1, 2)
_HEADER = 7  # transaction 2, protocol 2, length 2, unit 1
_LENGTH_MAX = 254  # unit and at most 253 bytes of PDU
_DECODER = DecodePDU(is_server=False)

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still working",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "no answer behind the gateway",
}

# With these a controller, or the gateway before it, says that it has not begun on the request.
NOT_BEGUN = frozenset((1, 2, 3, 6, 10))


class Reply(msgspec.Struct, frozen=True, gc=False):
    """One whole reply. `body` is the PDU: a function code that is used here, and as many bytes as belong to it."""

    transaction: int
    unit: int
    body: bytes


class ReplyParser:
    """Cuts replies from a connection's bytes as they come. After a ValueError the connection is of no further use.

    Keeps less than one frame (260 bytes). An unfinished frame is judged by as much of it as came.
    """

    def __init__(self) -> None:
        self._rest = b""

    @property
    def unfinished(self) -> bool:
        """Whether the last bytes were the beginning of a reply."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that these bytes complete. Raises ValueError on bytes that cannot be replies."""
        stream = self._rest + data
        replies: list[Reply] = []
        at = 0
        while len(stream) - at >= _HEADER - 1:
            length = int.from_bytes(stream[at + 4 : at + 6], "big")
            if stream[at + 2 : at + 4] != b"\0\0" or not 3 <= length <= _LENGTH_MAX:
                raise ValueError("no Modbus TCP header")
            end = at + _HEADER - 1 + length
            body = stream[at + _HEADER : end]
            if body and not _fits(body, length - 1):
                raise ValueError("no reply to any function that is used here")
            if len(stream) < end:
                break
            replies.append(Reply(int.from_bytes(stream[at : at + 2], "big"), stream[at + 6], body))
            at = end
        self._rest = stream[at:]
        return replies


def frame(transaction: int, unit: int, body: bytes) -> bytes:
    """One Modbus TCP frame around a PDU."""
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


def body_of(request: ModbusPDU) -> bytes:
    """The PDU of a request as it goes over the wire."""
    encoded: bytes = request.encode()
    return bytes((request.function_code,)) + encoded


def is_answer_to(asked: bytes, body: bytes) -> bool:
    """Whether the PDU `body` is a normal answer to the PDU `asked`: a write's is its echo to the last byte, a read's brings
    exactly as much as was asked for. Transaction and unit are compared by the connection."""
    function = asked[0]
    if function in WRITES:
        return body == asked[:5]
    if function not in READS:
        return False
    count = int.from_bytes(asked[3:5], "big")
    size = (count + 7) // 8 if function in _BITS else 2 * count
    return len(body) == 2 + size and body[0] == function and body[1] == size


def is_refusal_of(asked: bytes, body: bytes) -> bool:
    """Whether the PDU `body` is an exception answer to the PDU `asked`."""
    return len(body) == 2 and body[0] == asked[0] | 0x80


def decode(body: bytes) -> ModbusPDU:
    """The PDU of a parsed reply as pymodbus shows it, with `registers` or `bits`. Raises ValueError, as only a bug can."""
    answer = _DECODER.decode(body)
    if answer is None:
        raise ValueError("pymodbus cannot decode it")
    return answer


def describe_exception(code: int) -> str:
    """An exception answer in words, for an error's detail."""
    return f"it answered exception {code} ({EXCEPTIONS.get(code, 'unknown to the standard')})"


def _fits(body: bytes, length: int) -> bool:
    """Whether a reply's PDU of `length` bytes may begin with `body` (at least one byte)."""
    function = body[0]
    if function in READS:
        # A register is two bytes; an odd count would be cut in the middle.
        odd = function not in _BITS and length % 2 == 1
        return not odd and length > 2 and (len(body) < 2 or body[1] == length - 2)
    if function in WRITES:
        return length == 5
    return function & 0x7F in READS + WRITES and length == 2
