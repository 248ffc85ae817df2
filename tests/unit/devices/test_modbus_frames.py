"""Which bytes are replies, and which replies count as answers."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu import ExceptionResponse, ModbusPDU
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

from devices.modbus_frames import Reply, ReplyParser, body_of, decode, describe_exception, frame, is_answer_to, is_refusal_of

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


def framed(body: bytes) -> bytes:
    return frame(7, 1, body)


def parses(stream: bytes) -> bool:
    """Whether these bytes can be the beginning of replies."""
    try:
        ReplyParser().feed(stream)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("body", GOOD)
def test_replies_come_whole_in_pieces_and_in_a_row(body: bytes) -> None:
    whole = framed(body)
    for length in range(len(whole) + 1):
        parser = ReplyParser()
        replies = parser.feed(whole[:length])
        assert parser.unfinished == (0 < length < len(whole))
        replies += parser.feed(whole[length:] + whole)
        assert [(reply.transaction, reply.unit, reply.body) for reply in replies] == [(7, 1, body)] * 2
        assert not parser.unfinished


@pytest.mark.parametrize("body", BAD)
def test_wrong_lengths_and_foreign_functions_are_nonsense(body: bytes) -> None:
    assert not parses(framed(body))
    assert not parses(framed(GOOD[0]) + framed(body))


def test_a_foreign_protocol_is_nonsense() -> None:
    assert not parses(b"HTTP/1.1 400 Bad Request\r\n")
    assert not parses(b"\0\1\0\0\xff\xff\1")


def spoil(bodies: list[bytes], at: int, byte: bytes) -> bytes:
    """Frames in a row with one byte changed."""
    stream = b"".join(framed(body) for body in bodies)
    at %= len(stream)
    return stream[:at] + byte + stream[at + 1 :]


spoiled = st.builds(
    spoil,
    st.lists(st.sampled_from(GOOD + BAD), min_size=1, max_size=3),
    st.integers(0, 1000),
    st.binary(min_size=1, max_size=1),
)


@given(st.one_of(spoiled, st.binary(max_size=40), st.binary(max_size=30).map(framed)), st.integers(1, 50))
def test_every_reply_can_be_decoded_and_little_is_kept(stream: bytes, step: int) -> None:
    parser = ReplyParser()
    replies: list[Reply] = []
    with contextlib.suppress(ValueError):
        for at in range(0, len(stream), step):
            replies += parser.feed(stream[at : at + step])
    for reply in replies:
        decode(reply.body)
    assert len(parser._rest) < 260


READ = ReadInputRegistersRequest(address=0, count=2)
COILS = ReadCoilsRequest(address=0, count=9)
COIL = WriteSingleCoilRequest(address=3, bits=[True])
WORD = WriteSingleRegisterRequest(address=3, registers=[5])
WORDS = WriteMultipleRegistersRequest(address=3, registers=[5, 6])


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (READ, ReadInputRegistersResponse(registers=[1, 2])),
        (COILS, ReadCoilsResponse(bits=[True] * 16)),
        (COIL, WriteSingleCoilResponse(address=3, bits=[True])),
        (WORD, WriteSingleRegisterResponse(address=3, registers=[5])),
        (WORDS, WriteMultipleRegistersResponse(address=3, count=2)),
    ],
)
def test_the_right_answer_counts(request_pdu: ModbusPDU, answer: ModbusPDU) -> None:
    assert is_answer_to(body_of(request_pdu), body_of(answer))


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (READ, ReadInputRegistersResponse(registers=[1])),
        (READ, ReadHoldingRegistersResponse(registers=[1, 2])),
        (COILS, ReadCoilsResponse(bits=[True] * 8)),
        (COIL, WriteSingleCoilResponse(address=3, bits=[False])),
        (COIL, WriteSingleCoilResponse(address=4, bits=[True])),
        (WORD, WriteSingleRegisterResponse(address=3, registers=[6])),
        (WORDS, WriteMultipleRegistersResponse(address=3, count=1)),
        (READ, ExceptionResponse(4, 2)),
    ],
)
def test_another_answer_does_not(request_pdu: ModbusPDU, answer: ModbusPDU) -> None:
    assert not is_answer_to(body_of(request_pdu), body_of(answer))


def test_an_echo_counts_only_to_the_last_byte() -> None:
    """Pymodbus would take any value but FF00 for "off", and so this one for the echo of an "off"."""
    off = body_of(WriteSingleCoilRequest(address=3, bits=[False]))
    assert is_answer_to(off, b"\x05\0\3\0\0")
    assert not is_answer_to(off, b"\x05\0\3\0\1")


def test_a_refusal_is_of_its_own_function() -> None:
    asked = body_of(READ)
    assert is_refusal_of(asked, body_of(ExceptionResponse(4, 2)))
    assert not is_refusal_of(asked, body_of(ExceptionResponse(3, 2)))


def test_exceptions_are_told_in_words() -> None:
    assert describe_exception(2) == "it answered exception 2 (illegal data address)"
    assert "99" in describe_exception(99)
