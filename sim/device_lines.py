"""The line that a played controller is on, with what it may do wrongly: Modbus TCP, RTU over TCP, RTU on a serial line.

Knows the ways in, not the steel: that is `sim/device_player.py`. Listens on the loopback address only.
"""

from contextlib import AsyncExitStack

from devices.loopback_port import HOST
from devices.modbus_address import BusSettings, parse_bus
from devices.profile import TurnstileProfile
from resort.errors import Invalid, Unavailable
from sim.faulty_wire import Fault, FaultyWire
from sim.rtu_server import RtuLine, RtuPty, RtuTcpServer
from sim.rtu_units import RtuFault
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

OWN_LINE = "serial"  # an address: a pseudo terminal of our own
TCP: dict[str, tuple[Fault, str]] = {
    "silent": ("lost", "takes connections and never answers"),
    "mute": ("mute", "does what it is told and never answers"),
    "slow": ("slow", "answers after 0.6 s"),
    "late": ("late", "answers only together with the next answer"),
    "twice": ("twice", "answers everything two times"),
    "half": ("half", "answers by halves"),
    "spoilt": ("spoilt", "answers with one bit wrong"),
    "renumbered": ("renumbered", "answers under another transaction number"),
}
RTU: dict[str, tuple[RtuFault, str]] = {
    "silent": ("deaf", TCP["silent"][1]),
    "mute": ("mute", TCP["mute"][1]),
    "slow": ("slow", TCP["slow"][1]),
    "late": ("late", TCP["late"][1]),
    "twice": ("twice", TCP["twice"][1]),
    "half": ("half", TCP["half"][1]),
    "spoilt": ("spoilt", "answers with a wrong CRC"),
    "stranger": ("stranger", "answers under another unit's number (RTU)"),
    "echo": ("echo", "its line echoes what is sent (RTU)"),
    "noise": ("noise", "its line has noise before each answer (RTU)"),
}
LINE_FAULTS = {name: says for name, (_, says) in {**RTU, **TCP}.items()}


class PlayedLine:
    """Where a controller is to be played. Raises Invalid on an address or a fault that cannot be."""

    def __init__(self, address: str, fault: str) -> None:
        self._place: BusSettings | None = None if address == OWN_LINE else parse_bus(address, timeout_ms=1)
        self._fault = fault
        if self._place is not None and self._place.line is None and self._place.host != HOST:
            raise Invalid("address", f"a simulated controller listens on {HOST} only")
        if fault in LINE_FAULTS and fault not in (TCP if self._is_tcp else RTU):
            raise Invalid("fault", f"{fault} is nothing that a line of this kind does")

    @property
    def _is_tcp(self) -> bool:
        return self._place is not None and self._place.transport == "tcp"

    async def serve(self, stack: AsyncExitStack, steel: dict[int, SimTurnstile], profile: TurnstileProfile) -> str:
        """Serve until the stack closes; answers the address. Raises Unavailable."""
        place = self._place
        if place is not None and place.transport == "tcp":
            return await self._serve_tcp(stack, steel, profile, place.port)
        try:
            line = await _rtu(stack, steel, profile, place)
        except OSError as error:
            where = f"Port {place.port} on {HOST}" if place is not None and place.line is None else "The serial line"
            raise Unavailable(where, "another program has it, or it is not ours") from error
        if self._fault in RTU:
            line.units.faults.update(dict.fromkeys(steel, RTU[self._fault][0]))
        return line.address

    async def _serve_tcp(
        self, stack: AsyncExitStack, steel: dict[int, SimTurnstile], profile: TurnstileProfile, port: int
    ) -> str:
        wrong = TCP.get(self._fault)
        server = TurnstileServer(steel, profile, port=0 if wrong else port)
        await server.start()
        stack.push_async_callback(server.stop)
        if wrong is None:
            return f"tcp://{HOST}:{server.port}"
        wire = FaultyWire(server.port, listen=port)
        wire.fault = wrong[0]
        try:
            await wire.start()
        except OSError as error:
            raise Unavailable(f"Port {port} on {HOST}", "another program listens there, or it is not ours") from error
        stack.push_async_callback(wire.stop)
        return f"tcp://{HOST}:{wire.port}"


async def _rtu(
    stack: AsyncExitStack, steel: dict[int, SimTurnstile], profile: TurnstileProfile, place: BusSettings | None
) -> RtuTcpServer | RtuPty | RtuLine:
    """Raises OSError."""
    if place is not None and place.line is None:
        server = RtuTcpServer(steel, profile, place.port)
        await server.start()
        stack.push_async_callback(server.stop)
        return server
    line = RtuPty(steel, profile) if place is None or place.line is None else RtuLine(steel, profile, place.line)
    line.start()
    stack.callback(line.stop)
    return line
