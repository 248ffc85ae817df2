"""What a simulated controller answers to a Modbus TCP frame: bytes in, bytes out, the steel behind it moved.

Pure but for the steel. Answers functions 1-6, 15 and 16 as Modbus Application Protocol V1.1b3 says. Exceptions: 1 another
function, 2 an address that the profile does not name, 3 a value, count or length that cannot be, 0x0B no such unit behind this
port (as a gateway does).
"""

from collections.abc import Mapping
from typing import Literal

from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsResponse,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsResponse,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from devices.entry_order import FlashCoil
from devices.modbus_frames import body_of
from devices.modbus_frames import frame as framed
from devices.profile import Table
from sim.turnstile_registers import RegisterRefused, TurnstileRegisters

Spoiling = Literal["half", "renumbered"]  # an answer breaks off in the middle; it carries another transaction number
_HEADER = 7
_READ_TABLES: dict[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_WRITE_TABLES: dict[int, Table] = {5: "coil", 6: "holding", 15: "coil", 16: "holding"}
_TABLES = _READ_TABLES | _WRITE_TABLES
_MAX_COILS_WRITTEN = 1968
_MAX_REGISTERS_WRITTEN = 123
_ON_OFF = (b"\0\0", b"\xff\0")
_DECODER = DecodePDU(is_server=True)


def answer_frame(units: Mapping[int, TurnstileRegisters], frame: bytes) -> bytes:
    """The answer to one whole frame (7 bytes of header, at least a function code)."""
    body = frame[_HEADER:]
    try:
        answer = _answer(units, frame[6], body)
    except RegisterRefused as refused:
        answer = ExceptionResponse(body[0] & 0x7F, refused.code)
    return framed(int.from_bytes(frame[:2], "big"), frame[6], body_of(answer))


def spoilt(answer: bytes, how: Spoiling) -> bytes:
    """A whole frame as a bad controller or line makes it."""
    return answer[: len(answer) // 2] if how == "half" else bytes((answer[0] ^ 0x55, *answer[1:]))


def _answer(units: Mapping[int, TurnstileRegisters], unit: int, body: bytes) -> ModbusPDU:
    """The normal answer to a PDU. Raises RegisterRefused with the exception code."""
    registers = units.get(unit)
    if registers is None:
        raise RegisterRefused(ExcCodes.GATEWAY_NO_RESPONSE)
    function = body[0]
    table = _TABLES.get(function)
    if table is None:
        raise RegisterRefused(ExcCodes.ILLEGAL_FUNCTION)
    if not _has_right_length(function, body):
        raise RegisterRefused(ExcCodes.ILLEGAL_VALUE)
    if function == 5 and body[3:5] not in _ON_OFF:
        return _flash(registers, int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"))
    request = _DECODER.decode(body)
    if request is None:  # a count that no request may have
        raise RegisterRefused(ExcCodes.ILLEGAL_VALUE)
    return (_read if function in _READ_TABLES else _write)(registers, table, request)


def _has_right_length(function: int, body: bytes) -> bool:
    """The checks that pymodbus' decoder leaves out: lengths and counts of writes."""
    if function in (15, 16):
        if len(body) < 6:
            return False
        count = int.from_bytes(body[3:5], "big")
        size, limit = ((count + 7) // 8, _MAX_COILS_WRITTEN) if function == 15 else (2 * count, _MAX_REGISTERS_WRITTEN)
        return 1 <= count <= limit and body[5] == size and len(body) == 6 + size
    return len(body) == 5


def _flash(registers: TurnstileRegisters, address: int, duration: int) -> ModbusPDU:
    """A number for a coil, which only a timed relay takes."""
    if not registers.is_timed_coil(address):
        raise RegisterRefused(ExcCodes.ILLEGAL_VALUE)
    registers.write("coil", address, [duration])
    return FlashCoil(address, duration)


def _read(registers: TurnstileRegisters, table: Table, request: ModbusPDU) -> ModbusPDU:
    cells = registers.read(table, request.address, request.count)
    match table:
        case "coil":
            return ReadCoilsResponse(bits=[bool(cell) for cell in cells])
        case "discrete":
            return ReadDiscreteInputsResponse(bits=[bool(cell) for cell in cells])
        case "holding":
            return ReadHoldingRegistersResponse(registers=cells)
        case "input":
            return ReadInputRegistersResponse(registers=cells)


def _write(registers: TurnstileRegisters, table: Table, request: ModbusPDU) -> ModbusPDU:
    """Writes are echoed as they were sent, whatever became of the coil since."""
    values = [int(bit) for bit in request.bits] if table == "coil" else list(request.registers)
    registers.write(table, request.address, values)
    match request.function_code:
        case 5:
            return WriteSingleCoilResponse(address=request.address, bits=request.bits)
        case 6:
            return WriteSingleRegisterResponse(address=request.address, registers=request.registers)
        case 15:
            return WriteMultipleCoilsResponse(address=request.address, count=request.count)
        case _:
            return WriteMultipleRegistersResponse(address=request.address, count=request.count)
