"""One RTU line, serial or through a serial server, from its birth to its loss: requests out, each with its own answer or none.

The counterpart of `devices/modbus_link.py`; queue and reconnecting are `devices/modbus_bus.py`.

RTU has no transaction number, so a late answer looks like the answer to the next request of its kind. Therefore a unit that
owes an answer is asked nothing until that came, or LATE_S went by; so is every unit when the line is opened for the first time,
as the process before may have asked. Debts outlive a connection: a serial server hands late bytes to whoever is connected.
Other units are asked meanwhile: a late answer carries its unit, and at worst spoils one of theirs, which its CRC shows.
What cannot be told apart: an answer that is later than the time-out and LATE_S together, and an answer that is sent twice, the
second time after the next request of its kind.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Protocol, cast

from pymodbus.pdu import ModbusPDU

from devices.modbus_address import BusSettings
from devices.modbus_frames import WRITES, body_of
from devices.modbus_link import GRACE_S, LinkLost, Silence
from devices.modbus_rtu_frames import BROADCAST, find_answer, find_frame, rtu_frame
from devices.modbus_serial import SerialPort

LATE_S = 0.5
TURNAROUND_S = 0.1  # Modbus over Serial Line V1.02, 2.4.1: how long units get to obey a broadcast
NOISE_MAX = 600  # bytes upon one request; over two of the longest frames
_ECHOED = (5, 6)  # their answer is the request once more
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class _Line(Protocol):
    """What carries the bytes."""

    def write(self, data: bytes) -> None:
        """Send. Raises OSError."""
        ...

    def close(self) -> None:
        """Hang up at once; what was not carried is forgotten. Idempotent."""
        ...


class RtuOpener:
    """Opens one bus again and again, and remembers over its connections which units owe an answer."""

    def __init__(self, settings: BusSettings) -> None:
        self.settings = settings
        self.owed: dict[int, float] = {}  # by unit, until when; event loop time
        self._clock = asyncio.get_running_loop().time
        self._strange_until = self._clock() + LATE_S

    async def open(self, timeout_s: float) -> "RtuLink":
        """A link; one that is lost already when the line cannot be had in time. The first one takes LATE_S to listen."""
        link = RtuLink(self)
        try:
            await link.connect(timeout_s)
            if self._strange_until > self._clock():
                async with asyncio.timeout_at(self._strange_until):
                    await link.lost.wait()
        except TimeoutError:
            if not link.connected:
                link.drop("it does not take the connection")
        except OSError as error:
            link.drop("another program uses the line" if isinstance(error, BlockingIOError) else "the line cannot be opened")
        except BaseException:
            link.drop("connecting was given up")
            raise
        return link


class RtuLink:
    """Made by `RtuOpener`; `exchange` one after the other. `lost` is set exactly when it cannot be used any more."""

    def __init__(self, opener: RtuOpener) -> None:
        self.lost = asyncio.Event()
        self.detail = "the connection was lost"
        self.heard = 0  # whole replies, late ones too
        self.late: dict[int, float] = {}
        self._settings = opener.settings
        self._owed = opener.owed
        self._loop = asyncio.get_running_loop()
        self._line: _Line | None = None
        self._stream = b""  # what came since the last request
        self._quiet_from = 0.0  # when the last byte came or went
        self._under_way: tuple[int, bytes, bytes, asyncio.Future[bytes]] | None = None  # unit, PDU, frame, answer
        self._echo_due = False

    @property
    def connected(self) -> bool:
        """Whether there is a line."""
        return self._line is not None

    async def connect(self, timeout_s: float) -> None:
        """Open the line. Raises OSError, TimeoutError."""
        if self._settings.line is not None:
            self._line = SerialPort(self._settings.line, self.received, self.line_lost)
            return
        async with asyncio.timeout(timeout_s):
            _, carrier = await self._loop.create_connection(lambda: _Carrier(self), self._settings.host, self._settings.port)
        self._line = carrier

    async def exchange(self, request: ModbusPDU, timeout_s: float) -> bytes:
        """Send once and wait; answers the PDU of a normal or an exception answer. A write to all units (0) is answered by
        nobody: then it is what a normal answer would be, after the pause that units get to obey. Raises Silence, LinkLost."""
        assert self._under_way is None, "one request at a time"
        unit, asked = request.dev_id, body_of(request)
        if unit == BROADCAST and asked[0] not in WRITES:
            raise LinkLost("nobody answers what all units are asked", sent=False)
        if self._owed.get(unit, 0.0) > self._loop.time():
            raise LinkLost("it owes an answer and is asked again within a second", sent=False)
        await self._wait_quiet(timeout_s)
        if self.lost.is_set() or self._line is None:
            raise LinkLost(self.detail, sent=False)
        return await self._send(self._line, unit, asked, timeout_s)

    def drop(self, detail: str) -> None:
        """Hang up at once; whoever waits for an answer is told. What was not carried yet is not carried later. Idempotent."""
        if self.lost.is_set():
            return
        self.detail = detail
        self.lost.set()
        if self._line is not None:
            self._line.close()
        if self._under_way is not None and not self._under_way[3].done():
            self._under_way[3].set_exception(LinkLost(detail))

    async def close(self) -> None:
        """Hang up and wait until the file or socket is gone."""
        self.drop("the connection was closed")
        await asyncio.sleep(0)  # the event loop closes a socket one turn after its transport

    def line_lost(self) -> None:
        """The other end hung up, or the adapter was pulled out."""
        self.drop("the connection was lost")

    def received(self, data: bytes) -> None:
        """Bytes came: the answer, a late one, or noise."""
        if self.lost.is_set():
            return
        self._quiet_from = self._loop.time()
        self._stream += data
        if self._under_way is not None and not self._under_way[3].done():
            self._look_for_answer(*self._under_way)
        else:
            self._look_for_strays()
        if len(self._stream) > NOISE_MAX:
            self.drop("it answered nonsense")

    # ---- small parts

    async def _send(self, line: _Line, unit: int, asked: bytes, timeout_s: float) -> bytes:
        framed = rtu_frame(unit, asked)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._stream, self._echo_due = b"", self._settings.echo
        self._under_way = (unit, asked, framed, answer)
        timer = self._loop.call_later(TURNAROUND_S if unit == BROADCAST else timeout_s, self._time_is_up, answer)
        try:
            try:
                line.write(framed)
            except OSError:
                self.drop("the line does not take what is sent")
            self._quiet_from = self._loop.time()
            return await answer
        except Silence:
            if asked[0] in WRITES:
                # The line itself may be down and the order still with our kernel, or with the serial server.
                self.drop("an order was not confirmed")
            raise
        finally:
            timer.cancel()
            self._under_way = None
            if unit != BROADCAST and (answer.cancelled() or answer.exception() is not None):
                self._owed[unit] = self._loop.time() + LATE_S
            elif self._stream:
                self._look_for_strays()

    async def _wait_quiet(self, timeout_s: float) -> None:
        """3.5 characters of silence part two frames. Raises LinkLost on a line that babbles."""
        latest = self._loop.time() + timeout_s
        while (pause_s := self._quiet_from + self._settings.pause_s - self._loop.time()) > 0:
            if self._loop.time() > latest:
                raise LinkLost("the line does not come to rest, nothing was sent", sent=False)
            await asyncio.sleep(pause_s)

    def _look_for_answer(self, unit: int, asked: bytes, framed: bytes, answer: asyncio.Future[bytes]) -> None:
        if self._echo_due:
            _, found, rest = self._stream.partition(framed)
            if not found:
                return
            self._stream, self._echo_due = rest, False
        elif framed in self._stream and asked[0] not in _ECHOED and not self._settings.echo:
            self.drop("the line echoes what is sent, which its address has to say by echo=yes")
            return
        if unit == BROADCAST:
            return
        found_answer = find_answer(self._stream, unit, asked)
        if found_answer is not None:
            body, end = found_answer
            self.heard += 1
            self._stream = self._stream[end:]
            answer.set_result(body)

    def _look_for_strays(self) -> None:
        """A whole reply that nobody waits for: a late one pays its debt; one out of the blue may have a second behind it."""
        while (found := find_frame(self._stream)) is not None:
            unit, end = found
            self._stream = self._stream[end:]
            self.heard += 1
            self.late[unit] = self._loop.time()
            if self._owed.get(unit, 0.0) > self._loop.time():
                del self._owed[unit]
            else:
                self._owed[unit] = self._loop.time() + LATE_S
        self._stream = self._stream[-NOISE_MAX:]

    def _time_is_up(self, answer: asyncio.Future[bytes]) -> None:
        """What has come is read before anybody is called silent, see `devices/modbus_link.py`."""
        self._loop.call_later(GRACE_S, self._give_up, answer)

    def _give_up(self, answer: asyncio.Future[bytes]) -> None:
        if answer.done() or self._under_way is None:
            return
        unit, asked, _, _ = self._under_way
        if unit == BROADCAST and not self._echo_due:
            answer.set_result(asked[:5])
        else:
            answer.set_exception(Silence())


class _Carrier(asyncio.Protocol):
    """A TCP connection to a serial server."""

    def __init__(self, link: RtuLink) -> None:
        self._link = link
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server took the connection; hung up on at once if it was given up in the same instant."""
        self._transport = cast(asyncio.Transport, transport)
        if self._link.lost.is_set():
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up, or we did."""
        self._link.line_lost()

    def data_received(self, data: bytes) -> None:
        """Bytes off the line."""
        self._link.received(data)

    def write(self, data: bytes) -> None:
        """See `_Line`."""
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        """See `_Line`: a reset, for the reason that `ModbusLink.drop` gives."""
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it is closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
