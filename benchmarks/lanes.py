"""`snowgate bench lanes`: what a lane with a bad controller costs its neighbours on the same bus.

Eight lanes poll their controllers as lanes do and give an order now and then, one of the controllers bad in each way, while
eight others do so with sound ones: on connections of their own, on one that all share, and on an RTU line. Latency is from the
wish to the answer, with every attempt between them. The bar: beside a bad neighbour the 99th percentile is at most 20 ms more.

The first seconds of a fault are told apart (`onset`): the first question that is not answered keeps the others waiting for its
whole time-out, as it might still be answered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from devices.modbus_bus import BusRegistry
from devices.profile import TurnstileProfile, load_profile
from devices.turnstile import ModbusTurnstile, open_turnstile
from orchestrator.measured import Measured, machine
from resort.clock import SystemClock
from resort.errors import SnowgateError, TurnstileUnreachable
from resort.figures import percentile
from resort.site import TurnstileSite
from sim.rtu_server import RtuTcpServer
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

LANES = 8
BAD = 1  # the unit
POLL_S = 0.12
RETRY_S = 0.02
ONSET_S = 3.0
ORDER_EVERY = 3  # polls
BAR_MS = 20.0
LINES = ("own", "shared", "rtu")
FAULTS = ("silent", "slow", "half", "spoilt")


class SlowedDown(SnowgateError):
    """A bad controller costs its neighbours more than it may."""

    code = "slowed_down"

    def __init__(self, missed: str) -> None:
        super().__init__(missed)
        self.missed = missed

    def __str__(self) -> str:
        return f"A bad neighbour costs more than {BAR_MS:.0f} ms at the 99th percentile: {self.missed}."


class LaneTimes:
    """What the sound lanes saw."""

    def __init__(self) -> None:
        self.status_ms: list[float] = []
        self.order_ms: list[float] = []
        self.orders_failed = 0
        self.onset_ms = 0.0  # the longest wait for a status right after the fault began

    def figures(self, cell: str) -> dict[str, float]:
        """The cell's, flat."""
        return {
            f"{cell}_status_p99_ms": percentile(self.status_ms, 99),
            f"{cell}_status_max_ms": max(self.status_ms),
            f"{cell}_order_p99_ms": percentile(self.order_ms, 99),
            f"{cell}_order_max_ms": max(self.order_ms),
            f"{cell}_orders_failed": self.orders_failed,
            f"{cell}_onset_max_ms": self.onset_ms,
        }


async def measure(seed: int, seconds: float, told: Callable[[str], None]) -> Measured:
    """Run each cell for `seconds`. Raises SlowedDown. Nothing is drawn: `seed` is for the shape of all benches."""
    figures: dict[str, float] = {"lanes": LANES, "seconds_a_cell": seconds}
    limits: dict[str, float] = {"added_p99_ms": BAR_MS}
    added: dict[str, float] = {}
    missed = []
    for line in LINES:
        for fault in FAULTS:
            # Side by side, so that a machine that stalls stalls both.
            sound, seen = await asyncio.gather(_cell(line, "", seconds), _cell(line, fault, seconds))
            cell = f"{line}_{fault}"
            figures |= seen.figures(cell)
            sound_figures = sound.figures("sound")
            for kind in ("status", "order"):
                more_ms = figures[f"{cell}_{kind}_p99_ms"] - sound_figures[f"sound_{kind}_p99_ms"]
                limits[f"{cell}_{kind}_sound_p99_ms"] = sound_figures[f"sound_{kind}_p99_ms"]
                figures[f"{cell}_{kind}_added_p99_ms"] = more_ms
                added[f"{cell}_{kind}_added_over_bar"] = more_ms / BAR_MS
                if more_ms > BAR_MS:
                    missed.append(f"{cell} {kind} {more_ms:.0f} ms")
            status_ms, order_ms = percentile(seen.status_ms, 99), percentile(seen.order_ms, 99)
            told(f"{cell}: p99 {status_ms:.1f} ms for a status, {order_ms:.1f} ms for an order")
    if missed:
        raise SlowedDown(", ".join(missed))
    return Measured("lanes", seed, machine(), figures, limits, added)


async def _cell(line: str, fault: str, seconds: float) -> LaneTimes:
    """One run: fault from its beginning."""
    times = LaneTimes()
    profile = load_profile("pulse_coil_drill")
    profile = msgspec.structs.replace(profile, shared_connection=line == "shared")
    async with _bus(line, fault, profile) as (address, steel):
        buses = BusRegistry()
        drivers = {unit: await open_turnstile(buses, TurnstileSite(address, unit), profile) for unit in steel}
        try:
            async with asyncio.TaskGroup() as lanes:
                for unit, driver in drivers.items():
                    lanes.create_task(_lane(driver, unit, seconds, None if unit == BAD else times, steel[unit]))
        finally:
            for driver in drivers.values():
                await driver.close()
    return times


@asynccontextmanager
async def _bus(line: str, fault: str, profile: TurnstileProfile) -> AsyncIterator[tuple[str, dict[int, SimTurnstile]]]:
    steel = {unit: SimTurnstile(profile.timings.open_window_ms, SystemClock()) for unit in range(1, LANES + 1)}
    if line == "rtu":
        rtu = RtuTcpServer(steel, profile)
        await rtu.start()
        match fault:
            case "silent":
                rtu.units.faults[BAD] = "deaf"
            case "slow" | "half" | "spoilt":
                rtu.units.faults[BAD] = fault
        try:
            yield rtu.address, steel
        finally:
            await rtu.stop()
        return
    server = TurnstileServer(steel, profile)
    await server.start()
    match fault:
        case "silent":
            server.silent[BAD] = "deaf"
        case "slow" | "half":
            server.manners[BAD] = fault
        case "spoilt":
            server.manners[BAD] = "renumbered"  # Modbus TCP has no checksum
    try:
        yield f"tcp://127.0.0.1:{server.port}", steel
    finally:
        await server.stop()


async def _lane(driver: ModbusTurnstile, unit: int, seconds: float, times: LaneTimes | None, steel: SimTurnstile) -> None:
    """Poll as a lane does, each lane at a moment of its own, and let a guest in now and then."""
    clock = SystemClock()
    began = clock.now()
    await asyncio.sleep(POLL_S * unit / LANES)
    polls = unit
    while (age_ms := clock.now().ms_since(began)) < 1000 * (ONSET_S + seconds):
        polls += 1
        wished = clock.now()
        if not await _status(driver, patient=times is not None):
            await asyncio.sleep(POLL_S)
            continue
        if times is not None:
            took_ms = clock.now().ms_since(wished)
            if age_ms < 1000 * ONSET_S:
                times.onset_ms = max(times.onset_ms, took_ms)
            else:
                times.status_ms.append(took_ms)
        if polls % ORDER_EVERY == 0:
            await _order(driver, times)
            steel.push_in()
        await asyncio.sleep(POLL_S)


async def _status(driver: ModbusTurnstile, *, patient: bool) -> bool:
    while True:
        try:
            await driver.status()
        except TurnstileUnreachable:
            if not patient:
                return False
            await asyncio.sleep(RETRY_S)
        else:
            return True


async def _order(driver: ModbusTurnstile, times: LaneTimes | None) -> None:
    clock = SystemClock()
    wished = clock.now()
    try:
        await driver.pulse_entry()
    except TurnstileUnreachable:
        if times is not None:
            times.orders_failed += 1
    if times is not None:
        times.order_ms.append(clock.now().ms_since(wished))
