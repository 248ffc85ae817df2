"""People sensors that send lines: what a pattern reads, and the connection on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.people_counter import LinePattern, LinePeopleCounter
from resort.clock import ManualClock
from resort.errors import InvalidConfig
from resort.people import PeopleCount, PeopleReading, PeopleSensorSite
from resort.ports import PeopleCounter

WAIT_S = 30


class Sensor:
    """A sensor that sends what it is told to whoever is connected."""

    def __init__(self) -> None:
        self._clients: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.url = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def client(self) -> asyncio.StreamWriter:
        async with asyncio.timeout(WAIT_S):
            return await self._clients.get()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._clients.put_nowait(writer)


@pytest.fixture
async def sensor() -> AsyncIterator[Sensor]:
    sensor = Sensor()
    await sensor.start()
    yield sensor
    await sensor.stop()


async def next_of(counts: AsyncIterator[PeopleCount]) -> PeopleCount:
    async with asyncio.timeout(WAIT_S):
        return await anext(counts)


@pytest.mark.parametrize(
    ("pattern", "line", "reading"),
    [
        ("in={in} out={out}", "in=12 out=7", PeopleReading(12, 7)),
        ("in={in} out={out}", "  in=12   out=7\t", PeopleReading(12, 7)),
        ("in={in} out={out}", "in=12 out=-7", None),
        ("in={in} out={out}", "in=12 out=7 x", None),
        ("in={in} out={out}", "IN=12 OUT=7", None),
        ("in={in} out={out}", "in=12345678901 out=7", None),
        ("in={in} out={out}", "in=١٢ out=7", None),
        ("{any};{in};{out};{any}", "cam-4;3;2;ok", PeopleReading(3, 2)),
        ("{any};{in};{out};{any}", ";3;2;", PeopleReading(3, 2)),
        ("Q:{waiting}", "Q:18", PeopleReading(waiting=18)),
        ("#{number} +{in}", "#44 +1", PeopleReading(1, number=44)),
        ("a.c{in}", "abc1", None),
        ("a.c{in}", "a.c1", PeopleReading(1)),
    ],
)
def test_a_pattern_reads_its_lines_and_no_others(pattern: str, line: str, reading: PeopleReading | None) -> None:
    assert LinePattern(pattern).read(line) == reading


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "in=5",
        "{any}",
        "{number}",
        "{in}{out}",
        "{in} {in}",
        "{inn}",
        "{in",
        "in}{in}",
        "{in}5",
        "{any}={in}",
        "{in} " * 99,
        "{}",
    ],
)
def test_a_pattern_that_says_nothing_or_is_ambiguous_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidConfig):
        LinePattern(pattern)


@given(st.text(max_size=200))
def test_no_line_breaks_a_pattern(line: str) -> None:
    reading = LinePattern("{any} in={in} out={out};{any}").read(line)
    assert reading is None or (reading.entered is not None and reading.left is not None)


@pytest.mark.parametrize("url", ["push", "http://h:1", "tcp://h", "tcp://:1", "tcp://h:1/x", "tcp://h:99999"])
async def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig):
        LinePeopleCounter(PeopleSensorSite(url), ManualClock(datetime(2027, 1, 2, tzinfo=UTC)))


async def test_lines_are_counted_and_have_an_age(sensor: Sensor) -> None:
    clock = ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC))
    source = LinePeopleCounter(PeopleSensorSite(sensor.url, "in={in} out={out} q={waiting}"), clock)
    counter: PeopleCounter = source
    counts = counter.counts()
    assert counter.latest is None
    writer = await sensor.client()
    writer.write(b"in=100 out=50 q=4\r\nin=1")
    assert (await next_of(counts)).waiting == 4
    writer.write(b"02 out=50 q=6\r\n")
    count = await next_of(counts)
    assert (count.entered, count.left, count.waiting) == (2, 0, 6)
    assert counter.latest == count
    assert count.age_ms(clock.advance_ms(700)) == 700
    await counter.close()
    await counter.close()
    assert [count async for count in counts] == []


async def test_noise_is_dropped_and_the_newest_count_wins(sensor: Sensor) -> None:
    source = LinePeopleCounter(PeopleSensorSite(sensor.url), ManualClock(datetime(2027, 1, 2, tzinfo=UTC)))
    writer = await sensor.client()
    writer.write(b"hello\nin=1 out=1\n\xff\xfe\nin=9999999999 out=1\n" + b"x" * 5_000 + b"\nin=3 out=1\nin=4 out=2\n")
    counts = source.counts()
    while (count := await next_of(counts)).entered < 3:
        pass
    assert (count.entered, count.left, source.noise) == (3, 1, 4)
    await source.close()


async def test_a_sensor_that_hangs_up_is_connected_again_and_counts_go_on(sensor: Sensor) -> None:
    source = LinePeopleCounter(PeopleSensorSite(sensor.url), ManualClock(datetime(2027, 1, 2, tzinfo=UTC)))
    counts = source.counts()
    writer = await sensor.client()
    writer.write(b"in=10 out=0\nin=12 ou")
    await next_of(counts)
    writer.transport.abort()
    writer = await sensor.client()
    writer.write(b"t=5\nin=15 out=0\n")  # the half line of before is not completed by a later one
    assert (await next_of(counts)).entered == 5
    assert source.noise == 1
    await source.close()
