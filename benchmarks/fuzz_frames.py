"""Fuzzing of Modbus replies: what a controller, a gateway or whoever sits on the line may send while a request waits.

The connection under test is the driver's own (`devices/modbus_link.py`), with a transport in memory. Judged from outside: a
pulse or a lamp order is confirmed only by its echo, byte for byte, and a reading taken only from a frame with this request's
transaction, unit, function and length. Whatever else is taken for an answer is a grant.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest, WriteSingleRegisterRequest

from benchmarks.fuzz_report import Verdict
from devices.modbus_address import parse_bus
from devices.modbus_frames import WRITES, body_of, decode, frame
from devices.modbus_link import Link, LinkLost, ModbusLink
from devices.modbus_rtu_frames import crc, rtu_frame
from devices.modbus_rtu_link import RtuLink, RtuOpener
from devices.profile import load_profile
from devices.turnstile import StatusPlan

PATIENCE_S = 3_600.0  # no time passes here: what is not answered is given up
_BITS = (1, 2)


class FrameFuzz:
    """Draws a request and what comes instead of its answer. Needs a running event loop; `close` at the end."""

    name = "frames"
    pieces_max = 1  # in which a genuine answer has to be taken; one in more may be taken for half an answer and a late one

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed} frames")  # noqa: S311 - a seeded rehearsal
        self._transport = _Memory()
        self._plan = StatusPlan(load_profile("pulse_coil"))
        self._hear: Callable[[bytes], None]
        self._link: Link = self._connected()
        self._before = b""  # the genuine answer to the request before
        self._asked, self._stream = b"", b""

    @property
    def shown(self) -> str:
        """The last request, and all that came upon it."""
        return f"{self._asked.hex()} answered by {self._stream.hex()}"

    def close(self) -> None:
        """Free the socket."""
        self._transport.close()

    async def try_one(self) -> Verdict:
        """Ask, let something come, and judge what was made of it."""
        if self._stale():
            self._link = self._connected()
        request = self._request()
        call = asyncio.create_task(self._link.exchange(request, PATIENCE_S))
        await asyncio.sleep(0)
        self._asked = self._transport.sent
        if not self._asked:  # the bytes before were the beginning of an answer
            await asyncio.wait((call,))
            return "refused" if isinstance(call.exception(), LinkLost) else "grant"
        said = self._answer_to(request)
        answer = self._framed(request.dev_id, said)
        self._stream = self._spoilt(answer)
        self._before = answer
        chunks = self._cut(self._stream)
        for chunk in chunks:
            self._hear(chunk)
        await asyncio.sleep(0)
        if not call.done():
            call.cancel()
        with contextlib.suppress(LinkLost, asyncio.CancelledError):
            return self._judge(request, said, await call)
        return "lost" if self._stream == answer and len(chunks) <= self.pieces_max else "refused"

    def _judge(self, request: ModbusPDU, said: bytes, body: bytes) -> Verdict:
        if self._framed(request.dev_id, body) not in self._stream:
            return "grant"
        if body[0] & 0x80:
            return "refused" if body[0] == request.function_code | 0x80 and len(body) == 2 else "grant"
        if request.function_code in WRITES:
            return "genuine" if body == said else "grant"
        if len(body) != len(said) or body[:2] != said[:2]:
            return "grant"
        cells = decode(body)
        if request.function_code == 4 and request.count == self._plan.blocks[0].count:
            self._plan.status([list(cells.registers)])
        return "genuine"

    def _connected(self) -> Link:
        link = ModbusLink()
        link.connection_made(self._transport)
        self._hear = link.data_received
        return link

    def _stale(self) -> bool:
        """Whether the next try needs a new connection."""
        return self._link.lost.is_set()

    def _framed(self, unit: int, body: bytes) -> bytes:
        """The frame around a PDU that answers the last request."""
        return frame(int.from_bytes(self._asked[:2], "big"), unit, body)

    # ---- inputs

    def _request(self) -> ModbusPDU:
        dice, unit = self._dice, self._dice.choice((0, 1, 1, 1, 2, 255))
        self._transport.sent = b""
        match dice.randrange(7):
            case 0 | 1:
                return WriteSingleCoilRequest(dev_id=unit, address=0, bits=[True])
            case 2:
                return WriteSingleRegisterRequest(dev_id=unit, address=1, registers=[dice.randrange(3)])
            case 3:
                return dice.choice((ReadCoilsRequest, ReadDiscreteInputsRequest))(
                    dev_id=unit, address=dice.randrange(9), count=dice.randint(1, 40)
                )
            case 4:
                return ReadHoldingRegistersRequest(dev_id=unit, address=dice.randrange(9), count=dice.randint(1, 125))
            case _:
                return ReadInputRegistersRequest(dev_id=unit, address=0, count=7)

    def _answer_to(self, request: ModbusPDU) -> bytes:
        asked = body_of(request)
        if request.function_code in WRITES:
            return asked[:5]
        size = (request.count + 7) // 8 if request.function_code in _BITS else 2 * request.count
        return bytes((asked[0], size)) + self._dice.randbytes(size)

    def _spoilt(self, answer: bytes) -> bytes:
        dice = self._dice
        if dice.random() < 0.05:
            return answer
        stream = dice.choice(_SPOILERS)(dice, answer, self._before)
        if dice.random() < 0.2:
            stream = dice.choice(_SPOILERS)(dice, stream or answer, self._before)
        return stream

    def _cut(self, stream: bytes) -> list[bytes]:
        """The stream as it may come off the line: in one piece or in a few."""
        marks = sorted(self._dice.randrange(len(stream) + 1) for _ in range(self._dice.choice((0, 0, 1, 2))))
        pieces = [stream[at:end] for at, end in zip([0, *marks], [*marks, len(stream)], strict=True)]
        return [piece for piece in pieces if piece]


class RtuFuzz(FrameFuzz):
    """The same upon an RTU line: half of what comes has a right CRC, whatever else is wrong with it."""

    name = "rtu frames"
    pieces_max = 3

    def __init__(self, seed: int) -> None:
        self._opener = RtuOpener(parse_bus("rtu+tcp://127.0.0.1:1", 1))
        super().__init__(seed)

    def _connected(self) -> Link:
        """Each try stands for itself: no debts and no pauses."""
        link = RtuLink(self._opener)
        link._line = self._transport
        self._opener.owed.clear()
        self._hear = link.received
        return link

    def _stale(self) -> bool:
        return True

    def _request(self) -> ModbusPDU:
        request = super()._request()
        request.dev_id = request.dev_id or 3  # nobody answers a broadcast
        return request

    def _framed(self, unit: int, body: bytes) -> bytes:
        return rtu_frame(unit, body)

    def _spoilt(self, answer: bytes) -> bytes:
        spoilt = super()._spoilt(answer)
        return spoilt if self._dice.random() < 0.5 else spoilt[:-2] + crc(spoilt[:-2])


class _Memory(asyncio.Transport):
    """A transport that keeps the last request."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self._socket = socket.socket()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """The one frame of a request."""
        self.sent = bytes(data)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """A socket, for its options."""
        return self._socket if name == "socket" else default

    def abort(self) -> None:
        """Nothing is under way here."""

    def close(self) -> None:
        """Free the socket."""
        self._socket.close()


Spoiler = Callable[[random.Random, bytes, bytes], bytes]


def _flip(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    raw = bytearray(answer)
    for _ in range(dice.randint(1, 3)):
        raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
    return bytes(raw)


def _head_byte(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    at = dice.randrange(min(len(answer), 9))
    byte = dice.choice((0, 1, 2, 4, 5, 6, 0x7F, 0x80, 0x84, 0xFF, dice.randrange(256)))
    return answer[:at] + bytes((byte,)) + answer[at + 1 :]


def _number(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    number = int.from_bytes(answer[:2], "big") + dice.choice((-2, -1, 1, 255, 256, dice.randrange(65_536)))
    return dice.choice((bytes(2), (number % 65_536).to_bytes(2, "big"))) + answer[2:]


def _late(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    return before + dice.choice((b"", answer, before))


def _renumbered(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    """The answer to another request, under this one's number."""
    return answer[:2] + before[2:]


def _truncated(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    return answer[: dice.randrange(len(answer))]


def _spliced(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    at = dice.randrange(len(answer))
    return answer[:at] + before[dice.randrange(len(before) + 1) :]


def _stretched(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    at = dice.randrange(len(answer) + 1)
    return answer[:at] + dice.randbytes(dice.randint(1, 4)) + answer[at:]


def _shorter(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    at = dice.randrange(len(answer))
    return answer[:at] + answer[at + dice.randint(1, 3) :]


def _twice(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    return answer + _flip(dice, answer, before) + answer


def _exception(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    function = answer[7] | 0x80 if len(answer) > 7 and dice.random() < 0.6 else dice.randrange(256)
    return frame(int.from_bytes(answer[:2], "big"), answer[6] if len(answer) > 6 else 1, bytes((function, dice.randrange(256))))


def _other_body(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    """A good header around a function and lengths of any kind."""
    body = bytes((dice.choice((1, 2, 3, 4, 5, 6, 15, 16, 23, 43, dice.randrange(256))),))
    body += dice.randbytes(dice.choice((0, 1, 2, 4, 5, 15, 16, 250)))
    return frame(int.from_bytes(answer[:2], "big"), dice.choice((0, 1, 2)), body)


def _other_echo(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    """Writes are echoed with another value or address."""
    return answer[:-4] + dice.choice((b"\0\0", b"\0\1", b"\1\0")) + dice.choice((b"\0\0", b"\xff\0", b"\0\xff", b"\xff\1"))


def _noise(dice: random.Random, answer: bytes, before: bytes) -> bytes:
    return dice.choice((dice.randbytes(dice.randint(0, 40)), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 12, b"\xff" * 300))


_SPOILERS: tuple[Spoiler, ...] = (
    _flip,
    _flip,
    _head_byte,
    _number,
    _late,
    _renumbered,
    _truncated,
    _spliced,
    _stretched,
    _shorter,
    _twice,
    _exception,
    _other_body,
    _other_echo,
    _noise,
)
