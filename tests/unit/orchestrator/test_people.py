"""The people sensors of a site: opened, read with their age, and told to the watch, on a real socket and by posts."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from devices.loopback_port import LoopbackPort
from devices.people_push import CountPost
from orchestrator.people import PeopleDesk
from orchestrator.settings import load_site
from resort.alarm_levels import SensorSight
from resort.clock import ManualClock
from resort.errors import InvalidConfig, NotFound, Unavailable
from resort.site import PeopleSensorSite, Site
from resort.site_checks import check_site
from tests.conftest import DEMO

WAIT_S = 30


def site_with(**people: PeopleSensorSite) -> Site:
    return check_site(
        msgspec.structs.replace(load_site(DEMO), people={name.replace("_", "-"): at for name, at in people.items()})
    )


async def test_sensors_are_read_with_their_age_and_told_to_the_watch() -> None:
    told: asyncio.Queue[Sequence[SensorSight]] = asyncio.Queue()
    asked = asyncio.Event()

    async def tell(sights: Sequence[SensorSight]) -> None:
        told.put_nowait(sights)

    async def count_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"in=5 out=1\r\nin=9 out=2\r\n")
        asked.set()
        await reader.read()
        writer.close()

    port = LoopbackPort(count_line)
    await port.start()
    clock = ManualClock(datetime(2027, 1, 2, tzinfo=UTC))
    gate = load_site(DEMO).gates[0].id
    site = site_with(
        door=PeopleSensorSite(f"tcp://127.0.0.1:{port.port}", gate=gate),
        queue=PeopleSensorSite("push"),
        dead=PeopleSensorSite("push"),
    )
    desk = PeopleDesk(site, clock, tell)
    desk.start()
    async with asyncio.timeout(WAIT_S):
        await asked.wait()
        first = await told.get()
        while (seen := desk.readings()[0]).count is None or seen.count.entered < 4:
            await told.get()
    assert [sight.name for sight in first] == ["door", "queue", "dead"]
    desk.pushed("queue").take(CountPost(waiting=7))
    clock.advance_ms(90_000)
    door, queue, dead = desk.readings()
    assert (door.gate_id, door.silent_s, queue.silent_s, dead.silent_s) == (gate, 90.0, 90.0, 90.0)
    assert queue.count is not None
    assert queue.count.waiting == 7
    assert dead.count is None
    for name in ("door", "nobody"):
        with pytest.raises(NotFound):
            desk.pushed(name)
    await desk.close()
    await desk.close()
    await port.stop()


async def test_a_watch_that_is_away_is_told_again() -> None:
    attempts: asyncio.Queue[int] = asyncio.Queue()

    async def tell(sights: Sequence[SensorSight]) -> None:
        attempts.put_nowait(len(sights))
        raise Unavailable("The watch", "it is away")

    desk = PeopleDesk(site_with(queue=PeopleSensorSite("push")), ManualClock(datetime(2027, 1, 2, tzinfo=UTC)), tell)
    desk.start()
    async with asyncio.timeout(WAIT_S):
        assert [await attempts.get(), await attempts.get()] == [1, 1]
    await desk.close()


def test_a_site_refuses_sensors_that_cannot_be() -> None:
    with pytest.raises(InvalidConfig, match="there is no gate nowhere"):
        site_with(door=PeopleSensorSite("push", gate="nowhere"))
    with pytest.raises(InvalidConfig, match="is no name"):
        site_with(Door=PeopleSensorSite("push"))
