"""The player of controllers: sound or faulty, on the port that was asked for, and gone when it ends."""

import asyncio
import os

import pytest

from devices.modbus_bus import BusRegistry
from devices.profile import load_profile
from devices.turnstile import open_turnstile
from orchestrator.device_players import PlayOrder
from resort.errors import Invalid, InvalidConfig, SnowgateError, TurnstileUnreachable, Unavailable
from resort.site import TurnstileSite
from sim.device_lines import RTU, TCP
from sim.device_player import BROKEN, ODD, TurnstilePlayer

PROFILE = "pulse_coil"


def quiet(said: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("fault", ["", *BROKEN, *ODD])
async def test_a_fault_of_the_steel_still_answers(fault: str) -> None:
    player = TurnstilePlayer()
    address = await player.start(PlayOrder(PROFILE, (0, 255), 0, fault), quiet)
    turnstile = await open_turnstile(BusRegistry(), TurnstileSite(address, 255), load_profile(PROFILE))
    status = await turnstile.status()
    assert (status.fault, status.tamper, status.fire_release) == tuple(fault == name for name in ("fault", "tamper", "fire"))
    await turnstile.close()
    await player.stop()


@pytest.mark.parametrize("fault", [fault for fault in TCP if fault != "twice"])
async def test_a_fault_of_the_line_keeps_a_status_from_coming(fault: str) -> None:
    player = TurnstilePlayer()
    address = await player.start(PlayOrder(PROFILE, (1,), 0, fault), quiet)
    turnstile = await open_turnstile(BusRegistry(), TurnstileSite(address, 1), load_profile(PROFILE))
    with pytest.raises(TurnstileUnreachable):
        await turnstile.status()
    await turnstile.close()
    await player.stop()


@pytest.mark.parametrize("address", ["rtu+tcp://127.0.0.1:0", "serial"])
@pytest.mark.parametrize("fault", ["", *RTU])
async def test_an_rtu_line_serves_or_fails_as_told(address: str, fault: str) -> None:
    player = TurnstilePlayer()
    bus = await player.start(PlayOrder(PROFILE, (7,), 0, fault, address), quiet)
    turnstile = await open_turnstile(BusRegistry(), TurnstileSite(bus, 7), load_profile(PROFILE))
    if fault in ("", "twice", "noise"):
        assert not (await turnstile.status()).unlocked
    else:
        with pytest.raises(TurnstileUnreachable):
            await turnstile.status()
    await turnstile.close()
    await player.stop()


async def test_a_line_that_is_there_is_played_on() -> None:
    """Two pseudo terminals, joined as by a cable."""
    near, far, ends = *os.openpty(), os.openpty()
    loop, device = asyncio.get_running_loop(), os.ttyname(far)
    for end in (near, ends[0]):
        os.set_blocking(end, False)
    loop.add_reader(near, lambda: os.write(ends[0], os.read(near, 4096)))
    loop.add_reader(ends[0], lambda: os.write(near, os.read(ends[0], 4096)))
    player = TurnstilePlayer()
    address = f"serial://{os.ttyname(ends[1])}?baud=19200&parity=E&stop=1"
    assert await player.start(PlayOrder(PROFILE, (7,), address=address), quiet) == address
    turnstile = await open_turnstile(BusRegistry(), TurnstileSite(f"serial://{device}", 7), load_profile(PROFILE))
    await turnstile.pulse_entry()
    assert (await turnstile.status()).unlocked
    await turnstile.close()
    await player.stop()
    for end in (near, ends[0]):
        loop.remove_reader(end)
    for end in (near, far, *ends):
        os.close(end)


@pytest.mark.parametrize("fault", ["", "slow"])
async def test_the_port_is_the_one_asked_for_free_again_afterwards_and_said_when_taken(fault: str) -> None:
    first, second = TurnstilePlayer(), TurnstilePlayer()
    port = int((await first.start(PlayOrder(PROFILE), quiet)).rpartition(":")[2])
    with pytest.raises(Unavailable):
        await second.start(PlayOrder(PROFILE, (1,), port, fault), quiet)
    await first.stop()
    assert await second.start(PlayOrder(PROFILE, (1,), port, fault), quiet) == f"tcp://127.0.0.1:{port}"
    await second.stop()


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (PlayOrder("no_such_profile"), InvalidConfig),
        (PlayOrder(PROFILE, fault="no_such_fault"), Invalid),
        (PlayOrder(PROFILE, units=()), Invalid),
        (PlayOrder(PROFILE, units=(256,)), Invalid),
        (PlayOrder(PROFILE, address="tcp://0.0.0.0:5020"), Invalid),
        (PlayOrder(PROFILE, address="udp://127.0.0.1:5020"), InvalidConfig),
        (PlayOrder(PROFILE, fault="renumbered", address="serial"), Invalid),
        (PlayOrder(PROFILE, fault="echo"), Invalid),
        (PlayOrder(PROFILE, address="serial:///no/such/line"), Unavailable),
    ],
)
async def test_what_cannot_be_played_is_refused(order: PlayOrder, kind: type[SnowgateError]) -> None:
    with pytest.raises(kind):
        await TurnstilePlayer().start(order, quiet)


async def test_what_its_arm_and_lamp_do_is_told() -> None:
    player, told = TurnstilePlayer(), asyncio.Queue[str]()
    address = await player.start(PlayOrder(PROFILE, (3,)), told.put_nowait)
    turnstile = await open_turnstile(BusRegistry(), TurnstileSite(address, 3), load_profile(PROFILE))
    await turnstile.show("go")
    await turnstile.pulse_entry()
    player.act("in")
    async with asyncio.timeout(30):
        assert [await told.get() for _ in range(3)] == ["unit 3: go", "unit 3: unlocked", "unit 3: relocked"]
    await turnstile.close()
    await player.stop()
