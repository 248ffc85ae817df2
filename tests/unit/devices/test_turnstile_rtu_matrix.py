"""Each style of controller with each way to misbehave, on RTU lines: through a serial server and on a pseudo terminal.

The counterpart of `test_turnstile_matrix.py`: what the driver says of the order, what reached the steel, and that nothing is
made up for. What a lane makes of an order does not depend on how it travelled.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Literal, get_args

import msgspec
import pytest
import pytest_asyncio

from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.turnstile import ModbusTurnstile, open_turnstile
from resort.clock import SystemClock
from resort.errors import TurnstileUnreachable
from resort.ports import TurnstileStatus
from resort.site import TurnstileSite
from sim.rtu_server import RtuPty, RtuTcpServer
from sim.rtu_units import RtuFault
from sim.turnstile import SimTurnstile

STYLES = ("pulse_coil", "command_register", "mode_register", "relay_board")
LINES = ("rtu+tcp", "serial")
TIMEOUT_MS = 500
LIMIT_S = 60
SIDE_BY_SIDE = 16  # they wait nearly all the time
Said = Literal["done", "uncertain", "refused"]  # no error; an error; an error that says that nothing was done

# fault -> what the driver says, orders that the steel took, whether the arm opened
MATRIX: dict[str, tuple[Said, int, bool]] = {
    "none": ("done", 1, True),
    "deaf": ("uncertain", 0, False),
    "mute": ("uncertain", 1, True),
    "slow": ("uncertain", 1, True),
    "half": ("uncertain", 1, True),
    "spoilt": ("uncertain", 1, True),  # a wrong CRC
    "stranger": ("uncertain", 1, True),
    "late": ("uncertain", 1, True),
    "echo": ("done", 1, True),  # by its echo, which looks like the answer: see docs/devices.md
    "noise": ("done", 1, True),
    "twice": ("done", 1, True),
    "stuck": ("done", 1, False),
    "fault": ("done", 1, False),
    "exit_only": ("done", 1, False),
    "refuses": ("refused", 0, False),
    "unacknowledging": ("done", 1, True),
    "counts_backwards": ("done", 1, True),
    "away": ("refused", 0, False),
}
BY_STYLE: dict[str, dict[str, tuple[Said, int, bool]]] = {
    "command_register": {
        "fault": ("refused", 0, False),
        "exit_only": ("refused", 0, False),
        "unacknowledging": ("uncertain", 1, True),
        "twice": ("uncertain", 1, True),  # a third might come: it rests, and is not asked in time what came of it
        "echo": ("uncertain", 1, True),  # the answer to function 16 is no echo, so the echo is noticed
    },
    "mode_register": {"echo": ("uncertain", 1, True)},
}
RTU_FAULTS: tuple[str, ...] = get_args(RtuFault)
CASES = [(line, style, fault) for line in LINES for style in STYLES for fault in MATRIX]


class Seen(msgspec.Struct, frozen=True):
    """What became of one order upon a fault, and of the next one when the fault was over."""

    said: Said
    taken: int
    opened: bool
    taken_later: int  # when it answered again
    then_said: Said
    then_taken: int
    then_opened: bool
    counter_in: int


class Rig:
    """One controller on a real line, with a driver that has given one order already."""

    def __init__(self, line: str, style: str) -> None:
        profile = load_profile(style)
        self.profile = msgspec.structs.replace(profile, timings=msgspec.structs.replace(profile.timings, timeout_ms=TIMEOUT_MS))
        self.steel = SimTurnstile(60_000, SystemClock())
        self.line = (RtuTcpServer if line == "rtu+tcp" else RtuPty)({1: self.steel}, self.profile)
        self.line.units.slow.seconds = None  # until `_heal`: no starved clock makes it quick
        self.driver: ModbusTurnstile

    async def see(self, fault: str) -> Seen:
        """Order once upon the fault, heal, order once more."""
        async with AsyncExitStack() as stack:
            await self._open(stack)
            await self._suffer(fault)
            said = await self._order()
            taken, opened = self.steel.pulses - 1, self.steel.unlocked
            await self._heal(fault)
            await self._until_answered()
            taken_later = self.steel.pulses - 1
            then = await self._order()
            then_taken, then_opened = self.steel.pulses - 1, self.steel.unlocked
            self.steel.push_in()
            counter_in = (await self._until_answered()).counter_in
            return Seen(said, taken, opened, taken_later, then, then_taken, then_opened, counter_in)

    async def _open(self, stack: AsyncExitStack) -> None:
        await self._start()
        stack.push_async_callback(self._stop)
        self.driver = await open_turnstile(BusRegistry(), TurnstileSite(self.line.address, 1), self.profile)
        stack.push_async_callback(self.driver.close)
        await self._until_answered()
        await self.driver.pulse_entry()
        assert self.steel.push_in()

    async def _start(self) -> None:
        if isinstance(self.line, RtuTcpServer):
            await self.line.start()
        else:
            self.line.start()

    async def _stop(self) -> None:
        if isinstance(self.line, RtuTcpServer):
            await self.line.stop()
        else:
            self.line.stop()

    async def _suffer(self, fault: str) -> None:
        if fault == "away":
            self.line.units.faults[1] = "deaf"
            await self._until_lost()
        elif fault in RTU_FAULTS:
            self.line.units.faults[1] = fault  # type: ignore[assignment]
        elif fault == "unacknowledging":
            self.steel.acknowledges = False
        else:
            setattr(self.steel, fault, True)

    async def _heal(self, fault: str) -> None:
        self.line.units.slow.hurry()
        self.line.units.faults.clear()
        if fault == "unacknowledging":
            self.steel.acknowledges = True
        elif fault not in RTU_FAULTS and fault != "away":
            setattr(self.steel, fault, False)

    async def _order(self) -> Said:
        try:
            await self.driver.pulse_entry()
        except TurnstileUnreachable as error:
            return "uncertain" if error.sent else "refused"
        return "done"

    async def _until_answered(self) -> TurnstileStatus:
        """Poll as a lane does."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    return await self.driver.status()
                except TurnstileUnreachable:
                    await asyncio.sleep(0.02)

    async def _until_lost(self) -> None:
        """Poll until nobody answers and the next request would not be sent."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    await self.driver.status()
                except TurnstileUnreachable:
                    return


class Rigs:
    """All of them side by side."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(SIDE_BY_SIDE)
        self._tasks = {case: asyncio.create_task(self._see(*case)) for case in CASES}

    async def seen(self, line: str, style: str, fault: str) -> Seen:
        return await self._tasks[line, style, fault]

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _see(self, line: str, style: str, fault: str) -> Seen:
        async with self._room:
            return await Rig(line, style).see(fault)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rigs() -> AsyncIterator[Rigs]:
    rigs = Rigs()
    yield rigs
    await rigs.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("line", "style", "fault"), CASES)
async def test_an_order_is_done_uncertain_or_refused_as_stated_and_never_done_twice(
    line: str, style: str, fault: str, rigs: Rigs
) -> None:
    said, taken, opened = BY_STYLE.get(style, {}).get(fault, MATRIX[fault])
    turns_before = 1
    counter_in = turns_before + 1
    seen = await rigs.seen(line, style, fault)
    assert (seen.said, seen.taken, seen.opened) == (said, taken, opened)
    assert seen.taken_later == taken, "an order that failed is not made up for"
    assert (seen.then_said, seen.then_taken, seen.then_opened) == ("done", taken + 1, True)
    assert seen.counter_in == counter_in
