"""Connected handles on a bus, and the requests that tests of buses make."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest
from pymodbus.pdu.register_message import ReadInputRegistersRequest

from devices.modbus_bus import BusRegistry, BusSettings, UnitHandle

PATIENT_MS = 5_000  # a time-out that no test lives to see
HASTY_MS = 250  # one that a test waits for; long enough that a stalled machine still answers what shall be answered


@asynccontextmanager
async def leased(settings: BusSettings, *units: int) -> AsyncIterator[list[UnitHandle]]:
    """Connected handles on one bus, given back at the end; a registry that is empty then holds no connection."""
    registry = BusRegistry()
    handles = [registry.lease(settings, unit) for unit in units]
    try:
        async with asyncio.timeout(10):
            for handle in handles:
                await handle.wait_connected()
        yield handles
    finally:
        for handle in handles:
            await handle.close()


def read(count: int = 1) -> ModbusPDU:
    """Of the first input registers."""
    return ReadInputRegistersRequest(address=0, count=count)


def pulse() -> ModbusPDU:
    """Of coil 0."""
    return WriteSingleCoilRequest(address=0, bits=[True])
