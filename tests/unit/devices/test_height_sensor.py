"""A height sensor on a real socket: bands and nothing else, silence, noise, and a sensor that goes and comes back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from devices.height_sensor import FRESH_MS, LineHeightSensor
from resort.clock import ManualClock
from resort.errors import InvalidConfig
from resort.heights import HeightLimits
from resort.ports import HeightSensor

WAIT_S = 30


class Pole:
    """A sensor that sends what it is told to whoever is connected."""

    def __init__(self) -> None:
        self.clients: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def client(self) -> asyncio.StreamWriter:
        async with asyncio.timeout(WAIT_S):
            return await self.clients.get()

    async def stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self.clients.put_nowait(writer)


class Stand:
    def __init__(self, pole: Pole) -> None:
        self.pole = pole
        self.clock = ManualClock(datetime(2026, 12, 5, 9, 0, tzinfo=UTC))
        self.sensor = LineHeightSensor(pole.url, HeightLimits(), self.clock)
        self._marks = 0

    async def says(self, writer: asyncio.StreamWriter, line: bytes) -> str | None:
        """The band after this line. What is no line follows it, so that it is known when it was read."""
        writer.write(line + b"\r\nmark\r\n")
        self._marks = self.sensor.noise + 1
        async with asyncio.timeout(WAIT_S):
            while self.sensor.noise < self._marks:  # noqa: ASYNC110 - of another task
                await asyncio.sleep(0.005)
        return await self.sensor.band()


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    pole = Pole()
    await pole.start()
    made = Stand(pole)
    yield made
    await made.sensor.close()
    await pole.stop()


async def test_a_line_is_a_band_until_it_is_old(stand: Stand) -> None:
    port: HeightSensor = stand.sensor
    assert await port.band() is None
    writer = await stand.pole.client()
    assert await stand.says(writer, b"101") == "below_free"
    assert await stand.says(writer, b"132.5 cm") == "child"
    assert await stand.says(writer, b"181") == "adult"
    stand.clock.advance_ms(FRESH_MS)
    assert await port.band() == "adult"
    stand.clock.advance_ms(1)
    assert await port.band() is None


@pytest.mark.parametrize("nobody", [b"0", b"-", b"120", b"151.9", b"20", b"999"])
async def test_nobody_or_too_near_to_a_limit_is_no_band(stand: Stand, nobody: bytes) -> None:
    writer = await stand.pole.client()
    assert await stand.says(writer, b"132") == "child"
    assert await stand.says(writer, nobody) is None


@pytest.mark.parametrize("noise", [b"13 2", b"1e3", b"-5", b"132cmcm", "１３２".encode(), b"nan", b"\xff\xfe", b"1" * 5000])
async def test_noise_changes_nothing(stand: Stand, noise: bytes) -> None:
    writer = await stand.pole.client()
    assert await stand.says(writer, b"132") == "child"
    before = stand.sensor.noise
    writer.write(noise + b"\n")
    assert await stand.says(writer, b"181") == "adult"
    assert stand.sensor.noise > before


async def test_a_sensor_that_went_away_is_gone_to_again_and_says_nothing_meanwhile(stand: Stand) -> None:
    first = await stand.pole.client()
    assert await stand.says(first, b"132") == "child"
    first.close()
    second = await stand.pole.client()
    assert await stand.sensor.band() is None
    assert await stand.says(second, b"181") == "adult"


@pytest.mark.parametrize("url", ["", "tcp://", "http://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:1/x"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match="height sensor url"):
        LineHeightSensor(url, HeightLimits(), ManualClock(datetime(2026, 12, 5, tzinfo=UTC)))
