"""Which bytes may reach pymodbus, and which answers count as answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadCoilsResponse, WriteSingleCoilRequest, WriteSingleCoilResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from devices.modbus_frames import describe_exception, is_answer_to, is_well_formed


def frame(body: bytes, transaction: int = 7, unit: int = 1) -> bytes:
    """One Modbus TCP frame."""
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


GOOD = [b"\x04\x02\x12\x34", b"\x01\x01\x05", b"\x05\0\0\xff\0", b"\x06\0\1\0\2", b"\x10\0\0\0\2", b"\x84\x02"]
BAD = [
    b"\x04\x02\x12\x34\x56",
    b"\x04\x04\x12\x34",
    b"\x03\x03\x12\x34\x56",
    b"\x05\0\0\xff",
    b"\x84\x02\x02",
    b"\x07\0",
    b"\x99\x02",
]


@pytest.mark.parametrize("body", GOOD)
def test_normal_answers_pass_whole_in_pieces_and_in_a_row(body: bytes) -> None:
    whole = frame(body)
    for length in range(len(whole) + 1):
        assert is_well_formed(whole[:length])
        assert is_well_formed(whole + whole[:length])


@pytest.mark.parametrize("body", BAD)
def test_wrong_lengths_and_foreign_functions_do_not_pass(body: bytes) -> None:
    assert not is_well_formed(frame(body))
    assert not is_well_formed(frame(GOOD[0]) + frame(body))


def test_a_foreign_protocol_does_not_pass() -> None:
    assert not is_well_formed(b"HTTP/1.1 400 Bad Request\r\n")
    assert not is_well_formed(b"\0\1\0\0\xff\xff\1")


def spoil(bodies: list[bytes], at: int, byte: bytes) -> bytes:
    """Frames in a row with one byte changed."""
    stream = b"".join(frame(body) for body in bodies)
    at %= len(stream)
    return stream[:at] + byte + stream[at + 1 :]


spoiled = st.builds(
    spoil,
    st.lists(st.sampled_from(GOOD + BAD), min_size=1, max_size=3),
    st.integers(0, 1000),
    st.binary(min_size=1, max_size=1),
)


@given(st.one_of(spoiled, st.binary(max_size=40), st.binary(max_size=30).map(frame)))
def test_pymodbus_decodes_whatever_passes(stream: bytes) -> None:
    if is_well_formed(stream):
        FramerSocket(DecodePDU(False)).handleFrame(stream, 0, 0)


def answered(answer: ModbusPDU, transaction: int = 7, unit: int = 1) -> ModbusPDU:
    """The answer as it comes off the wire."""
    answer.transaction_id, answer.dev_id = transaction, unit
    return answer


READ = ReadInputRegistersRequest(address=0, count=2, dev_id=1, transaction_id=7)
COILS = ReadCoilsRequest(address=0, count=9, dev_id=1, transaction_id=7)
COIL = WriteSingleCoilRequest(address=3, bits=[True], dev_id=1, transaction_id=7)
WORD = WriteSingleRegisterRequest(address=3, registers=[5], dev_id=1, transaction_id=7)
WORDS = WriteMultipleRegistersRequest(address=3, registers=[5, 6], dev_id=1, transaction_id=7)


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (READ, answered(ReadInputRegistersResponse(registers=[1, 2]))),
        (COILS, answered(ReadCoilsResponse(bits=[True] * 16))),
        (COIL, answered(WriteSingleCoilResponse(address=3, bits=[True]))),
        (WORD, answered(WriteSingleRegisterResponse(address=3, registers=[5]))),
        (WORDS, answered(WriteMultipleRegistersResponse(address=3, count=2))),
    ],
)
def test_the_right_answer_counts(request_pdu: ModbusPDU, answer: ModbusPDU) -> None:
    assert is_answer_to(request_pdu, answer)


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (READ, answered(ReadInputRegistersResponse(registers=[1]))),
        (READ, answered(ReadHoldingRegistersResponse(registers=[1, 2]))),
        (READ, answered(ReadInputRegistersResponse(registers=[1, 2]), transaction=0)),
        (READ, answered(ReadInputRegistersResponse(registers=[1, 2]), transaction=6)),
        (READ, answered(ReadInputRegistersResponse(registers=[1, 2]), unit=2)),
        (COILS, answered(ReadCoilsResponse(bits=[True] * 8))),
        (COIL, answered(WriteSingleCoilResponse(address=3, bits=[False]))),
        (COIL, answered(WriteSingleCoilResponse(address=4, bits=[True]))),
        (WORD, answered(WriteSingleRegisterResponse(address=3, registers=[6]))),
        (WORDS, answered(WriteMultipleRegistersResponse(address=3, count=1))),
    ],
)
def test_another_answer_does_not(request_pdu: ModbusPDU, answer: ModbusPDU) -> None:
    assert not is_answer_to(request_pdu, answer)


def test_exceptions_are_told_in_words() -> None:
    assert describe_exception(ExceptionResponse(4, 2)) == "it answered exception 2 (illegal data address)"
    assert "99" in describe_exception(ExceptionResponse(4, 99))
