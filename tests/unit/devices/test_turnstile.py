"""The driver against the simulated controller over real TCP, and one conformance suite for every kind of turnstile."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

import msgspec
import pytest

from devices.modbus_bus import BusRegistry, parse_bus
from devices.profile import Mirrors, Point, TurnstileProfile, load_profile
from devices.profile_points import TimedRelay
from devices.turnstile import ModbusTurnstile, StatusPlan, open_turnstile
from resort.clock import ManualClock
from resort.errors import Invalid, InvalidConfig, TurnstileUnreachable
from resort.ports import Recalling, Turnstile, TurnstileStatus
from resort.site import TurnstileSite
from sim.memory_turnstile import MemoryTurnstile
from sim.turnstile import COUNTER_MODULUS, SimTurnstile
from sim.turnstile_server import TurnstileServer


def patient(profile: TurnstileProfile) -> TurnstileProfile:
    """For real connections on a machine that may stall: no test here waits for this time-out."""
    return msgspec.structs.replace(profile, timings=msgspec.structs.replace(profile.timings, timeout_ms=5_000))


PROFILE = load_profile("pulse_coil")
PATIENT = patient(PROFILE)
SCATTERED = msgspec.structs.replace(
    PATIENT,
    word_order="little",
    byte_order="little",
    mirrors=Mirrors(),
    readings=msgspec.structs.replace(
        PATIENT.readings,
        unlocked=Point("coil", 7, "bit", inverted=True),
        fault=Point("discrete", 3, "bit"),
        tamper=Point("discrete", 9, "bit"),
        fire_release=Point("holding", 40, "bit", 15),
        counter_in=Point("holding", 41, "u32"),
        firmware=None,
        waiting=None,
    ),
)


RELAY = patient(load_profile("relay_board"))
FLASH = msgspec.structs.replace(
    RELAY, commands=msgspec.structs.replace(RELAY.commands, pulse_entry=TimedRelay("coil", 0x0200, 7))
)
KINDS = {
    "memory": None,
    "modbus": PATIENT,
    "modbus, values scattered over all tables": SCATTERED,
    "relay board, duration written to a coil": FLASH,
    **{name: patient(load_profile(name)) for name in ("command_register", "mode_register", "relay_board")},
}


class Bench:
    """One controller on the bench: its clock, its steel, and what drives it."""

    def __init__(self) -> None:
        self.profile: TurnstileProfile | None = None
        self.clock = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
        self.steel = SimTurnstile(4_000, self.clock)
        self.turnstile: Turnstile = MemoryTurnstile(self.steel)


@pytest.fixture(params=KINDS)
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    bench = Bench()
    async with AsyncExitStack() as stack:
        profile = bench.profile = KINDS[request.param]
        if profile is not None:
            server = await serve(stack, profile, {1: bench.steel})
            bench.turnstile = await driver(stack, BusRegistry(), server, 1, profile)
        yield bench
        await bench.turnstile.close()


async def serve(stack: AsyncExitStack, profile: TurnstileProfile, units: dict[int, SimTurnstile]) -> TurnstileServer:
    server = TurnstileServer(units, profile)
    stack.push_async_callback(server.stop)
    await server.start()
    return server


async def driver(
    stack: AsyncExitStack, buses: BusRegistry, server: TurnstileServer, unit: int, profile: TurnstileProfile = PATIENT
) -> ModbusTurnstile:
    turnstile = await open_turnstile(buses, TurnstileSite(f"tcp://127.0.0.1:{server.port}", unit), profile)
    stack.push_async_callback(turnstile.close)
    return turnstile


async def connected(buses: BusRegistry, server: TurnstileServer) -> None:
    """Wait, as another user of unit 1, until its connection has found its peer."""
    neighbour = buses.lease(parse_bus(f"tcp://127.0.0.1:{server.port}", PATIENT.timings.timeout_ms), 1)
    async with asyncio.timeout(10):
        await neighbour.wait_connected()
    await neighbour.close()


def has_lamp(bench: Bench) -> bool:
    """Whether the lamp of that turnstile is ours to set."""
    return bench.profile is None or bench.profile.commands.indicator is not None


def light(turnstile: Turnstile) -> Coroutine[object, object, None]:
    return turnstile.show("go")


# --- conformance: what every turnstile does ---


async def test_at_rest_the_arm_is_locked_and_nothing_is_wrong(bench: Bench) -> None:
    status = await bench.turnstile.status()
    assert msgspec.structs.replace(status, firmware=0, waiting=None) == TurnstileStatus(
        0, 0, False, False, False, False, None, 0
    )


async def test_a_pulse_unlocks_one_turn_which_counts_and_locks_again(bench: Bench) -> None:
    await bench.turnstile.pulse_entry()
    assert bench.steel.pulses == 1
    assert (await bench.turnstile.status()).unlocked
    assert bench.steel.push_in()
    status = await bench.turnstile.status()
    assert (status.counter_in, status.counter_out, status.unlocked) == (1, 0, False)
    assert not bench.steel.push_in()
    assert (await bench.turnstile.status()).counter_in == 1


async def test_an_unused_pulse_locks_again_after_the_open_window(bench: Bench) -> None:
    await bench.turnstile.pulse_entry()
    bench.clock.advance_ms(3_999)
    assert (await bench.turnstile.status()).unlocked
    bench.clock.advance_ms(1)
    assert not (await bench.turnstile.status()).unlocked


async def test_the_way_out_counts_by_itself(bench: Bench) -> None:
    assert bench.steel.push_out()
    assert bench.steel.push_out()
    status = await bench.turnstile.status()
    assert (status.counter_in, status.counter_out) == (0, 2)


@pytest.mark.parametrize("name", ["fault", "tamper", "fire_release"])
async def test_each_condition_is_told_by_itself(bench: Bench, name: str) -> None:
    setattr(bench.steel, name, True)
    status = await bench.turnstile.status()
    told = {key for key in ("fault", "tamper", "fire_release") if getattr(status, key)}
    assert told == {name}
    assert status.unlocked == (name == "fire_release")


@pytest.mark.parametrize("count", [0x0001_0000, 0x1234_5678, 0x1234_FFFF, COUNTER_MODULUS - 1])
async def test_counters_have_32_bits(bench: Bench, count: int) -> None:
    bench.steel.counter_in = bench.steel.counter_out = count
    if isinstance(bench.turnstile, Recalling):
        bench.turnstile.recall(count, count)  # as a lane does that remembers them
    bench.steel.force_in()
    status = await bench.turnstile.status()
    assert (status.counter_in, status.counter_out) == ((count + 1) % COUNTER_MODULUS, count)


@pytest.mark.parametrize("indicator", ["go", "refused", "idle"])
async def test_the_lamp_shows_what_it_is_told(bench: Bench, indicator: str) -> None:
    await bench.turnstile.show(indicator)
    assert bench.steel.indicator == (indicator if has_lamp(bench) else "idle")


async def test_the_arm_is_turned_where_the_controller_can(bench: Bench) -> None:
    able = bench.profile is None or bench.profile.commands.direction is not None
    if not able:
        with pytest.raises(TurnstileUnreachable, match="no direction") as failed:
            await bench.turnstile.turn("exit_only")
        assert not failed.value.sent
        return
    for way in ("exit_only", "exit_only", "entry"):
        await bench.turnstile.turn(way)
        assert bench.steel.exit_only == (way == "exit_only")
        with suppress(TurnstileUnreachable):  # some say that they refuse it
            await bench.turnstile.pulse_entry()
        assert bench.steel.unlocked == (way == "entry")


async def test_an_unknown_lamp_is_refused(bench: Bench) -> None:
    with pytest.raises(Invalid):
        await bench.turnstile.show("disco")
    assert bench.steel.indicator == "idle"


@pytest.mark.parametrize("call", [lambda t: t.status(), lambda t: t.pulse_entry(), light])
async def test_a_closed_turnstile_does_nothing_more(bench: Bench, call: Callable[[Turnstile], object]) -> None:
    await bench.turnstile.close()
    await bench.turnstile.close()
    with pytest.raises(TurnstileUnreachable) if has_lamp(bench) or call is not light else contextlib.nullcontext():
        await call(bench.turnstile)  # type: ignore[misc]
    assert (bench.steel.pulses, bench.steel.indicator) == (0, "idle")


# --- the driver on its wire ---


async def test_sensor_and_firmware_are_read_where_the_profile_has_them() -> None:
    bench = Bench()
    bench.steel.waiting, bench.steel.firmware = 17, 0x0203
    async with AsyncExitStack() as stack:
        full = await driver(stack, BusRegistry(), await serve(stack, PATIENT, {1: bench.steel}), 1)
        bare = await driver(stack, BusRegistry(), await serve(stack, SCATTERED, {1: bench.steel}), 1, SCATTERED)
        assert ((await full.status()).waiting, (await full.status()).firmware) == (17, 0x0203)
        assert ((await bare.status()).waiting, (await bare.status()).firmware) == (None, 0)


@pytest.mark.parametrize(("shared", "connections"), [(False, 2), (True, 1)])
async def test_lanes_of_one_address_reach_their_own_units(shared: bool, connections: int) -> None:
    left, right = Bench(), Bench()
    profile = msgspec.structs.replace(PATIENT, shared_connection=shared)
    async with AsyncExitStack() as stack:
        server = await serve(stack, profile, {1: left.steel, 2: right.steel})
        buses = BusRegistry()
        first = await driver(stack, buses, server, 1, profile)
        second = await driver(stack, buses, server, 2, profile)
        await asyncio.gather(first.pulse_entry(), second.show("refused"), first.status(), second.status())
        assert server.connections == connections
        assert (left.steel.pulses, right.steel.pulses) == (1, 0)
        assert (left.steel.indicator, right.steel.indicator) == ("idle", "refused")


async def test_a_unit_that_is_not_there_is_told_as_such() -> None:
    async with AsyncExitStack() as stack:
        server = await serve(stack, PATIENT, {1: Bench().steel})
        stranger = await driver(stack, BusRegistry(), server, 9)
        with pytest.raises(TurnstileUnreachable, match="exception 11"):
            await stranger.pulse_entry()


async def test_a_register_that_is_not_there_is_told_as_such() -> None:
    async with AsyncExitStack() as stack:
        server = await serve(stack, PATIENT, {1: Bench().steel})
        confused = await driver(stack, BusRegistry(), server, 1, SCATTERED)
        with pytest.raises(TurnstileUnreachable, match="exception 2"):
            await confused.status()


async def test_opening_succeeds_while_the_controller_is_away_and_it_is_found_on_its_return() -> None:
    bench = Bench()
    async with AsyncExitStack() as stack:
        server = await serve(stack, PATIENT, {1: bench.steel})
        await server.stop()
        buses = BusRegistry()
        turnstile = await driver(stack, buses, server, 1)
        with pytest.raises(TurnstileUnreachable):
            await turnstile.status()
        with pytest.raises(TurnstileUnreachable):
            await turnstile.pulse_entry()
        await server.start()
        await connected(buses, server)
        assert not (await turnstile.status()).unlocked
        assert bench.steel.pulses == 0  # the failed pulse is not made up for


async def test_a_restarted_controller_is_found_again_with_its_counters() -> None:
    bench = Bench()
    async with AsyncExitStack() as stack:
        server = await serve(stack, PATIENT, {1: bench.steel})
        buses = BusRegistry()
        turnstile = await driver(stack, buses, server, 1)
        bench.steel.force_in()
        await server.stop()
        with pytest.raises(TurnstileUnreachable):
            await turnstile.status()
        await server.start()
        await connected(buses, server)
        assert (await turnstile.status()).counter_in == 1


async def test_a_bad_address_and_a_clashing_time_out_are_config_errors() -> None:
    async with AsyncExitStack() as stack:
        server = await serve(stack, PATIENT, {1: Bench().steel})
        buses = BusRegistry()
        with pytest.raises(InvalidConfig):
            await driver(stack, buses, TurnstileServer({}, PROFILE, port=70_000), 1)
        with pytest.raises(InvalidConfig):
            await open_turnstile(buses, TurnstileSite("simulated", 1), PATIENT)
        await driver(stack, buses, server, 1)
        with pytest.raises(InvalidConfig):
            await driver(stack, buses, server, 2, PROFILE)


async def test_opening_may_be_given_up_and_leaves_nothing_behind() -> None:
    opening = asyncio.create_task(open_turnstile(BusRegistry(), TurnstileSite("tcp://127.0.0.1:9", 1), PATIENT))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert opening.cancelled()
    assert len(asyncio.all_tasks()) == 1


class Recorder:
    """A peer that notes each request and never answers."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):  # an order that nobody confirmed is called back so
            while head := await reader.read(6):
                self.requests.put_nowait((await reader.readexactly(struct.unpack(">H", head[4:])[0]))[1:])
        writer.close()
        self.gone.set()


async def test_a_pulse_without_an_answer_is_sent_once_and_then_left_alone() -> None:
    recorder = Recorder()
    async with await asyncio.start_server(recorder.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        turnstile = await open_turnstile(BusRegistry(), TurnstileSite(f"tcp://127.0.0.1:{port}", 1), PROFILE)
        with pytest.raises(TurnstileUnreachable):
            await turnstile.pulse_entry()
        await turnstile.close()
        async with asyncio.timeout(10):
            await recorder.gone.wait()
    assert recorder.requests.get_nowait() == b"\x05\0\0\xff\0"
    assert recorder.requests.empty()


# --- the plan ---


def test_a_status_of_the_bundled_profile_is_one_request() -> None:
    assert len(StatusPlan(PROFILE).blocks) == 1


def test_values_scattered_over_all_tables_are_read_in_few_requests() -> None:
    plan = StatusPlan(SCATTERED)
    assert [(block.table, block.address, block.count) for block in plan.blocks] == [
        ("coil", 7, 1),
        ("discrete", 3, 1),
        ("discrete", 9, 1),
        ("input", 4, 2),
        ("holding", 40, 3),  # the entry counter is read last
    ]
