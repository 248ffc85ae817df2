"""A lamp of three colours on a Modbus relay board: a coil for each. Patterns and results are not known here."""

from pymodbus.pdu.bit_message import WriteSingleCoilRequest

from devices.modbus_bus import BusRegistry, UnitHandle, parse_bus
from resort.access.lamp_patterns import COLOURS
from resort.errors import InvalidConfig
from resort.site import LampSite

TIMEOUT_MS = 250


class RelayLamp:
    """Writes the coils that differ from what was written last; all of them after a failure. Raises TurnstileUnreachable, which
    names the board's unit and address."""

    def __init__(self, handle: UnitHandle, site: LampSite) -> None:
        self._handle = handle
        self._coils = {colour: int(getattr(site, colour)) for colour in COLOURS}
        self._lit: frozenset[str] | None = None  # None: not known

    async def light(self, lit: frozenset[str]) -> None:
        """Light these colours and no others."""
        before, self._lit = self._lit, None
        await self._handle.wait_first_attempt()  # the first result may come before the board was called at all
        for colour, coil in self._coils.items():
            if before is None or (colour in lit) != (colour in before):
                await self._handle.transact(WriteSingleCoilRequest(address=coil, bits=[colour in lit]))
        self._lit = lit

    async def close(self) -> None:
        """Give the connection back; idempotent."""
        await self._handle.close()


def check_lamp(place: str, site: LampSite) -> None:
    """Raises InvalidConfig naming `place` when the board's address cannot be used."""
    try:
        parse_bus(site.bus, TIMEOUT_MS)
    except InvalidConfig as error:
        raise InvalidConfig(f"{place}, lamp.bus", error.problem) from None


def open_lamp(buses: BusRegistry, site: LampSite) -> RelayLamp:
    """The lamp at that address; it may be away, and be connected later. Raises InvalidConfig on an unusable address."""
    return RelayLamp(buses.lease(parse_bus(site.bus, TIMEOUT_MS), site.unit), site)
