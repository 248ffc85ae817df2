"""A turnstile behind Modbus: `resort.ports.Turnstile` by a register profile.

Knows meanings, not bytes: `devices/profile.py` says where a value lies, `devices/entry_order.py` how the arm is opened,
`devices/modbus_bus.py` carries the requests.
"""

import msgspec
from pymodbus.pdu.register_message import WriteSingleRegisterRequest

from devices.entry_order import entry_giver, read_block
from devices.modbus_bus import BusRegistry, UnitHandle, parse_bus
from devices.profile import INDICATORS, Point, ReadBlock, TurnstileProfile, plan_reads
from devices.wide_counter import WideCounter
from resort.errors import Invalid, TurnstileUnreachable
from resort.ports import ArmWay, TurnstileStatus
from resort.site import TurnstileSite


class StatusPlan:
    """The requests that make one status, and where in their answers each value lies; worked out once per turnstile."""

    def __init__(self, profile: TurnstileProfile) -> None:
        points = profile.read_points()
        counter = profile.readings.counter_in
        # The entry counter comes last: an arm that was seen locked before it cannot have turned unseen after it.
        self.blocks: tuple[ReadBlock, ...] = tuple(
            sorted(plan_reads(points, profile.read_across), key=lambda block: _holds(block, counter))
        )
        self._profile = profile
        self._places: dict[str, tuple[Point, int, int]] = {}  # value -> point, index of its block, offset in it
        for name, point in points.items():
            for index, block in enumerate(self.blocks):
                if _holds(block, point):
                    self._places[name] = (point, index, point.address - block.address)

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
    """One controller. Calls raise TurnstileUnreachable, and no order is ever repeated here.

    A status is as many requests as its plan has blocks (one for `pulse_coil`); values of different blocks may be a few
    milliseconds apart. A request takes two time-outs of the profile at most. An order that is acknowledged takes one request to
    write, and is then looked after for `acknowledge.within_ms`; the first one reads the controller's numbers before.
    """

    def __init__(self, handle: UnitHandle, profile: TurnstileProfile) -> None:
        self._handle = handle
        self._profile = profile
        self._plan = StatusPlan(profile)
        self._entry = entry_giver(handle, profile)
        self._wide_in, self._wide_out = (
            WideCounter(profile.turns_unseen_max) if point.kind == "u16" else None
            for point in (profile.readings.counter_in, profile.readings.counter_out)
        )

    def recall(self, counter_in: int | None, counter_out: int | None) -> None:
        """Go on from the counters that the lane remembers, where the controller's own come round after 65535. Call it before
        the first reading is used; else the lane sees its counters begin anew, which it takes for a loss."""
        if self._wide_in is not None:
            self._wide_in.recall(counter_in)
        if self._wide_out is not None:
            self._wide_out.recall(counter_out)

    async def status(self) -> TurnstileStatus:
        """Read the controller's state now."""
        status = self._plan.status([await read_block(self._handle, block) for block in self._plan.blocks])
        if self._wide_in is not None:
            status = msgspec.structs.replace(status, counter_in=self._wide_in.read(status.counter_in))
        if self._wide_out is not None:
            status = msgspec.structs.replace(status, counter_out=self._wide_out.read(status.counter_out))
        return status

    async def pulse_entry(self) -> None:
        """Give the order exactly once. After an error it may or may not have happened, and the counter tells; with `sent` False
        it certainly did not: it never left, or the controller refused it."""
        await self._entry.give()

    async def turn(self, way: ArmWay) -> None:
        """Write how the arm is to be set; the same again changes nothing."""
        mode = self._profile.commands.direction
        if mode is None:
            raise TurnstileUnreachable(f"Turnstile unit {self._handle.unit}", "its profile has no direction", sent=False)
        await self._handle.transact(WriteSingleRegisterRequest(address=mode.address, registers=[mode.values[way]]))

    async def show(self, indicator: str) -> None:
        """Set the lamp to `idle`, `go` or `refused`; nothing happens without a lamp. Raises Invalid on another word."""
        if indicator not in INDICATORS:
            raise Invalid("indicator", f"{indicator} is not one of {', '.join(INDICATORS)}")
        lamp = self._profile.commands.indicator
        if lamp is not None:
            request = WriteSingleRegisterRequest(address=lamp.address, registers=[lamp.values[indicator]])
            await self._handle.transact(request)

    async def close(self) -> None:
        """Give the connection back; calls afterwards raise TurnstileUnreachable. Idempotent."""
        await self._handle.close()


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


def _holds(block: ReadBlock, point: Point) -> bool:
    return block.table == point.table and 0 <= point.address - block.address < block.count
