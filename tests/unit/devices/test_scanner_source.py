"""The scanner source on real sockets: lines in, sightings out, whatever the scanner does."""

import asyncio
import os
import select
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from devices.camera_source import CameraCodeSource
from devices.code_source import code_source
from devices.scanner_source import LINES_KEPT, ScannerCodeSource
from devices.tcp_line import parse_tcp
from resort.clock import SystemClock
from resort.errors import InvalidConfig
from resort.ports import Audible, CodeSource, Sighting
from resort.site import CameraSite, LaneLimits, ScannerLine, UidLine
from sim.scanner_server import ScannerServer

LANE = "lane"
LINE = ScannerLine(prefix="]Q3", terminator="CR")
WAIT_S = 30
FAR_MS = 1e9
ROOT = Path(__file__).parents[3]


@pytest_asyncio.fixture
async def scanner() -> AsyncIterator[ScannerServer]:
    server = ScannerServer({LANE: LINE})
    await server.start()
    yield server
    await server.stop()


def source_at(server: ScannerServer, repeat_ms: float = FAR_MS) -> ScannerCodeSource:
    return ScannerCodeSource(CameraSite(server.url(LANE), LINE), SystemClock(), repeat_ms)


async def next_of(sightings: AsyncIterator[Sighting]) -> Sighting:
    async with asyncio.timeout(WAIT_S):
        return await anext(sightings)


async def until_heard(server: ScannerServer, count: int = 1) -> None:
    async with asyncio.timeout(WAIT_S):
        await server.until_listeners(LANE, count)


class Seen:
    """The texts of all sightings so far."""

    def __init__(self) -> None:
        self.texts: list[str | None] = []
        self._more = asyncio.Event()

    async def collect(self, source: CodeSource) -> None:
        async for sighting in source.sightings():
            self.texts.append(sighting.text)
            self._more.set()

    async def until(self, *texts: str) -> None:
        """Wait for exactly these; any others fail the test at its end, if not here."""
        async with asyncio.timeout(WAIT_S):
            while len(self.texts) < len(texts):
                self._more.clear()
                await self._more.wait()
        assert self.texts == list(texts)


@asynccontextmanager
async def listening(server: ScannerServer, repeat_ms: float = FAR_MS) -> AsyncIterator[tuple[ScannerCodeSource, Seen]]:
    """A connected source whose sightings are collected as they come."""
    source, seen = source_at(server, repeat_ms), Seen()
    collecting = asyncio.create_task(seen.collect(source))
    await until_heard(server)
    yield source, seen
    await source.close()
    await collecting


async def test_codes_are_sighted_as_they_are_shown(scanner: ScannerServer) -> None:
    source: CodeSource = source_at(scanner)
    sightings = source.sightings()
    waiting = asyncio.create_task(next_of(sightings))
    await until_heard(scanner)
    assert scanner.present(LANE, "FIRST")
    first = await waiting
    scanner.present(LANE, " SECOND ")
    second = await next_of(sightings)
    assert [first.text, second.text] == ["FIRST", " SECOND "]
    assert second.frame_at.ms_since(first.frame_at) > 0
    assert first.read_at.ms_since(first.frame_at) >= 0
    await source.close()
    assert [sighting async for sighting in sightings] == []


async def test_a_scanner_that_is_connected_is_heard_though_it_says_nothing(scanner: ScannerServer) -> None:
    source = source_at(scanner)
    assert isinstance(source, Audible)
    assert source.last_heard is None
    waiting = asyncio.create_task(next_of(source.sightings()))
    await until_heard(scanner)
    scanner.present(LANE, "ANY")
    await waiting
    first, second = source.last_heard, source.last_heard
    assert first is not None
    assert second is not None
    assert second.tick_ns > first.tick_ns, "now, each time it is asked"
    await source.close()


async def test_a_code_that_is_repeated_is_told_once(scanner: ScannerServer) -> None:
    async with listening(scanner) as (source, seen):
        for text in ("A", "A", "A", "B", "A", "LAST"):
            scanner.present(LANE, text)
        await seen.until("A", "B", "LAST")
    assert source.received == 6


async def test_with_no_repeat_time_each_line_is_news(scanner: ScannerServer) -> None:
    async with listening(scanner, repeat_ms=0.0) as (_, seen):
        for _ in range(3):
            scanner.present(LANE, "A")
        await seen.until("A", "A", "A")


async def test_the_newest_lines_win_while_the_lane_is_busy(scanner: ScannerServer) -> None:
    source = source_at(scanner)
    sightings = source.sightings()
    waiting = asyncio.create_task(next_of(sightings))
    await until_heard(scanner)
    scanner.present(LANE, "TAKEN")
    await waiting
    scanner.send_raw(LANE, b"".join(b"]Q3CODE %d\r" % number for number in range(10)))  # all at once
    texts = [(await next_of(sightings)).text for _ in range(LINES_KEPT)]
    assert texts == [f"CODE {number}" for number in range(10 - LINES_KEPT, 10)]
    assert (source.received, source.dropped) == (11, 10 - LINES_KEPT)
    await source.close()


async def test_it_goes_on_after_the_scanner_was_away_and_drops_the_line_that_was_cut(scanner: ScannerServer) -> None:
    async with listening(scanner) as (source, seen):
        scanner.present(LANE, "BEFORE")
        await seen.until("BEFORE")
        scanner.send_raw(LANE, b"]Q3HALF")
        await scanner.stop()
        assert not scanner.present(LANE, "NOBODY HEARS THIS")
        await scanner.start()
        await until_heard(scanner)
        scanner.present(LANE, "AFTER")
        await seen.until("BEFORE", "AFTER")
        assert source.connected
    assert not source.connected


async def test_it_waits_for_a_scanner_that_is_switched_on_later() -> None:
    scanner = ScannerServer({LANE: LINE})
    await scanner.start()
    await scanner.stop()  # the port stays its own
    source = source_at(scanner)
    waiting = asyncio.create_task(next_of(source.sightings()))
    await asyncio.sleep(0)
    await scanner.start()
    await until_heard(scanner)
    scanner.present(LANE, "AT LAST")
    assert (await waiting).text == "AT LAST"
    await source.close()
    await scanner.stop()


async def test_garbage_is_survived(scanner: ScannerServer) -> None:
    async with listening(scanner) as (source, seen):
        scanner.send_raw(LANE, bytes(range(256)) * 40 + b"\r")
        scanner.present(LANE, "GOOD")
        await seen.until("GOOD")
    assert source.noise > 0


async def test_closing_ends_the_sightings_and_may_be_repeated(scanner: ScannerServer) -> None:
    source = source_at(scanner)
    waiting = asyncio.create_task(anext(source.sightings(), None))
    await until_heard(scanner)
    await source.close()
    assert await waiting is None
    await source.close()
    assert [sighting async for sighting in source.sightings()] == []
    await until_heard(scanner, 0)


@pytest.mark.parametrize(
    "url",
    ["tcp://", "tcp://host", "tcp://host:x", "tcp://host:70000", "tcp://a@host:1", "tcp://host:1/x", "tcp://..:1", "host:1"],
)
def test_what_is_no_scanner_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_tcp(url, "camera.url")
    assert url in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kind"), [("tcp://127.0.0.1:1", ScannerCodeSource), ("http://127.0.0.1:1/lane.mjpg", CameraCodeSource)]
)
async def test_the_url_says_what_kind_of_reader_it_is(url: str, kind: type) -> None:
    source = code_source(CameraSite(url), LaneLimits(), SystemClock())
    assert type(source) is kind
    await source.close()


def pty_line() -> tuple[int, str]:
    """The scanner's end of a serial line, and the path of ours."""
    scanner, ours = os.openpty()
    path = os.ttyname(ours)
    os.close(ours)
    return scanner, path


@asynccontextmanager
async def serial_scanner(site: CameraSite) -> AsyncIterator[tuple[int, CodeSource, "asyncio.Future[Sighting]"]]:
    """The far end of a line that a source has open (`{}` in the site's address), the source, and its first sighting."""
    scanner, path = pty_line()
    source = code_source(msgspec.structs.replace(site, url=site.url.format(path)), LaneLimits(), SystemClock())
    try:
        async with asyncio.timeout(WAIT_S):
            waiting = asyncio.ensure_future(anext(source.sightings()))
            await asyncio.to_thread(until_raw, scanner)
            yield scanner, source, waiting
    finally:
        await source.close()
        os.close(scanner)


async def test_a_scanner_on_a_serial_line_is_read() -> None:
    site = CameraSite("serial://{}?baud=115200", ScannerLine(prefix="]Q3", terminator="CR"))
    async with serial_scanner(site) as (scanner, source, first):
        os.write(scanner, b"noise\r]Q3 W50\x03H \r")
        assert (await first).text == " W50\x03H "
    assert [sighting async for sighting in source.sightings()] == []


def until_raw(scanner: int) -> None:
    """Wait until the other end has taken the line's echo and line editing away."""
    while termios.tcgetattr(scanner)[3] & termios.ICANON:
        select.select([], [], [], 0.005)


async def test_a_serial_line_that_ends_is_opened_again_and_one_that_is_none_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no serial line")
    scanner, path = pty_line()
    ours = tmp_path / "line"
    ours.symlink_to(path)
    source = ScannerCodeSource(CameraSite(f"serial://{ours}"), SystemClock(), 2_500)
    told = source.sightings()
    try:
        async with asyncio.timeout(WAIT_S):
            waiting = asyncio.ensure_future(anext(told))
            await asyncio.to_thread(until_raw, scanner)
            os.write(scanner, b"A\n")
            assert (await waiting).text == "A"
            ours.unlink()
            ours.symlink_to(tmp_path / "file")
            waiting = asyncio.ensure_future(anext(told))
            os.close(scanner)
            scanner, path = pty_line()
            ours.unlink()
            ours.symlink_to(path)
            await asyncio.to_thread(until_raw, scanner)
            os.write(scanner, b"B\n")
            assert (await waiting).text == "B"
    finally:
        await source.close()
        os.close(scanner)


async def test_cards_are_told_as_their_uids_and_other_lines_are_noise() -> None:
    async with serial_scanner(CameraSite("serial://{}", uid=UidLine(reversed=True))) as (scanner, source, first):
        os.write(scanner, b"NO CARD\r\n80:E6:D5:C4:B3:A2:04\r\n")
        assert (await first).text == "nfc:04a2b3c4d5e680"
    assert isinstance(source, ScannerCodeSource)
    assert (source.noise, source.received) == (1, 1)


@pytest.mark.parametrize(
    "url", ["serial:ttyS0", "serial://host/dev/ttyS0", "serial:///dev/ttyS0?baud=9601", "serial:///dev/x?b=1"]
)
def test_what_is_no_serial_line_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match=r"camera\.url"):
        code_source(CameraSite(url), LaneLimits(), SystemClock())


@pytest.mark.parametrize("url", ["rtsp://127.0.0.1/stream", "simulated", "", "ftp://x/y.jpg"])
def test_an_address_of_no_family_is_refused(url: str) -> None:
    with pytest.raises(InvalidConfig, match=r"camera\.url"):
        code_source(CameraSite(url), LaneLimits(), SystemClock())


def test_a_lane_with_a_scanner_loads_no_decoder() -> None:
    program = (
        "import sys\n"
        "from devices.code_source import code_source\n"
        "from resort.clock import SystemClock\n"
        "from resort.site import CameraSite, LaneLimits\n"
        "code_source(CameraSite('serial:///dev/ttyS0'), LaneLimits(), SystemClock())\n"
        "code_source(CameraSite('tcp://127.0.0.1:1'), LaneLimits(), SystemClock())\n"
        "print(sorted({'numpy', 'PIL', 'zxingcpp', 'pyzbar', 'aiohttp'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
