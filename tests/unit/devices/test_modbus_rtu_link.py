"""The driver over RTU, through a serial server and on a pseudo terminal, with good units and bad ones."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec
import pytest
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import WriteSingleRegisterRequest

from devices.modbus_bus import BusRegistry, UnitHandle, parse_bus
from devices.modbus_rtu_frames import crc, find_answer, rtu_frame
from devices.profile import load_profile
from devices.turnstile import open_turnstile
from resort.clock import SystemClock
from resort.errors import InvalidConfig, TurnstileUnreachable
from resort.site import TurnstileSite
from sim.rtu_server import RtuPty, RtuTcpServer
from sim.rtu_units import RtuFault
from sim.turnstile import SimTurnstile
from tests.unit.devices import leased_units
from tests.unit.devices.leased_units import HASTY_MS, PATIENT_MS, pulse

PROFILES = ("pulse_coil", "command_register", "mode_register", "relay_board")
READ = b"\x04\0\0\0\1"


@asynccontextmanager
async def line(
    kind: str, profile_name: str = "pulse_coil", units: tuple[int, ...] = (1,)
) -> AsyncIterator[RtuTcpServer | RtuPty]:
    profile = load_profile(profile_name)
    steel = {unit: SimTurnstile(60_000, SystemClock()) for unit in units}
    if kind == "serial":
        pty = RtuPty(steel, profile)
        pty.start()
        try:
            yield pty
        finally:
            pty.stop()
        return
    server = RtuTcpServer(steel, profile)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def leased(address: str, timeout_ms: int, *units: int) -> AbstractAsyncContextManager[list[UnitHandle]]:
    return leased_units.leased(parse_bus(address, timeout_ms), *units)


def read() -> ModbusPDU:
    return leased_units.read(7)


async def served_again(handle: UnitHandle) -> list[int]:
    """What it reads once it answers; fails after 10 s."""
    async with asyncio.timeout(10):
        while True:
            try:
                return list((await handle.transact(read())).registers)
            except TurnstileUnreachable:
                await asyncio.sleep(0.02)  # asked again, as a lane polls


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
@pytest.mark.parametrize("unit", [1, 247, 255])
@pytest.mark.parametrize("name", PROFILES)
async def test_the_driver_opens_an_arm_of_every_style(kind: str, unit: int, name: str) -> None:
    profile = load_profile(name)
    profile = msgspec.structs.replace(profile, timings=msgspec.structs.replace(profile.timings, timeout_ms=PATIENT_MS))
    async with line(kind, name, (unit,)) as far:
        turnstile = await open_turnstile(BusRegistry(), TurnstileSite(far.address, unit), profile)
        try:
            assert not (await turnstile.status()).unlocked
            await turnstile.pulse_entry()
            assert (await turnstile.status()).unlocked
            await turnstile.show("go")
        finally:
            await turnstile.close()


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
@pytest.mark.parametrize("fault", ["deaf", "mute", "half", "spoilt", "stranger"])
async def test_an_order_is_written_once_and_uncertain_when_nobody_confirms_it(kind: str, fault: RtuFault) -> None:
    async with line(kind) as far, leased(far.address, HASTY_MS, 1) as (handle,):
        far.units.faults[1] = fault
        with pytest.raises(TurnstileUnreachable) as caught:
            await handle.transact(pulse())
        assert caught.value.sent
        with pytest.raises(TurnstileUnreachable) as caught:
            await handle.transact(pulse())
        assert not caught.value.sent
        far.units.faults[1] = "none"
        assert len(await served_again(handle)) == 7
        assert [request[1] for request in far.units.requests].count(5) == 1


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
async def test_a_late_status_is_never_taken_for_a_new_one(kind: str) -> None:
    async with line(kind) as far, leased(far.address, HASTY_MS, 1) as (handle,):
        far.units.faults[1] = "slow"
        far.units.slow.seconds = 0.4
        before = (await served_without(far, handle))[3]
        far.units.turnstiles[1].pulse_entry()
        assert far.units.turnstiles[1].push_in()
        far.units.slow.seconds = 0.18  # so the late answer would come before the new one, if that was asked for at once
        assert (await served_again(handle))[3] == before + 1


async def served_without(far: RtuTcpServer | RtuPty, handle: UnitHandle) -> list[int]:
    """Ask once in vain; what the counter was then."""
    with pytest.raises(TurnstileUnreachable, match="no answer"):
        await handle.transact(read())
    return [0, 0, 0, far.units.turnstiles[1].counter_in]


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
async def test_noise_before_an_answer_is_passed_over(kind: str) -> None:
    async with line(kind) as far, leased(far.address, PATIENT_MS, 1) as (handle,):
        far.units.faults[1] = "noise"
        assert len((await handle.transact(read())).registers) == 7
        assert (await handle.transact(pulse())).bits[0]


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
async def test_an_echo_is_no_confirmation_where_the_address_names_it(kind: str) -> None:
    async with line(kind) as far:
        address = far.address + ("&" if "?" in far.address else "?") + "echo=yes"
        async with leased(address, HASTY_MS, 1) as (handle,):
            far.units.faults[1] = "echo"
            assert len((await handle.transact(read())).registers) == 7
            assert (await handle.transact(pulse())).bits[0]
            far.units.turnstiles.clear()
            far.units._units = {}
            with pytest.raises(TurnstileUnreachable, match="no answer") as caught:
                await handle.transact(pulse())
            assert caught.value.sent


async def test_an_echo_that_the_address_does_not_name_is_told() -> None:
    async with line("rtu+tcp") as far, leased(far.address, PATIENT_MS, 1) as (handle,):
        far.units.faults[1] = "echo"
        with pytest.raises(TurnstileUnreachable, match="echo=yes"):
            await handle.transact(read())


async def test_a_second_answer_is_not_kept_for_the_next_request() -> None:
    async with line("rtu+tcp") as far, leased(far.address, PATIENT_MS, 1) as (handle,):
        far.units.faults[1] = "twice"
        await handle.transact(read())
        with pytest.raises(TurnstileUnreachable, match="owes") as caught:
            await handle.transact(read())
        assert not caught.value.sent


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
async def test_all_units_obey_a_broadcast_and_nobody_is_waited_for(kind: str) -> None:
    async with line(kind, units=(1, 2)) as far, leased(far.address, PATIENT_MS, 0) as (everybody,):
        async with asyncio.timeout(3):
            await everybody.transact(WriteSingleRegisterRequest(address=1, registers=[2]))
        assert {model.indicator for model in far.units.turnstiles.values()} == {"refused"}
        with pytest.raises(TurnstileUnreachable, match="nobody answers") as caught:
            await everybody.transact(read())
        assert not caught.value.sent


@pytest.mark.parametrize("kind", ["serial", "rtu+tcp"])
async def test_neighbours_are_served_while_a_unit_owes_an_answer(kind: str) -> None:
    async with line(kind, units=(1, 2)) as far, leased(far.address, HASTY_MS, 1, 2) as (silent, lively):
        far.units.faults[1] = "deaf"
        with pytest.raises(TurnstileUnreachable):
            await silent.transact(read())
        assert len((await lively.transact(read())).registers) == 7


async def test_a_line_belongs_to_one_program_and_one_setting() -> None:
    async with line("serial") as far, leased(far.address, PATIENT_MS, 1):
        other = BusRegistry().lease(parse_bus(far.address, PATIENT_MS), 2)
        await other.wait_first_attempt()
        assert not other.connected
        await other.close()
        registry = BusRegistry()
        first = registry.lease(parse_bus(far.address, PATIENT_MS), 1)
        with pytest.raises(InvalidConfig, match="9600 baud E1"):
            registry.lease(parse_bus(f"serial://{far.address[9:].partition('?')[0]}?baud=9600", PATIENT_MS), 2)
        await first.close()


def test_serial_lines_work_in_uvloop() -> None:
    code = (
        "import uvloop, sys; sys.path.insert(0, '.')\n"
        "from tests.unit.devices import test_modbus_rtu_link as t\n"
        "for kind in ('serial', 'rtu+tcp'):\n"
        "    uvloop.run(t.test_the_driver_opens_an_arm_of_every_style(kind, 1, 'pulse_coil'))\n"
        "    uvloop.run(t.test_an_order_is_written_once_and_uncertain_when_nobody_confirms_it(kind, 'half'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc(bytes.fromhex("010300000001")) == bytes.fromhex("840a")


def test_an_answer_is_judged_to_its_last_byte() -> None:
    good = rtu_frame(1, b"\x04\x02\0\x09")
    assert find_answer(good, 1, READ) == (b"\x04\x02\0\x09", len(good))
    assert find_answer(b"\0\xff\1" + good, 1, READ) == (b"\x04\x02\0\x09", len(good) + 3)
    for at in range(len(good)):
        for bit in range(8):
            assert find_answer(good[:at] + bytes((good[at] ^ 1 << bit,)) + good[at + 1 :], 1, READ) is None
        assert find_answer(good[:at], 1, READ) is None
    assert find_answer(rtu_frame(1, b"\x84\x02"), 1, READ) == (b"\x84\x02", 5)
    assert find_answer(rtu_frame(1, b"\x04\x04\0\1\0\2"), 1, READ) is None
    assert find_answer(rtu_frame(1, b"\x05\0\0\0\0"), 1, b"\x05\0\0\xff\0") is None
