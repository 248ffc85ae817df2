"""The registers of a simulated controller: reads and writes of a Modbus client, turned into questions to the steel.

Pure: addresses in, values or a Modbus exception code out, by the same profile that the driver reads. Values are taken from
the model at the moment of the read; nothing is stored twice.
"""

from collections.abc import Callable, Sequence
from functools import partial

from pymodbus.constants import ExcCodes

from devices.profile import Point, Table, TurnstileProfile
from devices.profile_points import CommandOrder, ModePoint, NumberedOrder, PulsePoint, TimedRelay
from sim.turnstile import SimTurnstile
from sim.turnstile_orders import OrderDesk

_DIRECTIONS = {False: "entry", True: "exit_only"}


class RegisterRefused(Exception):
    """The controller answers with this exception code; nothing was changed."""

    def __init__(self, code: ExcCodes) -> None:
        super().__init__(code)
        self.code = code


class TurnstileRegisters:
    """One controller's four tables. An address that the profile does not name is refused as an illegal one."""

    def __init__(self, model: SimTurnstile, profile: TurnstileProfile) -> None:
        self.model = model
        self._profile = profile
        self._reads: dict[tuple[Table, int], Callable[[], int]] = {}
        self._writes: dict[tuple[Table, int], tuple[Callable[[int], bool], Callable[[int], None]]] = {}
        self._entry_cells: set[tuple[Table, int]] = set()  # a write to these may open the arm
        self._desk: OrderDesk | None = None
        self._map_points()
        self._map_entry()
        self._map_commands()

    def read(self, table: Table, address: int, count: int) -> list[int]:
        """The cells (registers, or bits as 0 and 1). Raises RegisterRefused."""
        self.model.settle()
        cells = [self._reads.get((table, at)) for at in range(address, address + count)]
        values = [cell() for cell in cells if cell is not None]
        if len(values) != count:
            raise RegisterRefused(ExcCodes.ILLEGAL_ADDRESS)
        return values

    def write(self, table: Table, address: int, values: Sequence[int]) -> None:
        """Write all cells, or none of them. Raises RegisterRefused."""
        cells = [self._writes.get((table, at)) for at in range(address, address + len(values))]
        known = [cell for cell in cells if cell is not None]
        if len(known) != len(values):
            raise RegisterRefused(ExcCodes.ILLEGAL_ADDRESS)
        if not all(accepts(value) for (accepts, _), value in zip(known, values, strict=True)):
            raise RegisterRefused(ExcCodes.ILLEGAL_VALUE)
        ordered = any((table, at) in self._entry_cells for at in range(address, address + len(values)))
        if ordered and self.model.refuses and (self._desk is None or not self._desk.acknowledges):
            raise RegisterRefused(ExcCodes.DEVICE_BUSY)
        for (_, apply), value in zip(known, values, strict=True):
            apply(value)
        if self._desk is not None:
            self._desk.act()

    def is_timed_coil(self, address: int) -> bool:
        """Whether a coil takes a duration besides on and off."""
        order = self._profile.commands.pulse_entry
        return isinstance(order, TimedRelay) and order.table == "coil" and order.address == address

    def _map_points(self) -> None:
        """Readings and mirrors. Bits that share a register are gathered, so each address has one function."""
        parts: dict[tuple[Table, int], list[Callable[[], int]]] = {}
        points = [*self._profile.read_points().items(), *self._profile.mirror_points().items()]
        for name, point in points:
            for offset in range(point.width):

                def part(name: str = name, point: Point = point, offset: int = offset) -> int:
                    return self._profile.encode(point, int(getattr(self.model, name)))[offset]

                parts.setdefault((point.table, point.address + offset), []).append(part)
        for place, sharers in parts.items():
            self._reads[place] = sharers[0] if len(sharers) == 1 else partial(_total, tuple(sharers))

    def _map_entry(self) -> None:
        """What opens the arm, and where the controller speaks of it."""
        order = self._profile.commands.pulse_entry
        self._entry_cells = {(order.table, order.address + offset) for offset in range(order.width)}
        match order:
            case PulsePoint():
                self._map_pulse(order, self.model.pulse_entry)
            case TimedRelay():
                self._map_relay(order)
            case _:
                self._map_order(order)

    def _map_pulse(self, pulse: PulsePoint, act: Callable[[], None]) -> None:
        place: tuple[Table, int] = (pulse.table, pulse.address)
        self._reads[place] = partial(int, 1 - pulse.value)
        self._writes[place] = (lambda value: value in (0, 1), lambda value: act() if value == pulse.value else None)

    def _map_relay(self, relay: TimedRelay) -> None:
        """The relay is what presses the turnstile's button: any duration is a pulse, 0 is none."""
        place: tuple[Table, int] = (relay.table, relay.address)
        self._reads[place] = int
        self._writes[place] = (lambda value: True, lambda value: self.model.pulse_entry() if value else None)

    def _map_order(self, order: NumberedOrder) -> None:
        desk = self._desk = OrderDesk(self.model, self._profile, order)
        for offset in range(order.width):
            place: tuple[Table, int] = (order.table, order.address + offset)
            self._reads[place] = partial(desk.written, offset)
            self._writes[place] = (lambda value: True, partial(desk.write, offset))
        if isinstance(order, CommandOrder):
            told = order.acknowledge
            for point, tell in ((told.number, lambda: desk.number), (told.result, lambda: desk.result)):
                self._reads[point.table, point.address] = partial(self._told, point, tell)

    def _told(self, point: Point, tell: Callable[[], int]) -> int:
        return self._profile.encode(point, tell())[0]

    def _map_commands(self) -> None:
        """Coils read as idle, since they reset by themselves; modes read back what holds now."""
        commands = self._profile.commands
        if commands.pulse_exit is not None:
            self._map_pulse(commands.pulse_exit, self.model.pulse_exit)
        if commands.indicator is not None:
            self._map_mode(commands.indicator, lambda: self.model.indicator, self.model.show)
        if commands.direction is not None:
            self._map_mode(commands.direction, lambda: _DIRECTIONS[self.model.exit_only], self._set_direction)

    def _map_mode(self, mode: ModePoint, current: Callable[[], str], choose: Callable[[str], None]) -> None:
        names = {value: name for name, value in mode.values.items()}
        place: tuple[Table, int] = (mode.table, mode.address)
        self._reads[place] = lambda: mode.values[current()]
        self._writes[place] = (lambda value: value in names, lambda value: choose(names[value]))

    def _set_direction(self, name: str) -> None:
        self.model.exit_only = name == "exit_only"


def _total(shares: tuple[Callable[[], int], ...]) -> int:
    """The register of which each bit is told by another value."""
    return sum(share() for share in shares)
