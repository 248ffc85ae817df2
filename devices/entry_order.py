"""The order that opens an arm for one person, in each style of controller: written once, confirmed, refused or uncertain.

Knows what is written and what confirms it, not where status values lie (`devices/turnstile.py`) and no bytes
(`devices/modbus_bus.py`). Nothing here is ever repeated: each call of `give` writes at most once.
"""

import asyncio
import struct
from collections.abc import Mapping
from typing import Protocol

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from devices.modbus_bus import UnitHandle
from devices.profile import BIT_TABLES, Point, ReadBlock, Table, TurnstileProfile, plan_reads
from devices.profile_points import NUMBER, Acknowledge, CommandOrder, NumberedOrder, PulsePoint, TimedRelay
from resort.errors import TurnstileUnreachable

NUMBER_MAX = 0xFFFF  # numbers are 1 to this; 0 is what controllers say that have seen none yet
_READERS: dict[Table, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}


class EntryGiver(Protocol):
    """Gives the order of one style."""

    async def give(self) -> None:
        """Open the arm for one person. Raises TurnstileUnreachable; `sent` False: certainly nothing was done."""
        ...


def entry_giver(handle: UnitHandle, profile: TurnstileProfile) -> EntryGiver:
    """The one that the profile's controller understands."""
    match profile.commands.pulse_entry:
        case PulsePoint() | TimedRelay() as order:
            return SingleWrite(handle, order)
        case order:
            return NumberedWrite(handle, profile, order)


class FlashCoil(WriteSingleCoilRequest):
    """Function 5 with a number in place of on (FF00) and off (0000), as boards with timed relays take it."""

    def __init__(self, address: int, duration: int) -> None:
        super().__init__(address=address)
        self._duration = duration

    def encode(self) -> bytes:
        """Address and number."""
        return struct.pack(">HH", self.address, self._duration)


class SingleWrite:
    """One write of one value; the controller's answer to it is the confirmation."""

    def __init__(self, handle: UnitHandle, order: PulsePoint | TimedRelay) -> None:
        self._handle, self._order = handle, order

    async def give(self) -> None:
        """Write it exactly once."""
        await self._handle.transact(self._request())

    def _request(self) -> ModbusPDU:
        order = self._order
        if isinstance(order, PulsePoint):
            return WriteSingleCoilRequest(address=order.address, bits=[bool(order.value)])
        if order.table == "coil":
            return FlashCoil(order.address, order.duration)
        return WriteSingleRegisterRequest(address=order.address, registers=[order.duration])


class NumberedWrite:
    """Words and a number of our own in one request; each order has a new number, also after a failed one.

    The first order begins after the number that the controller last saw, so that it is new to the controller, and an
    acknowledgement that was left from before is never taken for ours.
    """

    def __init__(self, handle: UnitHandle, profile: TurnstileProfile, order: NumberedOrder) -> None:
        self._handle, self._profile, self._order = handle, profile, order
        self._acknowledge = order.acknowledge if isinstance(order, CommandOrder) else None
        self._own = Point("holding", order.address + order.words.index(NUMBER), "u16")
        self._last: int | None = None
        self._turn = asyncio.Lock()  # a second order would overwrite the acknowledgement of the first

    async def give(self) -> None:
        """Write it exactly once, and see what became of it where the controller tells."""
        async with self._turn:
            number = self._last = await self._next_number()
            words = self._profile.order_words(self._order, number)
            await self._handle.transact(WriteMultipleRegistersRequest(address=self._order.address, registers=words))
            if self._acknowledge is not None:
                await self._until_acknowledged(self._acknowledge, number)

    async def _next_number(self) -> int:
        if self._last is not None:
            return self._last % NUMBER_MAX + 1
        try:
            seen = [(await self._values({"number": self._own}))["number"]]
            if self._acknowledge is not None:
                seen.append((await self._values({"number": self._acknowledge.number}))["number"])
        except TurnstileUnreachable as error:
            raise TurnstileUnreachable(error.part, f"{error.detail}, so no order was sent", sent=False) from error
        number = seen[0] % NUMBER_MAX + 1
        return number if number not in seen else number % NUMBER_MAX + 1

    async def _until_acknowledged(self, acknowledge: Acknowledge, number: int) -> None:
        """Look until the controller speaks of this order. Reading it again repeats nothing."""
        if await self._is_decided(acknowledge, number):
            return
        if acknowledge.within_ms:
            clock, pause_s = asyncio.get_running_loop().time, acknowledge.every_ms / 1000
            until = clock() + acknowledge.within_ms / 1000
            while clock() + pause_s <= until:
                await asyncio.sleep(pause_s)
                if await self._is_decided(acknowledge, number):
                    return
        raise self._failed(f"it did not acknowledge the order within {acknowledge.within_ms} ms")

    async def _is_decided(self, acknowledge: Acknowledge, number: int) -> bool:
        """Whether the controller says that this order was carried out. Raises TurnstileUnreachable when it says otherwise."""
        try:
            told = await self._values({"number": acknowledge.number, "result": acknowledge.result})
        except TurnstileUnreachable as error:
            # Whether or not the question was sent: the order was.
            raise TurnstileUnreachable(error.part, f"{error.detail}; the order was sent", sent=True) from error
        if told["number"] != number or told["result"] in acknowledge.pending:
            return False
        self._judge(acknowledge, told["result"])
        return True

    def _judge(self, acknowledge: Acknowledge, result: int) -> None:
        if result == acknowledge.done:
            return
        for reason, code in acknowledge.refused.items():
            if code == result:
                raise self._failed(f"it refused the order ({reason})", sent=False)
        raise self._failed(f"it acknowledged the order with the unknown result {result}")

    def _failed(self, detail: str, *, sent: bool = True) -> TurnstileUnreachable:
        return TurnstileUnreachable(f"Turnstile unit {self._handle.unit}", detail, sent=sent)

    async def _values(self, points: Mapping[str, Point]) -> dict[str, int]:
        """The values at points that lie side by side."""
        (block,) = plan_reads(points, self._profile.read_across)
        cells = await read_block(self._handle, block)
        return {name: self._profile.decode(point, cells[point.address - block.address :]) for name, point in points.items()}


async def read_block(handle: UnitHandle, block: ReadBlock) -> list[int]:
    """The cells of one planned read (registers, or bits as 0 and 1). Raises TurnstileUnreachable."""
    answer = await handle.transact(_READERS[block.table](address=block.address, count=block.count))
    return list(answer.bits if block.table in BIT_TABLES else answer.registers)
