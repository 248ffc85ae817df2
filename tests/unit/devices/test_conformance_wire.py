"""The checks that hold the line must be able to fail: drivers that make the mistakes which ours does not."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import msgspec
import pytest

from devices.conformance_bench import Bench, Limits
from devices.conformance_line import TappedLine
from devices.conformance_wire import late_reply, reconnect, write_echo
from devices.modbus_bus import BusRegistry
from devices.modbus_frames import frame
from devices.profile import TurnstileProfile, load_profile
from devices.turnstile import StatusPlan, open_turnstile
from resort.clock import SystemClock
from resort.errors import TurnstileUnreachable
from resort.ports import ArmWay, Turnstile, TurnstileStatus
from resort.site import TurnstileSite
from sim.rtu_server import RtuTcpServer
from sim.turnstile import SimTurnstile
from sim.turnstile_server import TurnstileServer

BUNDLED = load_profile("pulse_coil")
PROFILE = msgspec.structs.replace(
    BUNDLED, timings=msgspec.structs.replace(BUNDLED.timings, open_window_ms=1_000, timeout_ms=1_000)
)
LIMITS = Limits(pause_ms=5, serve_within_ms=10_000)


class Gullible:
    """Takes whatever comes next for the answer to what it asked last; after a silence it goes on with the same connection."""

    def __init__(self, address: str, profile: TurnstileProfile) -> None:
        self._place = urlsplit(address)
        self._plan = StatusPlan(profile)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def status(self) -> TurnstileStatus:
        (block,) = self._plan.blocks
        body = await self._ask(bytes((4,)) + block.address.to_bytes(2) + block.count.to_bytes(2))
        return self._plan.status([[int.from_bytes(body[at : at + 2]) for at in range(2, len(body), 2)]])

    async def pulse_entry(self) -> None:
        await self._ask(bytes.fromhex("05 0000 FF00"))

    async def turn(self, way: ArmWay) -> None:
        return

    async def show(self, indicator: str) -> None:
        return

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()

    async def _ask(self, body: bytes) -> bytes:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        self._writer.write(frame(1, 1, body))
        try:
            async with asyncio.timeout(0.5):
                head = await self._reader.readexactly(6)
                return (await self._reader.readexactly(int.from_bytes(head[4:])))[1:]
        except TimeoutError:
            raise TurnstileUnreachable("Turnstile", "no answer") from None


class Insistent:
    """Gives an order once more when nobody confirmed it."""

    def __init__(self, driver: Turnstile) -> None:
        self._driver = driver

    async def status(self) -> TurnstileStatus:
        return await self._driver.status()

    async def pulse_entry(self) -> None:
        try:
            await self._driver.pulse_entry()
        except TurnstileUnreachable as error:
            await self._again()
            raise error

    async def turn(self, way: ArmWay) -> None:
        await self._driver.turn(way)

    async def show(self, indicator: str) -> None:
        await self._driver.show(indicator)

    async def close(self) -> None:
        await self._driver.close()

    async def _again(self) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    await self._driver.pulse_entry()
                    return
                except TurnstileUnreachable:
                    await asyncio.sleep(0.005)


@pytest.fixture
def steel() -> SimTurnstile:
    return SimTurnstile(PROFILE.timings.open_window_ms, SystemClock())


@pytest.fixture
async def tap(steel: SimTurnstile) -> AsyncIterator[TappedLine]:
    server = TurnstileServer({1: steel}, PROFILE)
    await server.start()
    tap = TappedLine(f"tcp://127.0.0.1:{server.port}")
    await tap.start()
    yield tap
    await tap.stop()
    await server.stop()


async def bench_of(tap: TappedLine, limits: Limits = LIMITS) -> Bench:
    site = TurnstileSite(tap.address, 1)
    turnstile = await open_turnstile(BusRegistry(), site, PROFILE)
    return Bench(site, PROFILE, limits, SystemClock(), turnstile)


async def test_our_driver_passes_all_of_them(tap: TappedLine, steel: SimTurnstile) -> None:
    bench = await bench_of(tap)
    found = [*await write_echo(bench, tap), *await reconnect(bench, tap), *await late_reply(bench, tap)]
    assert [finding.verdict for finding in found] == ["pass"] * 3, found
    assert steel.pulses == 2  # one for each of the last two
    await bench.turnstile.close()


async def test_on_rtu_all_of_them_pass_that_can_be_told(steel: SimTurnstile) -> None:
    server = RtuTcpServer({1: steel}, PROFILE)
    await server.start()
    tap = TappedLine(server.address)
    await tap.start()
    bench = await bench_of(tap)
    await bench.turnstile.status()
    found = [*await write_echo(bench, tap), *await reconnect(bench, tap), *await late_reply(bench, tap)]
    assert [finding.verdict for finding in found] == ["pass", "pass", "skipped"], found
    assert steel.pulses == 1
    await bench.turnstile.close()
    await tap.stop()
    await server.stop()


async def test_a_driver_that_takes_late_answers_fails(tap: TappedLine) -> None:
    bench = await bench_of(tap)
    await bench.turnstile.close()
    bench.turnstile = Gullible(tap.address, PROFILE)
    (found,) = await late_reply(bench, tap)
    assert (found.verdict, found.reason) == ("fail", "a late answer (locked) was taken for the new one (unlocked)")
    await bench.turnstile.close()


async def test_a_driver_that_repeats_a_pulse_fails(tap: TappedLine, steel: SimTurnstile) -> None:
    bench = await bench_of(tap)
    bench.turnstile = Insistent(bench.turnstile)
    (found,) = await reconnect(bench, tap)
    assert (found.verdict, found.reason) == ("fail", "1 more than the one order that was given went over the line")
    assert steel.pulses == 2
    await bench.turnstile.close()


async def test_being_served_too_late_fails(tap: TappedLine) -> None:
    bench = await bench_of(tap, msgspec.structs.replace(LIMITS, serve_within_ms=0.0))
    (found,) = await reconnect(bench, tap)
    assert found.verdict == "fail"
    assert "not served again" in found.reason or "the bar is 0 ms" in found.reason
    await bench.turnstile.close()


@pytest.mark.parametrize(
    ("scheme", "asked", "answer", "good"),
    [
        ("tcp", "0001 0000 0006 01 05 0000 FF00", "0001 0000 0006 01 05 0000 FF00", True),
        ("tcp", "0001 0000 0006 01 05 0000 FF00", "0001 0000 0006 01 05 0000 0000", False),
        ("tcp", "0001 0000 0006 01 05 0000 FF00", "0002 0000 0006 01 05 0000 FF00", False),
        ("tcp", "0001 0000 0006 01 05 0000 FF00", "0001 0000 0006 02 05 0000 FF00", False),
        ("tcp", "0001 0000 000B 01 10 0000 0002 04 0001 0007", "0001 0000 0006 01 10 0000 0002", True),
        ("tcp", "0001 0000 000B 01 10 0000 0002 04 0001 0007", "0001 0000 0006 01 10 0000 0001", False),
        ("rtu+tcp", "01 06 0001 0002 590B", "01 06 0001 0002 590B", True),
        ("rtu+tcp", "01 06 0001 0002 590B", "01 06 0001 0001 190A", False),
    ],
)
def test_an_echo_is_judged_to_the_last_byte(scheme: str, asked: str, answer: str, good: bool) -> None:
    tap = TappedLine(f"{scheme}://127.0.0.1:502")
    tap.requests.append(bytes.fromhex(asked))
    tap.answers.append(bytes.fromhex(answer))
    assert (not tap.echo_problem()) is good
    tap.answers.append(bytes.fromhex(answer))
    assert tap.echo_problem() == "1 requests got 2 answers"


async def test_rtu_messages_are_cut_where_they_end() -> None:
    """Pieces of any size, as a gateway sends them."""
    asked = [bytes.fromhex(text) for text in ("010400000007B1C8", "01060001000259CB", "011000000002040001000782AD")]
    answered = [bytes.fromhex(text) for text in ("01040400010002ABCD", "0106000100025911", "018602C3A1")]

    async def controller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request, answer in zip(asked, answered, strict=True):
            assert await reader.readexactly(len(request)) == request
            for at in range(len(answer)):
                writer.write(answer[at : at + 1])
                await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(controller, "127.0.0.1", 0)
    tap = TappedLine(f"rtu+tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await tap.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(tap.address.rpartition(":")[2]))
    for request, answer in zip(asked, answered, strict=True):
        writer.write(request)
        assert await reader.readexactly(len(answer)) == answer
    assert (tap.requests, tap.answers, tap.writes) == (asked, answered, 2)
    writer.close()
    await writer.wait_closed()
    await tap.stop()
    server.close()
    await server.wait_closed()
