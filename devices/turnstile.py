"""A turnstile behind Modbus TCP: `resort.ports.Turnstile` by a register profile.

Knows meanings, not bytes: `devices/profile.py` says where a value lies, `devices/modbus_bus.py` carries the requests.
"""

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest, WriteSingleRegisterRequest

from devices.modbus_bus import BusRegistry, UnitHandle, parse_bus
from devices.profile import BIT_TABLES, Point, ReadBlock, Table, TurnstileProfile, plan_reads
from resort.errors import Invalid
from resort.ports import TurnstileStatus
from resort.site import TurnstileSite

_READERS: dict[Table, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}


class StatusPlan:
    """The requests that make one status, and where in their answers each value lies; worked out once per turnstile."""

    def __init__(self, profile: TurnstileProfile) -> None:
        points = profile.read_points()
        self.blocks: tuple[ReadBlock, ...] = plan_reads(points, profile.read_across)
        self._profile = profile
        self._places: dict[str, tuple[Point, int, int]] = {}  # value -> point, index of its block, offset in it
        for name, point in points.items():
            for index, block in enumerate(self.blocks):
                offset = point.address - block.address
                if block.table == point.table and 0 <= offset < block.count:
                    self._places[name] = (point, index, offset)

    def status(self, answers: list[list[int]]) -> TurnstileStatus:
        """The status that these cells say, one list per block in the blocks' order."""
        values = {
            name: self._profile.decode(point, answers[index][offset : offset + point.width])
            for name, (point, index, offset) in self._places.items()
        }
        return TurnstileStatus(
            counter_in=values["counter_in"],
            counter_out=values["counter_out"],
            unlocked=bool(values["unlocked"]),
            fault=bool(values["fault"]),
            tamper=bool(values["tamper"]),
            fire_release=bool(values["fire_release"]),
            waiting=values.get("waiting"),
            firmware=values.get("firmware", 0),
        )


class ModbusTurnstile:
    """One controller. Calls raise TurnstileUnreachable within two time-outs of the profile and are never repeated here.

    A status is as many requests as its plan has blocks (one for `pulse_coil`); values of different blocks may be a few
    milliseconds apart.
    """

    def __init__(self, handle: UnitHandle, profile: TurnstileProfile) -> None:
        self._handle = handle
        self._profile = profile
        self._plan = StatusPlan(profile)

    async def status(self) -> TurnstileStatus:
        """Read the controller's state now."""
        return self._plan.status([await self._read(block) for block in self._plan.blocks])

    async def pulse_entry(self) -> None:
        """Write the pulse coil exactly once. After an error the pulse may or may not have happened; the counter tells."""
        pulse = self._profile.commands.pulse_entry
        await self._handle.transact(WriteSingleCoilRequest(address=pulse.address, bits=[bool(pulse.value)]))

    async def show(self, indicator: str) -> None:
        """Set the lamp to `idle`, `go` or `refused`. Raises Invalid on another word."""
        lamp = self._profile.commands.indicator
        value = lamp.values.get(indicator)
        if value is None:
            raise Invalid("indicator", f"{indicator} is not one of {', '.join(lamp.values)}")
        await self._handle.transact(WriteSingleRegisterRequest(address=lamp.address, registers=[value]))

    async def close(self) -> None:
        """Give the connection back; calls afterwards raise TurnstileUnreachable. Idempotent."""
        await self._handle.close()

    async def _read(self, block: ReadBlock) -> list[int]:
        answer = await self._handle.transact(_READERS[block.table](address=block.address, count=block.count))
        return list(answer.bits if block.table in BIT_TABLES else answer.registers)


async def open_turnstile(buses: BusRegistry, site: TurnstileSite, profile: TurnstileProfile) -> ModbusTurnstile:
    """A driver for that turnstile, after one attempt to connect (at most one time-out).

    Succeeds when the controller is away too: calls then raise TurnstileUnreachable until it returns, which is noticed within
    a second. Raises InvalidConfig on an unusable address and on a bus that is in use with another time-out.
    """
    handle = buses.lease(parse_bus(site.bus, profile.timings.timeout_ms, shared=profile.shared_connection), site.unit)
    try:
        await handle.wait_first_attempt()
    except BaseException:
        await handle.close()
        raise
    return ModbusTurnstile(handle, profile)
