"""A faulty line between a Modbus master and a controller: a TCP relay that loses, holds, delays and spoils as it is told.

Frames are relayed whole, so that faults hit requests or answers as such. The controller behind it is a real one
(`sim/turnstile_server.py`): what reached its steel is counted there.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Coroutine
from typing import Literal

from devices.loopback_port import LoopbackPort

Fault = Literal[
    "none",
    "lost",  # whatever is sent vanishes, both ways; connections are taken and stay open
    "mute",  # requests arrive, answers vanish
    "held",  # requests wait, as with a frozen controller, and arrive when the fault ends, unless the master reset them
    "slow",  # answers take `delay_s` longer
    "late",  # answers come only together with the next one
    "twice",  # answers come two times
    "half",  # answers break off in the middle
    "spoilt",  # one bit of each answer is wrong
    "renumbered",  # answers carry another transaction number
    "reset",  # connections are reset, new ones too
]
_RESET = struct.pack("ii", 1, 0)


class _Line:
    """One connection and its continuation to the controller."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.held: list[bytes] = []


class FaultyWire:
    """Listens on the loopback address, on a free port or on `listen`, and relays to `port`. Change its fault at any time by
    `suffer`."""

    def __init__(self, port: int, delay_s: float = 0.6, listen: int = 0) -> None:
        self.fault: Fault = "none"
        self._far_port = port
        self._delay_s = delay_s
        self._lines: set[_Line] = set()
        self._listener = LoopbackPort(self._relay, listen)

    @property
    def port(self) -> int:
        """Where it listens, once it was started."""
        return self._listener.port

    async def start(self) -> None:
        """Listen."""
        await self._listener.start()

    async def stop(self) -> None:
        """Hang up on everybody."""
        await self._listener.stop()

    def suffer(self, fault: Fault) -> None:
        """From now on this fault; "none" heals the line."""
        self.fault = fault
        for line in self._lines:
            if fault == "reset":
                _reset(line.near)
            elif fault != "held":
                for frame in line.held:
                    line.far.write(frame)
                line.held.clear()

    @property
    def _resets(self) -> bool:
        return self.fault == "reset"

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._resets:
                _reset(writer)
                return
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._far_port)
            line = _Line(writer, far_writer)
            self._lines.add(line)
            try:
                if self._resets:  # meanwhile
                    _reset(writer)
                await _first_of(self._send_requests(reader, line), self._send_answers(far_reader, writer))
            finally:
                self._lines.discard(line)
                far_writer.transport.abort()
        finally:
            writer.transport.abort()

    async def _send_requests(self, reader: asyncio.StreamReader, line: _Line) -> None:
        while True:
            frame = await _frame(reader)
            if self.fault == "held":
                line.held.append(frame)
            elif self.fault != "lost":
                line.far.write(frame)

    async def _send_answers(self, far: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = b""
        delayed: set[asyncio.Task[None]] = set()
        try:
            while True:
                frame = await _frame(far)
                match self.fault:
                    case "lost" | "mute":
                        continue
                    case "slow":
                        delayed.add(asyncio.create_task(_later(self._delay_s, writer, frame)))
                        continue
                    case "late":
                        frame, kept = kept, frame
                    case "twice":
                        frame = frame * 2
                    case "half":
                        frame = frame[: len(frame) // 2]
                    case "spoilt":
                        frame = frame[:7] + bytes((frame[7] ^ 0x40,)) + frame[8:]
                    case "renumbered":
                        frame = bytes((frame[0] ^ 0x55, *frame[1:]))
                writer.write(frame)
        finally:
            for task in delayed:
                task.cancel()
            await asyncio.gather(*delayed, return_exceptions=True)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """The next whole Modbus TCP frame. Raises IncompleteReadError, ConnectionError at the end."""
    head = await reader.readexactly(6)
    return head + await reader.readexactly(int.from_bytes(head[4:], "big"))


async def _later(delay_s: float, writer: asyncio.StreamWriter, frame: bytes) -> None:
    await asyncio.sleep(delay_s)
    writer.write(frame)


async def _first_of(*works: Coroutine[object, object, object]) -> None:
    """Run until one of them ends, for whatever reason."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    line: socket.socket = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):  # closed already
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
