"""The driver on a real connection over a line that loses, freezes, delays and spoils: what reached the steel is counted there.

How soon a lane notices and heals follows from what is configured (`test_the_bundled_settings_notice_in_time`) and is measured
by the drill `turnstile`; here it only has to happen.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devices.modbus_bus import RECONNECT_MAX_S, BusRegistry, parse_bus
from devices.profile import load_profile
from devices.turnstile import ModbusTurnstile, open_turnstile
from devices.unit_trust import REST_S
from orchestrator.settings import load_site
from resort.clock import SystemClock
from resort.errors import TurnstileUnreachable
from resort.ports import TurnstileStatus
from resort.site import LaneLimits, TurnstileSite
from sim.faulty_wire import Fault, FaultyWire
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

NOTICED_MS = 400  # of the half second that is promised; the rest is for the way to the console
HEALED_MS = 2_000
LIMIT_S = 20
CONFIG = Path(__file__).parent.parent.parent / "config"
PROFILES = Path(__file__).parent.parent.parent / "devices" / "profiles"
FAULTS: list[Fault] = ["lost", "mute", "held", "slow", "half", "spoilt", "renumbered", "reset"]


class Line:
    """Two arms behind one address, the line to them, and a driver for each."""

    def __init__(self) -> None:
        clock = SystemClock()
        self.profile = load_profile("pulse_coil")
        self.steel = {unit: SimTurnstile(60_000, clock) for unit in (1, 2)}
        self.server = TurnstileServer(self.steel, self.profile)
        self.drivers: dict[int, ModbusTurnstile] = {}

    async def start(self) -> None:
        await self.server.start()
        self.wire = FaultyWire(self.server.port)
        await self.wire.start()
        self.buses = BusRegistry()
        for unit in self.steel:
            site = TurnstileSite(f"tcp://127.0.0.1:{self.wire.port}", unit)
            self.drivers[unit] = await open_turnstile(self.buses, site, self.profile)

    async def stop(self) -> None:
        for driver in self.drivers.values():
            await driver.close()
        await self.wire.stop()
        await self.server.stop()

    async def until_answered(self, unit: int = 1) -> TurnstileStatus:
        """Poll as a lane does."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    return await self.drivers[unit].status()
                except TurnstileUnreachable:
                    await asyncio.sleep(LaneLimits().poll_idle_ms / 1000)

    async def until_connected_again(self) -> None:
        """Wait until unit 1 has a new connection; by then the line has met the reset of the old one."""
        bus = parse_bus(f"tcp://127.0.0.1:{self.wire.port}", self.profile.timings.timeout_ms)
        handle = self.buses.lease(bus, 1)
        async with asyncio.timeout(LIMIT_S):
            await handle.wait_connected()
        await handle.close()

    async def until_lost(self, unit: int = 1) -> None:
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    await self.drivers[unit].status()
                except TurnstileUnreachable:
                    return


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    await line.start()
    yield line
    await line.stop()


def test_the_bundled_settings_notice_in_time() -> None:
    """At the latest a lane notices after an interval and a time-out, and is back after a pause and two of each."""
    timeouts = [load_profile(file).timings.timeout_ms for file in PROFILES.glob("*.yaml")]
    limits = [LaneLimits(), *(load_site(file).lane_limits for file in CONFIG.glob("*.yaml"))]
    for limit in limits:
        assert limit.poll_idle_ms + max(timeouts) <= NOTICED_MS
        pause_ms = max(RECONNECT_MAX_S, REST_S) * 1000
        assert pause_ms + 2 * max(timeouts) + 2 * limit.poll_idle_ms <= HEALED_MS


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_line_is_noticed_and_heals_with_true_counters(line: Line, fault: Fault) -> None:
    line.steel[1].force_in()
    line.steel[2].force_in()
    line.steel[2].force_in()
    line.wire.suffer(fault)
    await asyncio.gather(line.until_lost(1), line.until_lost(2))
    line.wire.suffer("none")
    one, two = await asyncio.gather(line.until_answered(1), line.until_answered(2))
    assert (one.counter_in, two.counter_in, one.counter_out, two.counter_out) == (1, 2, 0, 0)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_pulse_over_a_faulty_line_reaches_the_steel_at_most_once(line: Line, fault: Fault) -> None:
    await line.until_answered()
    line.wire.suffer(fault)
    with pytest.raises(TurnstileUnreachable):
        await line.drivers[1].pulse_entry()
    line.wire.suffer("none")
    await line.until_answered()
    assert line.steel[1].pulses <= 1
    await line.drivers[1].pulse_entry()
    assert line.steel[1].pulses <= 2
    assert line.steel[1].unlocked


async def test_a_pulse_that_the_line_held_back_is_called_back_with_its_connection(line: Line) -> None:
    """The guest has left: the arm must not open for nobody when the line returns."""
    await line.until_answered()
    line.wire.suffer("held")
    with pytest.raises(TurnstileUnreachable):
        await line.drivers[1].pulse_entry()
    await line.until_connected_again()
    line.wire.suffer("none")
    await line.until_answered()
    assert line.steel[1].pulses == 0
    assert not line.steel[1].unlocked


async def test_answers_that_come_with_the_next_ones_are_never_taken_for_them(line: Line) -> None:
    await line.until_answered()
    line.wire.suffer("late")
    for turned in range(4):
        line.steel[1].force_in()
        with pytest.raises(TurnstileUnreachable):
            await line.drivers[1].status()
        assert line.steel[1].counter_in == turned + 1
    line.wire.suffer("none")
    assert (await line.until_answered()).counter_in == 4


async def test_one_silent_unit_does_not_disturb_its_neighbour(line: Line) -> None:
    await asyncio.gather(line.until_answered(1), line.until_answered(2))
    line.server.silent[1] = "deaf"
    lost = asyncio.create_task(line.until_lost(1))
    answers = 0
    while not lost.done():
        await line.drivers[2].status()
        answers += 1
    assert answers > 3
    line.server.silent.clear()
    await line.until_answered(1)
