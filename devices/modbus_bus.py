"""Shared Modbus TCP connections: one per bus and process, lent out by unit, closed behind the last user.

A bus is one `tcp://host:port`; several controllers may answer behind it, each by its unit number. Requests on a bus go
one after the other, are never repeated, and every failure is a TurnstileUnreachable. What registers mean is not known here.

How failures are kept short (`timeout_ms` T, 300 by default):
- not connected: fails at once, while a task of the bus reconnects every 50 to 400 ms;
- no answer: fails after T. Two in a row on the whole bus mean a dead peer: the connection is dropped and made anew, so a
  controller that lost power is served again within a second of its return. A unit that is silent while its neighbours
  answer rests for 500 ms, lest the neighbours wait behind it;
- behind others in the queue: fails after T / 2 without having been sent. So no call lasts longer than 1.5 T;
- late answers: every request has a transaction number, an answer with another one is thrown away. Nonsense, or a frame
  cut in the middle, costs the connection, because nothing after it can be trusted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from urllib.parse import urlsplit

import msgspec
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException
from pymodbus.pdu import ModbusPDU

from devices.modbus_frames import describe_exception, is_answer_to, is_well_formed
from resort.errors import InvalidConfig, TurnstileUnreachable

log = logging.getLogger(__name__)
# pymodbus logs each time-out and refused connection as an error of its own; the edges are logged here, once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)

RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 0.4
DEAD_AFTER_SILENCES = 2
UNIT_REST_S = 0.5
READ_MAX_BYTES = 2**20
QUEUE_SHARE = 0.5  # of the time-out, at most spent waiting behind other requests


class BusSettings(msgspec.Struct, frozen=True):
    """Everything that users of one connection must agree on."""

    host: str
    port: int
    timeout_ms: int

    def __str__(self) -> str:
        return f"tcp://{self.host}:{self.port}"


def parse_bus(bus: str, timeout_ms: int) -> BusSettings:
    """The settings of a `tcp://host:port` bus; port 502 when none is named. Raises InvalidConfig."""
    try:
        parts = urlsplit(bus)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")  # what looking the name up will do with it
    except ValueError as error:
        raise InvalidConfig("turnstile.bus", f"{bus} has no usable host and port ({error})") from error
    if parts.scheme != "tcp" or not host or parts.path.strip("/") or parts.query or parts.username is not None:
        raise InvalidConfig("turnstile.bus", f"{bus} is not an address such as tcp://192.168.10.21:502")
    return BusSettings(host, 502 if port is None else port, timeout_ms)


class _Link:
    """One TCP connection from birth to loss. `lost` is set exactly when it cannot be used any more."""

    def __init__(self, settings: BusSettings) -> None:
        self.lost = asyncio.Event()
        self.detail = "the connection was lost"
        self.answered = False  # ever; a peer that hangs up before that is not hurried back to
        self._waiting = False
        # reconnect_delay 0: a link is never revived, so an answer to the old connection cannot reach the new one.
        self._client = AsyncModbusTcpClient(
            settings.host,
            port=settings.port,
            timeout=settings.timeout_ms / 1000,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._inspect,
            trace_connect=self._changed,
        )
        # pymodbus forgets a longer stream unseen; one read of the event loop must always come by `_inspect`.
        self._client.ctx.max_buffer_size = READ_MAX_BYTES

    async def connect(self) -> bool:
        """Whether the peer took the connection within the time-out."""
        try:
            connected = await self._client.connect()
        except BaseException:
            self.drop("connecting was given up")
            raise
        if not connected:
            self.drop("it does not take the connection")
        return connected and not self.lost.is_set()

    async def exchange(self, request: ModbusPDU, timeout_s: float) -> ModbusPDU:
        """Send and wait. Raises ModbusException: ConnectionException when the link is gone, another on silence."""
        if self._client.ctx.recv_buffer:
            self.drop("it sent half an answer")
        if self.lost.is_set():
            raise ConnectionException(self.detail)
        self._client.ctx.comm_params.timeout_connect = timeout_s
        self._waiting = True
        try:
            call: Awaitable[ModbusPDU] = self._client.execute(False, request)
            answer = await call
        finally:
            self._waiting = False
        self.answered = True
        return answer

    def drop(self, detail: str) -> None:
        """Hang up; whoever waits for an answer is told at once. Idempotent."""
        if self.lost.is_set():
            return
        self.detail = detail
        self.lost.set()
        self._client.close()
        future = self._client.ctx.response_future
        if self._waiting and not future.done():
            future.set_exception(ConnectionException(detail))

    def _changed(self, connected: bool) -> None:
        """The transport was made or lost (pymodbus does not tell a waiting request about the latter)."""
        if not connected:
            self.drop("the connection was lost")

    def _inspect(self, sending: bool, stream: bytes) -> bytes:
        """Let only well-formed answers reach pymodbus; `stream` is all that has not been decoded yet."""
        if sending or is_well_formed(stream):
            return stream
        self.drop("it answered nonsense")
        return b""


class _SharedBus:
    """One bus: its connection, the queue before it and who holds it."""

    def __init__(self, settings: BusSettings) -> None:
        self.settings = settings
        self.holders = 0
        self.attempts = 0  # to connect, with or without success
        self._attempted = asyncio.Event()  # the present attempt is over; each attempt has its own event
        self._timeout_s = settings.timeout_ms / 1000
        self._link: _Link | None = None
        self._turn = asyncio.Lock()
        self._silences = 0  # requests without an answer in a row, over all units
        self._silent_units: dict[int, int] = {}  # likewise for each unit
        self._rest_until: dict[int, float] = {}  # event loop time
        self._clock = asyncio.get_running_loop().time
        self._keeper = asyncio.create_task(self._keep_connected(), name=f"modbus {settings}")
        self._keeper.add_done_callback(self._keeper_ended)

    @property
    def connected(self) -> bool:
        """Whether a request would be sent now."""
        return self._link is not None and not self._link.lost.is_set()

    async def transact(self, request: ModbusPDU) -> ModbusPDU:
        """Send one request, once, and return its normal answer. Raises TurnstileUnreachable."""
        unit = request.dev_id
        self._check_reachable(unit)  # before the queue, so that nobody queues for a dead peer
        started = self._clock()
        try:
            async with asyncio.timeout(self._timeout_s * QUEUE_SHARE):
                await self._turn.acquire()
        except TimeoutError:
            raise self._unreachable(unit, "the bus is busy, nothing was sent") from None
        try:
            link = self._check_reachable(unit)
            whole = self._timeout_s * (1 + QUEUE_SHARE)
            answer = await link.exchange(request, min(self._timeout_s, whole - (self._clock() - started)))
        except ConnectionException:
            raise self._unreachable(unit, link.detail) from None
        except ModbusException:
            self._note_silence(link, unit)
            raise self._unreachable(unit, f"no answer within {self.settings.timeout_ms} ms") from None
        finally:
            self._turn.release()
        if (answer.transaction_id, answer.dev_id) == (request.transaction_id, unit) and answer.isError():
            self._note_answer(unit)
            raise self._unreachable(unit, describe_exception(answer))
        if not is_answer_to(request, answer):
            link.drop("it answered nonsense")
            raise self._unreachable(unit, link.detail)
        self._note_answer(unit)
        return answer

    async def next_attempt(self, unit: int) -> None:
        """Wait until the present or next attempt to connect is over. Raises TurnstileUnreachable when there is none to come."""
        if self._keeper.done():
            raise self._unreachable(unit, "its connection was given back")
        await self._attempted.wait()

    async def close(self) -> None:
        """Hang up and end the task; waits until the socket is gone."""
        self._keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeper
        if self._link is not None:
            self._link.drop("the connection was closed")
            self._link = None
            await asyncio.sleep(0)  # the event loop closes a socket one turn after its transport

    def _check_reachable(self, unit: int) -> _Link:
        if self._link is None or self._link.lost.is_set():
            raise self._unreachable(unit, "not connected")
        if self._rest_until.get(unit, 0.0) > self._clock():
            raise self._unreachable(unit, "it did not answer lately and is asked again within a second")
        return self._link

    def _note_answer(self, unit: int) -> None:
        self._silences = 0
        self._silent_units.pop(unit, None)
        self._rest_until.pop(unit, None)

    def _note_silence(self, link: _Link, unit: int) -> None:
        self._silences += 1
        self._silent_units[unit] = self._silent_units.get(unit, 0) + 1
        if self._silences >= DEAD_AFTER_SILENCES:
            link.drop("nothing behind this address answers")
        elif self._silent_units[unit] >= DEAD_AFTER_SILENCES:
            self._rest_until[unit] = self._clock() + UNIT_REST_S

    def _unreachable(self, unit: int, detail: str) -> TurnstileUnreachable:
        return TurnstileUnreachable(f"Turnstile unit {unit} at {self.settings}", detail)

    async def _keep_connected(self) -> None:
        """Make the connection, wait for its loss, make the next; log when it goes and when it comes back."""
        delay_s = RECONNECT_FIRST_S
        away = False
        while True:
            link = _Link(self.settings)
            if await link.connect():
                self._take(link)
                if away:
                    log.info("turnstile bus %s is back", self.settings)
                    away = False
                self._end_attempt()
                await link.lost.wait()
                if link.answered:
                    delay_s = RECONNECT_FIRST_S
            else:
                self._end_attempt()
            self._link = None
            if not away:
                log.warning("turnstile bus %s is away: %s", self.settings, link.detail)
                away = True
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RECONNECT_MAX_S)

    def _take(self, link: _Link) -> None:
        """Requests go over `link` from now on; what was known about silences belonged to the one before."""
        self._link = link
        self._silences = 0
        self._silent_units.clear()
        self._rest_until.clear()

    def _end_attempt(self) -> None:
        self.attempts += 1
        self._attempted.set()
        self._attempted = asyncio.Event()

    def _keeper_ended(self, keeper: asyncio.Task[None]) -> None:
        self._end_attempt()  # whoever waits for one must not wait for ever
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            log.error("the keeper of turnstile bus %s failed", self.settings, exc_info=error)


class UnitHandle:
    """One unit on a shared bus, until `close`. Calls raise TurnstileUnreachable and are never repeated."""

    def __init__(self, registry: "BusRegistry", bus: _SharedBus, unit: int) -> None:
        self.unit = unit
        self._registry = registry
        self._bus: _SharedBus | None = bus
        self._name = f"Turnstile unit {unit} at {bus.settings}"

    @property
    def connected(self) -> bool:
        """Whether a request would be sent now."""
        return self._bus is not None and self._bus.connected

    async def next_attempt(self) -> None:
        """Wait until the present or next attempt to connect is over. Raises TurnstileUnreachable on close."""
        if self._bus is not None:
            await self._bus.next_attempt(self.unit)

    async def wait_first_attempt(self) -> None:
        """Wait until the bus was tried once, with or without success; takes one time-out at most."""
        if self._bus is not None and not self._bus.attempts:
            await self.next_attempt()

    async def wait_connected(self) -> None:
        """Wait until the bus is connected, however long its peer stays away. Raises TurnstileUnreachable on close."""
        while self._bus is not None and not self._bus.connected:
            await self.next_attempt()

    async def transact(self, request: ModbusPDU) -> ModbusPDU:
        """Send `request` to this unit, once; the answer is a normal one and belongs to it."""
        if self._bus is None:
            raise TurnstileUnreachable(self._name, "its connection was given back")
        request.dev_id = self.unit
        return await self._bus.transact(request)

    async def close(self) -> None:
        """Give the unit back; the last one closes the connection. Idempotent."""
        bus, self._bus = self._bus, None
        if bus is not None:
            await self._registry._release(bus)


class BusRegistry:
    """The buses of this process. Lives in one event loop; an empty registry holds nothing open."""

    def __init__(self) -> None:
        self._buses: dict[tuple[str, int], _SharedBus] = {}

    def lease(self, settings: BusSettings, unit: int) -> UnitHandle:
        """A handle on one unit; connecting goes on in the background. Raises InvalidConfig when settings clash."""
        if not 0 <= unit <= 255:
            raise InvalidConfig("turnstile.unit", f"{unit} is not 0 to 255")
        endpoint = (settings.host, settings.port)
        bus = self._buses.get(endpoint)
        if bus is None:
            bus = self._buses[endpoint] = _SharedBus(settings)
        elif bus.settings != settings:
            raise InvalidConfig(
                f"turnstile bus {settings}",
                f"it is in use with a time-out of {bus.settings.timeout_ms} ms, so {settings.timeout_ms} ms cannot be had",
            )
        bus.holders += 1
        return UnitHandle(self, bus, unit)

    async def _release(self, bus: _SharedBus) -> None:
        bus.holders -= 1
        endpoint = (bus.settings.host, bus.settings.port)
        if bus.holders == 0 and self._buses.get(endpoint) is bus:
            del self._buses[endpoint]
            await bus.close()
