"""Simulated controllers behind one Modbus TCP port, each a unit of its own: the steel's end of the wire.

A pymodbus server, with pymodbus' frames and messages, and our own answers. pymodbus 3.16 alone would not do as a stand-in
for a real controller: it loses the second of two requests that arrive together, answers a bad request under function 0
instead of its own, takes any value for a coil, and echoes a self-resetting coil as off.

What is answered to which request is in `sim/turnstile_answers.py`. A frame that is not Modbus TCP at all costs the connection,
as nothing after it could be trusted.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Literal, cast

from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from devices.modbus_frames import WRITES
from devices.profile import TurnstileProfile
from resort.errors import Unavailable
from sim.slow_answers import SlowAnswers
from sim.turnstile import SimTurnstile
from sim.turnstile_answers import Spoiling, answer_frame, spoilt
from sim.turnstile_registers import TurnstileRegisters

log = logging.getLogger(__name__)
# Each foreign mistake on the wire is an answer, not an event of this program.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL + 1)

Silence = Literal["deaf", "mute"]  # what is asked is thrown away; or it is done and never answered
Manner = Literal["slow"] | Spoiling  # answers that come as `slow` says, or not whole, or under another number
_HEADER = 7


class TurnstileServer:
    """Serves until `stop`; `port` is known after `start`. Units may be 0 to 255."""

    def __init__(
        self, turnstiles: dict[int, SimTurnstile], profile: TurnstileProfile, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.turnstiles = turnstiles
        self.silent: dict[int, Silence] = {}  # by unit; the connections stay open
        self.manners: dict[int, Manner] = {}  # by unit
        self.slow = SlowAnswers()
        self._profile = profile
        self._host = host
        self._port = port
        self._wire: _Wire | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, or that `start` will ask for (0 = any free one)."""
        return self._port

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._wire.active_connections) if self._wire is not None else 0

    async def start(self) -> None:
        """Listen. Raises Unavailable when the address cannot be had."""
        assert self._wire is None, "stop it before starting it again"
        units = {unit: TurnstileRegisters(model, self._profile) for unit, model in self.turnstiles.items()}
        wire = _Wire(units, self, (self._host, self._port))
        try:
            await wire.serve_forever(background=True)
        except RuntimeError as error:
            raise Unavailable(
                f"Port {self._port} on {self._host}", "another program listens there, or it is not ours"
            ) from error
        self._wire = wire
        self._port = wire.bound_port()
        log.info("simulated turnstiles %s listen on %s:%d", sorted(units), self._host, self._port)

    async def stop(self) -> None:
        """Hang up on everybody and free the port; idempotent. The models keep their state, so `start` may follow."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.end()


class _Wire(ModbusTcpServer):
    """pymodbus' listener with our connections. The data blocks it insists on are never asked."""

    def __init__(self, units: Mapping[int, TurnstileRegisters], faults: TurnstileServer, address: tuple[str, int]) -> None:
        super().__init__(SimDevice(0, SimData(0, datatype=DataType.REGISTERS)), address=address)
        self.units = units
        self.faults = faults
        self._open: set[asyncio.Future[None]] = set()
        self._relocks: dict[int, asyncio.TimerHandle] = {}

    def callback_new_connection(self) -> "_Connection":
        """A client came."""
        connection = _Connection(self)
        self._open.add(connection.gone)
        connection.gone.add_done_callback(self._open.discard)
        return connection

    def bound_port(self) -> int:
        """The port chosen by the system, or the one asked for."""
        listener = cast(asyncio.Server, self.transport)  # pymodbus calls it a transport; uvloop's is of another class
        return int(listener.sockets[0].getsockname()[1])

    def watch_relock(self, unit: int) -> None:
        """Announce the lock when the open window ends, not only when somebody next asks."""
        model = self.units[unit].model
        due_ms = model.relocks_in_ms
        if unit in self._relocks:
            self._relocks.pop(unit).cancel()
        if due_ms is not None:
            self._relocks[unit] = self.loop.call_later(due_ms / 1000, model.settle)

    async def end(self) -> None:
        """Close the listener and every connection, and wait until their sockets are gone."""
        for timer in self._relocks.values():
            timer.cancel()
        # asyncio (3.11) leaks the socket of a client that it lets in while the server closes. So first let nobody in any
        # more, then let those come through who were let in in this very turn of the event loop. uvloop does not mind.
        for listener in cast(asyncio.Server, self.transport).sockets:
            self.loop.remove_reader(listener.fileno())
        await asyncio.sleep(0)
        for connection in self.active_connections.values():
            if connection.is_active():  # else it hangs up as soon as it is made
                # A client that does not read would keep a politely closed connection open for ever.
                cast(asyncio.Transport, connection.transport).abort()
        await self.shutdown()  # type: ignore[no-untyped-call]
        if self._open:
            await asyncio.wait(self._open)
        await asyncio.sleep(0)  # the event loop closes a socket right after it has told its protocol


class _Connection(ServerRequestHandler):
    """One client. Frames are answered in the order in which they came, at once unless the controller is to be slow."""

    def __init__(self, wire: _Wire) -> None:
        super().__init__(wire, None, None, None)  # type: ignore[no-untyped-call]
        self.gone: asyncio.Future[None] = wire.loop.create_future()
        self._wire = wire
        self._stream = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open; hung up on at once when the server was stopped in the same instant."""
        super().connection_made(transport)
        if self._wire.is_closing:
            cast(asyncio.Transport, transport).abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        super().connection_lost(exc)
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Answer every whole frame; keep the beginning of an unfinished one."""
        stream, at = self._stream + data, 0
        while len(stream) - at >= _HEADER - 1 and self.is_active():
            length = int.from_bytes(stream[at + 4 : at + 6], "big")
            if stream[at + 2 : at + 4] != b"\0\0" or not 2 <= length <= 254:
                self.close()
                return
            end = at + _HEADER - 1 + length
            if len(stream) < end:
                break
            self._reply(stream[at:end])
            at = end
        self._stream = stream[at:]

    def _reply(self, frame: bytes) -> None:
        faults, unit = self._wire.faults, frame[6]
        silence, manner = faults.silent.get(unit), faults.manners.get(unit)
        if silence == "deaf":
            return
        answer = answer_frame(self._wire.units, frame)
        if frame[_HEADER] in WRITES and unit in self._wire.units:
            self._wire.watch_relock(unit)
        if silence == "mute":
            return
        if manner == "slow":
            faults.slow.give(lambda: self._send_late(answer), self._wire.loop.call_later)
        else:
            self.send(answer if manner is None else spoilt(answer, manner))

    def _send_late(self, answer: bytes) -> None:
        if self.is_active():  # the client may be gone by now
            self.send(answer)
