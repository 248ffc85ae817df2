"""A wire tap of our own between the driver and a controller on TCP: it listens, cuts and holds, so that the examination can
see the very bytes and make the line fail at a chosen moment.

A relay on the loopback address, of whole messages of Modbus TCP or of RTU over TCP. Knows no meanings but a message's
function code, and no checksums: who is spoken to judges those.
"""

import asyncio
import contextlib
import socket
import struct
from urllib.parse import urlsplit

from devices.loopback_port import LoopbackPort
from devices.modbus_frames import READS, WRITES, is_answer_to

TAPPED = ("tcp", "rtu+tcp")
_HEADER = 6  # of Modbus TCP: transaction 2, protocol 2, length 2
_ASKED_LONG = (15, 16)  # requests that say how many bytes follow; the others have eight bytes
_RESET = struct.pack("ii", 1, 0)


class TappedLine:
    """`start`, then use `address` in place of the controller's own. Everything that went by stays in `requests`, `answers`."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.cut_next_write = False  # hang up instead of handing over the answer to the next write
        self.holding = False  # keep answers back
        self.deliver_held = False  # hand what was kept back over, right before the next answer to a read
        self.was_cut = asyncio.Event()
        self._scheme = parts.scheme
        self._host, self._port = parts.hostname or "", parts.port or 502
        self._held: list[bytes] = []
        self._asked = b""  # the last request
        self._port_of_our_own = LoopbackPort(self._relay)

    @property
    def address(self) -> str:
        """Where the driver is to go."""
        return f"{self._scheme}://127.0.0.1:{self._port_of_our_own.port}"

    @property
    def held(self) -> int:
        """Answers that are kept back."""
        return len(self._held)

    @property
    def numbered(self) -> bool:
        """Whether its messages carry transaction numbers; those of RTU do not."""
        return self._scheme == "tcp"

    @property
    def writes(self) -> int:
        """Orders that went to the controller."""
        return sum(self._body(request)[0] in WRITES for request in self.requests)

    def echo_problem(self) -> str:
        """What was wrong with the answers to writes; empty when each was answered once, by its echo. No answer may be due."""
        if len(self.answers) != len(self.requests):
            return f"{len(self.requests)} requests got {len(self.answers)} answers"
        for asked, answer in zip(self.requests, self.answers, strict=True):
            if self._body(asked)[0] in WRITES and not self._echoes(asked, answer):
                return f"{asked.hex(' ')} was answered by {answer.hex(' ')}"
        return ""

    async def start(self) -> None:
        """Listen."""
        await self._port_of_our_own.start()

    async def stop(self) -> None:
        """Hang up on both sides. Idempotent."""
        await self._port_of_our_own.stop()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            far_reader, far = await asyncio.open_connection(self._host, self._port)
            ways = [asyncio.create_task(self._ask(reader, far)), asyncio.create_task(self._answer(far_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            self._held.clear()  # nothing of one connection belongs on the next
            for end in (writer, far):
                if end is not None:
                    _reset(end)

    async def _ask(self, reader: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        while message := await self._message(reader, asked=True):
            self.requests.append(message)
            self._asked = message
            far.write(message)

    async def _answer(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while message := await self._message(far, asked=False):
            self.answers.append(message)
            function = self._body(self._asked)[0]
            if self.cut_next_write and function in WRITES:
                self.cut_next_write = False
                self.was_cut.set()
                return
            if self.holding:
                self._held.append(message)
                continue
            if self.deliver_held and function in READS:
                self.deliver_held = False
                for late in self._held:
                    writer.write(late)
                self._held.clear()
            writer.write(message)

    async def _message(self, reader: asyncio.StreamReader, *, asked: bool) -> bytes:
        """The next message; empty at the end of the line."""
        try:
            if self._scheme != "tcp":
                return await _rtu_request(reader) if asked else await _rtu_answer(reader)
            head = await reader.readexactly(_HEADER)
            return head + await reader.readexactly(int.from_bytes(head[4:], "big"))
        except (asyncio.IncompleteReadError, OSError):
            return b""

    def _body(self, message: bytes) -> bytes:
        """The PDU, which begins with the function code; a zero byte in place of one that is too short."""
        return (message[_HEADER + 1 :] if self._scheme == "tcp" else message[1:-2]) or b"\0"

    def _echoes(self, asked: bytes, answer: bytes) -> bool:
        head = 2 if self._scheme == "tcp" else 0  # the transaction number; then the unit must be the same too
        unit = _HEADER if self._scheme == "tcp" else 0
        same = asked[:head] == answer[:head] and asked[unit : unit + 1] == answer[unit : unit + 1]
        return same and is_answer_to(self._body(asked), self._body(answer))


async def _rtu_request(reader: asyncio.StreamReader) -> bytes:
    """Unit, function, four bytes and a checksum; or with the number of bytes that follow before it."""
    head = await reader.readexactly(7)
    return head + await reader.readexactly(head[6] + 2 if head[1] in _ASKED_LONG else 1)


async def _rtu_answer(reader: asyncio.StreamReader) -> bytes:
    """An exception, as many bytes as it says, or the echo of a write."""
    head = await reader.readexactly(3)
    function = head[1]
    return head + await reader.readexactly(2 if function & 0x80 else head[2] + 2 if function in READS else 5)


def _reset(writer: asyncio.StreamWriter) -> None:
    line: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed already
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
