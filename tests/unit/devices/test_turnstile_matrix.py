"""Each style of controller with each way to misbehave: what the driver says of the order, what reached the steel, and what a
lane makes of it. Nowhere does one order open an arm twice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Literal

import msgspec
import pytest

from devices.modbus_bus import BusRegistry, parse_bus
from devices.profile import load_profile
from devices.turnstile import ModbusTurnstile, open_turnstile
from resort.clock import SystemClock
from resort.errors import TurnstileUnreachable
from resort.messages import GrantIssued, GrantOutcomeUnknown, GrantReleased, PassageConfirmed, PassageUncontrolled
from resort.ports import TurnstileStatus
from resort.site import TurnstileSite
from sim.faulty_wire import FaultyWire
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer
from tests.property.lane_steel import CODES, PROFILES, LaneSteel

STYLES = list(PROFILES)
TIMEOUT_MS = 500
LIMIT_S = 20
Said = Literal["done", "uncertain", "refused"]  # no error; an error; an error that says that nothing was done


class Rig:
    """One controller on a real connection, with a driver that has given one order already."""

    def __init__(self, style: str) -> None:
        profile = load_profile(style)
        timings = msgspec.structs.replace(profile.timings, timeout_ms=TIMEOUT_MS)
        self.profile = msgspec.structs.replace(profile, timings=timings)
        self.steel = SimTurnstile(60_000, SystemClock())
        self.server = TurnstileServer({1: self.steel}, self.profile)
        self.server.slow.seconds = None  # until `heal`: no starved clock makes it quick

    async def open(self, stack: AsyncExitStack) -> None:
        await self.server.start()
        stack.push_async_callback(self.server.stop)
        self.wire = FaultyWire(self.server.port)
        await self.wire.start()
        stack.push_async_callback(self.wire.stop)
        self.buses, self.bus = BusRegistry(), f"tcp://127.0.0.1:{self.wire.port}"
        self.driver: ModbusTurnstile = await open_turnstile(self.buses, TurnstileSite(self.bus, 1), self.profile)
        stack.push_async_callback(self.driver.close)
        await self.until_answered()
        await self.driver.pulse_entry()
        assert self.steel.push_in()

    def suffer(self, fault: str) -> None:
        """From now on this fault."""
        match fault:
            case "deaf" | "mute":
                self.server.silent[1] = fault
            case "slow" | "half" | "renumbered":
                self.server.manners[1] = fault
            case "lost" | "held" | "late" | "spoilt":
                self.wire.suffer(fault)
            case "unacknowledging":
                self.steel.acknowledges = False
            case "counts_backwards" | "stuck" | "refuses" | "fault" | "exit_only":
                setattr(self.steel, fault, True)

    def heal(self) -> None:
        """No fault any more."""
        self.server.slow.hurry()
        self.server.silent.clear()
        self.server.manners.clear()
        self.wire.suffer("none")
        steel = self.steel
        steel.acknowledges = True
        steel.stuck = steel.refuses = steel.fault = steel.exit_only = steel.counts_backwards = False

    async def order(self) -> Said:
        """Order once, and tell what the driver said."""
        try:
            await self.driver.pulse_entry()
        except TurnstileUnreachable as error:
            return "uncertain" if error.sent else "refused"
        return "done"

    async def until_answered(self) -> TurnstileStatus:
        """Poll as a lane does."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    return await self.driver.status()
                except TurnstileUnreachable:
                    await asyncio.sleep(0.02)

    async def until_connected_again(self) -> None:
        """Wait until there is a new connection; by then the line has met the reset of the old one."""
        handle = self.buses.lease(parse_bus(self.bus, TIMEOUT_MS), 1)
        async with asyncio.timeout(LIMIT_S):
            await handle.wait_connected()
        await handle.close()

    async def until_lost(self) -> None:
        """Poll until nobody answers."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                try:
                    await self.driver.status()
                except TurnstileUnreachable:
                    return


@pytest.fixture(params=STYLES)
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    rig = Rig(request.param)
    async with AsyncExitStack() as stack:
        await rig.open(stack)
        yield rig


# fault -> what the driver says, orders that the steel took, whether the arm opened; and what differs with orders that are
# acknowledged.
MATRIX: dict[str, tuple[Said, int, bool]] = {
    "none": ("done", 1, True),
    "deaf": ("uncertain", 0, False),
    "mute": ("uncertain", 1, True),
    "slow": ("uncertain", 1, True),
    "half": ("uncertain", 1, True),
    "renumbered": ("uncertain", 1, True),
    "lost": ("uncertain", 0, False),
    "late": ("uncertain", 1, True),
    "spoilt": ("uncertain", 1, True),
    "stuck": ("done", 1, False),
    "fault": ("done", 1, False),
    "exit_only": ("done", 1, False),
    "refuses": ("refused", 0, False),
    "unacknowledging": ("done", 1, True),
    "counts_backwards": ("done", 1, True),
}
ACKNOWLEDGED: dict[str, tuple[Said, int, bool]] = {
    "fault": ("refused", 0, False),
    "exit_only": ("refused", 0, False),
    "unacknowledging": ("uncertain", 1, True),
}


@pytest.mark.parametrize("fault", MATRIX)
async def test_an_order_is_done_uncertain_or_refused_as_stated_and_never_done_twice(rig: Rig, fault: str) -> None:
    table = MATRIX | ACKNOWLEDGED if rig.profile.name == "command_register" else MATRIX
    said, taken, opened = table[fault]
    rig.suffer(fault)
    assert await rig.order() == said
    assert (rig.steel.pulses, rig.steel.unlocked) == (1 + taken, opened)
    rig.heal()
    await rig.until_answered()
    assert rig.steel.pulses == 1 + taken, "an order that failed is not made up for"
    assert await rig.order() == "done"
    assert (rig.steel.pulses, rig.steel.unlocked) == (2 + taken, True)
    assert rig.steel.push_in()
    assert (await rig.until_answered()).counter_in == 2


async def test_an_order_that_the_line_held_back_is_called_back_with_its_connection(rig: Rig) -> None:
    rig.suffer("held")
    assert await rig.order() == "uncertain"
    await rig.until_connected_again()
    rig.heal()
    await rig.until_answered()
    assert (rig.steel.pulses, rig.steel.unlocked) == (1, False)


async def test_a_controller_that_is_away_gets_no_order(rig: Rig) -> None:
    await rig.server.stop()
    await rig.until_lost()
    assert await rig.order() == "refused"
    await rig.server.start()
    await rig.until_answered()
    assert rig.steel.pulses == 1
    assert await rig.order() == "done", "also one that has forgotten our numbers"
    assert rig.steel.pulses == 2


@pytest.mark.parametrize("began_at", [0xFFFF, 2**32 - 1])
async def test_counters_that_come_round_go_on(rig: Rig, began_at: int) -> None:
    rig.steel.counter_in = rig.steel.counter_out = began_at
    rig.driver.recall(began_at, began_at)
    before = await rig.until_answered()
    rig.steel.force_in()
    rig.steel.push_out()
    after = await rig.until_answered()
    assert (before.counter_in, before.counter_out) == (began_at, began_at)
    assert (after.counter_in, after.counter_out) == ((began_at + 1) % 2**32, (began_at + 1) % 2**32)


async def test_counters_that_run_backwards_are_seen_to(rig: Rig) -> None:
    rig.suffer("counts_backwards")
    before = await rig.until_answered()
    rig.steel.force_in()
    after = await rig.until_answered()
    assert (after.counter_in - before.counter_in) % 2**32 == 2**32 - 1


@pytest.mark.parametrize("fault", ["deaf", "mute", "slow", "half", "renumbered", "lost", "late", "spoilt"])
async def test_a_status_that_does_not_arrive_whole_and_in_time_is_none(rig: Rig, fault: str) -> None:
    rig.suffer(fault)
    with pytest.raises(TurnstileUnreachable):
        await rig.driver.status()
    rig.heal()
    assert (await rig.until_answered()).counter_in == 1


# ---- what a lane makes of it: one guest with a ticket for one entry, who goes when the arm lets go


def serve(lane: LaneSteel) -> None:
    """The guest shows a code, pushes, and the lane looks on until nothing can come any more."""
    lane.hold_up(CODES[0])
    lane.steel.push_in()
    lane.look()
    lane.clock.advance_ms(7_000)
    lane.wire.fault = "none"
    lane.look()


OUTCOMES: dict[str, type] = {
    "none": PassageConfirmed,
    "deaf": GrantOutcomeUnknown,
    "mute": PassageConfirmed,
    "half": PassageConfirmed,
    "renumbered": PassageConfirmed,
    "stuck": GrantReleased,
    "fault": GrantReleased,
    "exit_only": GrantReleased,
    "refuses": GrantReleased,
    "acknowledges": PassageConfirmed,
    "counts_backwards": GrantOutcomeUnknown,
}


@pytest.mark.parametrize("fault", OUTCOMES)
@pytest.mark.parametrize("style", STYLES)
def test_a_lane_sees_the_outcome_as_stated_and_pulses_once(style: str, fault: str) -> None:
    lane = LaneSteel(PROFILES[style])
    lane.hold_up(CODES[1])  # a first guest, so that the driver knows the controller
    lane.steel.push_in()
    lane.look()
    if fault in ("deaf", "mute", "half", "renumbered"):
        lane.wire.fault = fault  # type: ignore[assignment]
    elif fault != "none":
        setattr(lane.steel, fault, fault != "acknowledges")
    before = len(lane.ledger.journal)
    serve(lane)
    told = [type(event) for event in lane.ledger.journal[before:]]
    outcomes = [kind for kind in told if kind in (PassageConfirmed, GrantReleased, GrantOutcomeUnknown)]
    assert outcomes == [OUTCOMES[fault]]
    assert told.count(GrantIssued) == 1
    assert PassageUncontrolled not in told
    assert len(lane.pulsed) == len(set(lane.pulsed)) == 2
    assert lane.steel.pulses <= 2


@pytest.mark.parametrize("style", STYLES)
def test_whoever_was_refused_by_the_controller_may_try_again_at_once(style: str) -> None:
    lane = LaneSteel(PROFILES[style])
    lane.steel.refuses = True
    lane.hold_up(CODES[0])
    assert GrantReleased in [type(event) for event in lane.ledger.journal]
    lane.steel.refuses = False
    lane.look()
    lane.clock.advance_ms(1_500)  # the same code is not looked at again before
    lane.look()
    lane.hold_up(CODES[0])
    assert lane.steel.push_in()
    lane.look()
    assert PassageConfirmed in [type(event) for event in lane.ledger.journal]
    assert lane.steel.pulses == 1
