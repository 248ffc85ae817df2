"""What bytes on a Modbus TCP connection may look like, and the sentences for what went wrong.

Pure. pymodbus' client trusts its peer: an answer it cannot decode raises inside the event loop's callback, and one that
belongs to no request waits in a buffer for ever. So every byte passes `is_well_formed` first.
"""

from pymodbus.pdu import ModbusPDU

_HEADER = 7  # transaction 2, protocol 2, length 2, unit 1
_READS = (1, 2, 3, 4)
_WRITES = (5, 6, 15, 16)
_LENGTH_MAX = 254  # unit and at most 253 bytes of PDU

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


def is_well_formed(stream: bytes) -> bool:
    """Whether `stream` can be the beginning of answers to the eight functions that are used here.

    An unfinished frame is judged by as much of it as came. True promises that pymodbus decodes every finished frame.
    """
    at = 0
    while len(stream) - at >= _HEADER - 1:
        length = int.from_bytes(stream[at + 4 : at + 6], "big")
        if stream[at + 2 : at + 4] != b"\0\0" or not 3 <= length <= _LENGTH_MAX:
            return False
        body = stream[at + _HEADER : at + 6 + length]
        if body and not _fits(body, length - 1):
            return False
        at += 6 + length
    return True


def _fits(body: bytes, length: int) -> bool:
    """Whether a PDU of `length` bytes may begin with `body` (at least one byte)."""
    function = body[0]
    if function in _READS:
        # A register is two bytes; an odd count would be cut in the middle.
        odd = function in (3, 4) and length % 2 == 1
        return not odd and (len(body) < 2 or body[1] == length - 2)
    if function in _WRITES:
        return length == 5
    return function & 0x7F in _READS + _WRITES and length == 2


def describe_exception(answer: ModbusPDU) -> str:
    """The exception answer in words, for an error's detail."""
    words = EXCEPTIONS.get(answer.exception_code, "unknown to the standard")
    return f"it answered exception {answer.exception_code} ({words})"


def is_answer_to(request: ModbusPDU, answer: ModbusPDU) -> bool:
    """Whether `answer` is a normal answer to this very request.

    Stricter than pymodbus, which lets any function code pass, and transaction 0 as an answer to everything.
    """
    if (answer.transaction_id, answer.dev_id) != (request.transaction_id, request.dev_id):
        return False
    if answer.function_code != request.function_code:
        return False
    match request.function_code:
        case 1 | 2:
            return len(answer.bits) == (request.count + 7) // 8 * 8
        case 3 | 4:
            return len(answer.registers) == request.count
        case 5:
            return answer.address == request.address and list(answer.bits) == list(request.bits)
        case 6:
            return answer.address == request.address and list(answer.registers) == list(request.registers)
        case _:
            return (answer.address, answer.count) == (request.address, request.count)
