"""A connection that is made again and again: what is told, and what it survives."""

import asyncio
import logging

import pytest

from devices.kept_connection import KeptConnection

LOG = logging.getLogger("snowgate.tests")
WAIT_S = 30


class Device:
    """Comes and goes as told: an answer is why it is gone, an exception what connecting raises."""

    def __init__(self) -> None:
        self.attempts: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()

    async def receive(self) -> str:
        gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.attempts.put_nowait(gone)
        return await gone

    async def attempt(self) -> "asyncio.Future[str]":
        async with asyncio.timeout(WAIT_S):
            return await self.attempts.get()


async def test_it_is_made_again_and_only_edges_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOG.name)
    device = Device()
    connection = KeptConnection("sensor 7", device.receive, LOG)
    connection.start()
    connection.start()
    (await device.attempt()).set_exception(ConnectionRefusedError("nobody"))
    (await device.attempt()).set_exception(ConnectionRefusedError("nobody"))
    gone = await device.attempt()
    connection.made()
    assert connection.connected
    gone.set_result("it hung up")
    await device.attempt()
    assert not connection.connected
    await connection.close()
    await connection.close()
    assert [record.getMessage() for record in caplog.records] == [
        "sensor 7 is away: ConnectionRefusedError nobody",
        "sensor 7 is back",
        "sensor 7 is away: it hung up",
    ]
    assert device.attempts.empty()


async def test_a_mistake_of_ours_ends_it_and_is_raised() -> None:
    device, ended = Device(), asyncio.Event()
    connection = KeptConnection("sensor 7", device.receive, LOG, (OSError,))
    connection.start(ended.set)
    connection.check()
    (await device.attempt()).set_exception(ValueError("a mistake"))
    async with asyncio.timeout(WAIT_S):
        await ended.wait()
    with pytest.raises(ValueError, match="a mistake"):
        connection.check()
    await connection.close()
