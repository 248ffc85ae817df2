"""One Modbus TCP connection, from its birth to its loss: requests out, each with its own answer or none.

Knows no units' manners, no queue and no reconnecting; that is `devices/modbus_bus.py`. Not pymodbus' client: that takes any
function and transaction 0 for an answer, has no way to call a request back, and dies of replies that it cannot decode.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Protocol, cast

from pymodbus.pdu import ModbusPDU

from devices.modbus_frames import WRITES, Reply, ReplyParser, body_of, frame, is_answer_to, is_refusal_of

UNANSWERED_MAX = 1_000  # requests that one connection may leave unanswered before it is given up
GRACE_S = 0.001
_TRANSACTIONS = 0x10000
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Silence(Exception):
    """No answer in time. The request may or may not have been carried out, and may still be."""


class LinkLost(Exception):
    """The connection is gone; its detail says why. A request that was under way may or may not have been carried out."""

    def __init__(self, detail: str, *, sent: bool = True) -> None:
        super().__init__(detail)
        self.sent = sent  # whether anything of the request was


class Link(Protocol):
    """One connection, whatever its frames look like."""

    lost: asyncio.Event  # set exactly when it cannot be used any more
    detail: str  # why
    heard: int  # replies that came, late ones too
    late: dict[int, float]  # by unit, when its newest late reply came; event loop time

    async def exchange(self, request: ModbusPDU, timeout_s: float) -> bytes:
        """Send once and wait; answers the PDU of a normal or an exception answer. One at a time. Raises Silence, LinkLost;
        a LinkLost with `sent` False may leave the link usable."""
        ...

    def drop(self, detail: str) -> None:
        """Hang up at once; what was not delivered yet is not delivered later. Idempotent."""
        ...

    async def close(self) -> None:
        """Hang up and wait until nothing is open."""
        ...


class _UnderWay:
    """The request that waits for its answer."""

    def __init__(self, number: int, unit: int, asked: bytes, answer: asyncio.Future[bytes]) -> None:
        self.number, self.unit, self.asked, self.answer = number, unit, asked, answer


class ModbusLink(asyncio.Protocol):
    """`open`, then `exchange` one after the other. `lost` is set exactly when it cannot be used any more.

    One request at a time, because Modbus TCP has no checksum: with two answers due, the half of one and the beginning of the
    other would make a whole one with wrong counters. Each request has a transaction number of its own, and a number whose
    request was given up is not used again on this connection, so a late answer is never taken for a new one.
    """

    def __init__(self) -> None:
        self.lost = asyncio.Event()
        self.detail = "the connection was lost"
        self.heard = 0  # replies that came, late ones too: proof that somebody lives at the other end
        self.late: dict[int, float] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._under_way: _UnderWay | None = None
        self._unanswered: set[int] = set()
        self._transaction = 0
        self._wrapped = False

    @classmethod
    async def open(cls, host: str, port: int, timeout_s: float) -> "ModbusLink":
        """A link to that peer; one that is lost already when the peer did not take the connection in time."""
        link = cls()
        try:
            async with asyncio.timeout(timeout_s):
                await link._loop.create_connection(lambda: link, host, port)
        except (OSError, TimeoutError):
            link.drop("it does not take the connection")
        except BaseException:
            link.drop("connecting was given up")
            raise
        return link

    async def exchange(self, request: ModbusPDU, timeout_s: float) -> bytes:
        """Send once and wait; answers the PDU of a normal or an exception answer. Raises Silence, LinkLost."""
        assert self._under_way is None, "one request at a time"
        if self._parser.unfinished:
            # Its other half would be taken for the beginning of the next answer.
            self.drop("it sent half an answer")
        if self.lost.is_set() or self._transport is None:
            raise LinkLost(self.detail, sent=False)
        asked = body_of(request)
        number = self._next_number()
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._under_way = _UnderWay(number, request.dev_id, asked, answer)
        heard = self.heard
        self._transport.write(frame(number, request.dev_id, asked))
        timer = self._loop.call_later(timeout_s, self._time_is_up, answer)
        try:
            return await answer
        except Silence:
            self._note_silence(request, heard)
            raise
        finally:
            timer.cancel()
            self._under_way = None
            if answer.cancelled() or isinstance(answer.exception(), Silence):
                self._unanswered.add(number)

    def drop(self, detail: str) -> None:
        """Hang up at once with a reset; whoever waits for an answer is told. Idempotent.

        A reset, because a goodbye would leave what was not delivered yet with the kernel, which goes on trying: after a
        broken line came back the arm would open for a guest who left long ago.
        """
        if self.lost.is_set():
            return
        self._end(detail)
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):  # it is closed already
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    async def close(self) -> None:
        """Hang up, politely if everything was answered, and wait until the socket is gone."""
        if self._transport is not None and self._under_way is None and not self._unanswered:
            self._end("the connection was closed")
            self._transport.close()
        self.drop("the connection was closed")
        await asyncio.sleep(0)  # the event loop closes a socket one turn after its transport

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer took the connection."""
        self._transport = cast(asyncio.Transport, transport)
        if self.lost.is_set():  # given up in the same instant
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer hung up, or we did."""
        self._end("the connection was lost")

    def data_received(self, data: bytes) -> None:
        """Hand replies to their requests. Nonsense costs the connection, because nothing after it can be trusted."""
        if self.lost.is_set():
            return
        try:
            for reply in self._parser.feed(data):
                self._take(reply)
        except ValueError:
            self.drop("it answered nonsense")
            return
        if self._parser.unfinished and self._unanswered:
            # The missing half may never come, and a late answer would complete this one in its place.
            self.drop("it sent half an answer")

    # ---- small parts

    def _take(self, reply: Reply) -> None:
        """Raises ValueError on an answer to what was never asked."""
        waiting = self._under_way
        if waiting is None or waiting.number != reply.transaction or waiting.answer.done():
            if reply.transaction == 0 or (reply.transaction > self._transaction and not self._wrapped):
                raise ValueError("an answer to no request")
            self._unanswered.discard(reply.transaction)  # late: thrown away
            self.late[reply.unit] = self._loop.time()
        elif reply.unit == waiting.unit and (
            is_answer_to(waiting.asked, reply.body) or is_refusal_of(waiting.asked, reply.body)
        ):
            waiting.answer.set_result(reply.body)
        else:
            raise ValueError("not the answer to what was asked")
        self.heard += 1

    def _time_is_up(self, answer: asyncio.Future[bytes]) -> None:
        """A process that was frozen finds time-out and answer due at once, and some event loops run timers first: so what has
        come is read before anybody is called silent."""
        self._loop.call_later(GRACE_S, self._give_up, answer)

    def _give_up(self, answer: asyncio.Future[bytes]) -> None:
        if not answer.done():
            answer.set_exception(Silence())

    def _note_silence(self, request: ModbusPDU, heard: int) -> None:
        if self._parser.unfinished:
            self.drop("it sent half an answer")
        elif request.function_code in WRITES and self.heard == heard:
            # Nothing came since, so the line itself may be down and the order still with our kernel: see `drop`.
            self.drop("an order was not confirmed")
        elif len(self._unanswered) >= UNANSWERED_MAX:
            self.drop(f"it left {UNANSWERED_MAX} requests unanswered")

    def _next_number(self) -> int:
        """1 to 65535 over and over, without those that a late answer may still carry. Zero is what confused peers send."""
        while True:
            self._transaction += 1
            if self._transaction == _TRANSACTIONS:
                self._transaction, self._wrapped = 1, True
            if self._transaction not in self._unanswered:
                return self._transaction

    def _end(self, detail: str) -> None:
        if self.lost.is_set():
            return
        self.detail = detail
        self.lost.set()
        if self._under_way is not None and not self._under_way.answer.done():
            self._under_way.answer.set_exception(LinkLost(detail))
