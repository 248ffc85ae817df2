"""The simulated controllers on the wire, asked by a raw client and by pymodbus' own: bytes, exceptions, live values, end."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psutil
import pytest
from pymodbus.client import AsyncModbusTcpClient

from devices.profile import load_profile
from resort.clock import ManualClock, SystemClock
from resort.errors import Unavailable
from sim.turnstile import SimTurnstile
from sim.turnstile_server import Manner, Silence, TurnstileServer

PROFILE = load_profile("pulse_coil")


class RawClient:
    """Sends whole frames and reads whole frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, body: bytes, unit: int = 1, transaction: int = 0x1234) -> bytes:
        """The answer's body, after a look at its header."""
        self.writer.write(framed(body, unit, transaction))
        head = await self.read(7)
        answered, protocol, length, answered_unit = struct.unpack(">HHHB", head)
        assert (answered, protocol, answered_unit) == (transaction, 0, unit)
        return await self.read(length - 1)

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readexactly(count)

    async def at_end(self) -> bool:
        async with asyncio.timeout(10):
            return await self.reader.read() == b""


def framed(body: bytes, unit: int = 1, transaction: int = 0x1234) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


@pytest.fixture
def steel() -> SimTurnstile:
    return SimTurnstile(4_000, ManualClock(datetime(2027, 1, 2, 9, 0, tzinfo=UTC)))


@pytest.fixture
async def server(steel: SimTurnstile) -> AsyncIterator[TurnstileServer]:
    server = TurnstileServer({1: steel, 0: SimTurnstile(4_000, SystemClock())}, PROFILE)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(server: TurnstileServer) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield RawClient(reader, writer)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("01 0000 0002", "01 01 00"),
        ("02 0000 0004", "02 01 04"),
        ("03 0000 0002", "03 04 0000 0000"),
        ("04 0000 0007", "04 0e 0105 0004 0000 0000 0000 0000 0003"),
        ("05 0000 ff00", "05 0000 ff00"),  # the echo says what was written, though the coil has reset itself
        ("05 0000 0000", "05 0000 0000"),
        ("06 0001 0002", "06 0001 0002"),
        ("0f 0000 0002 01 03", "0f 0000 0002"),
        ("10 0000 0002 04 0001 0001", "10 0000 0002"),
        # Exceptions under the function's own number.
        ("04 0007 0001", "84 02"),
        ("04 ffff 0002", "84 02"),
        ("01 0002 0001", "81 02"),
        ("06 0002 0000", "86 02"),
        ("06 0001 0009", "86 03"),
        ("05 0000 1234", "85 03"),
        ("04 0000 0000", "84 03"),
        ("04 0000 007e", "84 03"),
        ("01 0000 07d1", "81 03"),
        ("04 0000", "84 03"),
        ("05 0000 ff00 00", "85 03"),
        ("0f 0000 0002 02 03 00", "8f 03"),
        ("0f 0000 0000 00", "8f 03"),
        ("0f 0000", "8f 03"),
        ("10 0000 0002 04 0001", "90 03"),
        ("10 0000 0001 04 0001 0001", "90 03"),
        ("07", "87 01"),
        ("16 0000 ffff 0000", "96 01"),
        ("17 0000 0001 0000 0001 02 0000", "97 01"),
        ("2b 0e 01 00", "ab 01"),
        ("63", "e3 01"),
    ],
)
async def test_bytes_on_the_wire(client: RawClient, steel: SimTurnstile, body: str, answer: str) -> None:
    steel.tamper, steel.waiting = True, 3
    assert (await client.ask(bytes.fromhex(body))).hex() == answer.replace(" ", "")


async def test_an_unknown_unit_is_answered_as_by_a_gateway(client: RawClient) -> None:
    assert await client.ask(b"\x04\0\0\0\x01", unit=7) == b"\x84\x0b"
    assert await client.ask(b"\x04\0\0\0\x01", unit=255) == b"\x84\x0b"


async def test_unit_zero_is_a_unit_like_any_other(client: RawClient, server: TurnstileServer, steel: SimTurnstile) -> None:
    await client.ask(b"\x05\0\0\xff\0", unit=0)
    assert (server.turnstiles[0].pulses, steel.pulses) == (1, 0)


async def test_requests_that_arrive_together_are_all_answered_in_order(client: RawClient) -> None:
    client.writer.write(b"".join(framed(b"\x04\0\0\0\x07", transaction=number) for number in range(40)))
    for number in range(40):
        answer = await client.read(23)
        assert answer[:2] == struct.pack(">H", number)


async def test_requests_may_arrive_in_pieces(client: RawClient) -> None:
    for byte in framed(b"\x04\0\0\0\x01") + framed(b"\x04\0\0\0\x01"):
        client.writer.write(bytes([byte]))
        await client.writer.drain()
    assert len(await client.read(22)) == 22


@pytest.mark.parametrize("nonsense", [b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\0\1\1", b"\0\1\0\0\x01\x00\1\4", b"\xff" * 1000])
async def test_what_is_not_modbus_costs_the_connection(client: RawClient, server: TurnstileServer, nonsense: bytes) -> None:
    client.writer.write(nonsense)
    assert await client.at_end()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert await RawClient(reader, writer).ask(b"\x04\0\0\0\x01")
    writer.close()
    await writer.wait_closed()


async def test_a_frame_before_the_nonsense_is_still_answered(client: RawClient) -> None:
    client.writer.write(framed(b"\x04\0\0\0\x01") + b"\xff" * 8)
    assert len(await client.read(11)) == 11
    assert await client.at_end()


async def test_values_are_those_of_the_moment(client: RawClient, steel: SimTurnstile) -> None:
    for count in range(3):
        assert await client.ask(b"\x04\0\x02\0\x02") == struct.pack(">BBI", 4, 4, count)
        steel.force_in()


async def test_a_pulse_unlocks_the_steel_and_its_listeners_hear_of_it(client: RawClient, steel: SimTurnstile) -> None:
    signals = steel.subscribe()
    await client.ask(b"\x05\0\0\xff\0")
    await client.ask(b"\x06\0\x01\0\x01")
    assert [signals.get_nowait(), signals.get_nowait()] == ["unlocked", "go"]
    assert steel.push_in()


async def test_the_lock_is_announced_when_the_window_ends_though_nobody_asks() -> None:
    steel = SimTurnstile(100, SystemClock())
    server = TurnstileServer({1: steel}, PROFILE)
    await server.start()
    signals = steel.subscribe()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await RawClient(reader, writer).ask(b"\x05\0\0\xff\0")
    async with asyncio.timeout(10):
        assert [await signals.get(), await signals.get()] == ["unlocked", "relocked"]
    writer.close()
    await writer.wait_closed()
    await server.stop()


async def test_pymodbus_own_client_understands_every_answer(server: TurnstileServer, steel: SimTurnstile) -> None:
    async with AsyncModbusTcpClient("127.0.0.1", port=server.port, retries=0) as foreign:
        assert not (await foreign.write_coil(0, True, device_id=1)).isError()
        assert not (await foreign.write_coils(0, [True, False], device_id=1)).isError()
        assert not (await foreign.write_register(1, 1, device_id=1)).isError()
        assert not (await foreign.write_registers(0, [0, 2], device_id=1)).isError()
        assert list((await foreign.read_coils(0, count=2, device_id=1)).bits[:2]) == [False, False]
        assert list((await foreign.read_discrete_inputs(0, count=4, device_id=1)).bits[:4]) == [True, False, False, False]
        assert list((await foreign.read_holding_registers(0, count=2, device_id=1)).registers) == [0, 2]
        assert list((await foreign.read_input_registers(1, count=1, device_id=1)).registers) == [1]
        assert (await foreign.read_input_registers(9, device_id=1)).exception_code == 2
    assert steel.pulses == 2


async def test_stopping_hangs_up_frees_the_port_and_may_be_repeated(steel: SimTurnstile) -> None:
    server = TurnstileServer({1: steel}, PROFILE)
    await server.start()
    port = server.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = RawClient(reader, writer)
    await client.ask(b"\x05\0\0\xff\0")
    assert server.connections == 1
    await server.stop()
    assert not [held for held in psutil.Process().net_connections("tcp") if held.laddr.port == port]
    await server.stop()
    assert server.connections == 0
    assert await client.at_end()
    writer.close()
    await writer.wait_closed()
    assert len(asyncio.all_tasks()) == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await server.start()  # at the same port, with the same steel
    assert (server.port, steel.pulses) == (port, 1)
    await server.stop()


async def test_stopping_does_not_wait_for_a_client_that_never_reads(steel: SimTurnstile) -> None:
    server = TurnstileServer({1: steel}, PROFILE)
    await server.start()
    signals = steel.subscribe()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", server.port))
        requests = framed(b"\x04\0\0\0\x07") * 5_000
        for _ in range(42):  # 5 MB of answers: more than the kernel keeps for a sender
            await loop.sock_sendall(deaf, requests)
        await loop.sock_sendall(deaf, framed(b"\x06\0\x01\0\x01"))
        async with asyncio.timeout(60):
            assert await signals.get() == "go"  # by now it has answered everything, to nobody
            await server.stop()


async def test_a_client_that_comes_while_the_server_stops_is_hung_up_on(steel: SimTurnstile) -> None:
    loop = asyncio.get_running_loop()
    for turns in range(6):  # of the event loop, between the client's coming and the server's end
        server = TurnstileServer({1: steel}, PROFILE)
        await server.start()
        with socket.create_connection(("127.0.0.1", server.port)) as late:
            late.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await server.stop()
            own = [held for held in psutil.Process().net_connections("tcp") if held.laddr.port == server.port]
            assert not own
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionResetError):
                    assert await loop.sock_recv(late, 1) == b""


async def test_a_taken_port_is_told(server: TurnstileServer) -> None:
    second = TurnstileServer({}, PROFILE, port=server.port)
    with pytest.raises(Unavailable, match=str(server.port)):
        await second.start()
    await second.stop()


PULSE, STATUS = bytes.fromhex("05 0000 ff00"), bytes.fromhex("04 0000 0001")


@pytest.mark.parametrize(("silence", "pulses"), [("deaf", 0), ("mute", 1)])
async def test_a_silent_unit_answers_nothing_on_a_connection_that_stays_open(
    server: TurnstileServer, client: RawClient, steel: SimTurnstile, silence: Silence, pulses: int
) -> None:
    server.silent[1] = silence
    client.writer.write(framed(PULSE, transaction=1))
    assert await client.ask(STATUS, unit=0, transaction=2) == bytes.fromhex(
        "04 02 0105"
    )  # the neighbour is the first to answer
    assert steel.pulses == pulses
    del server.silent[1]
    assert await client.ask(STATUS, transaction=3) == bytes.fromhex("04 02 0105")  # and what it missed never comes
    assert steel.pulses == pulses


@pytest.mark.parametrize(
    ("manner", "seen"),
    [
        ("half", "1234 0000 0006"),
        ("renumbered", "4734 0000 0006 01 05 0000 ff00"),
    ],
)
async def test_a_unit_answers_badly_after_it_has_obeyed(
    server: TurnstileServer, client: RawClient, steel: SimTurnstile, manner: Manner, seen: str
) -> None:
    server.manners[1] = manner
    client.writer.write(framed(PULSE))
    wanted = bytes.fromhex(seen)
    assert await client.read(len(wanted)) == wanted
    assert steel.pulses == 1
    server.manners.clear()
    assert await client.ask(STATUS, transaction=2) == bytes.fromhex("04 02 0105")


async def test_a_slow_unit_answers_after_its_neighbour_and_in_order(
    server: TurnstileServer, client: RawClient, steel: SimTurnstile
) -> None:
    server.manners[1], server.slow.seconds = "slow", 0.2
    client.writer.write(framed(PULSE, transaction=1) + framed(STATUS, transaction=2))
    assert await client.ask(STATUS, unit=0, transaction=3) == bytes.fromhex("04 02 0105")
    assert steel.pulses == 1
    assert await client.read(12) == framed(PULSE, transaction=1)
    assert await client.read(11) == framed(bytes.fromhex("04 02 0105"), transaction=2)


async def test_a_slow_unit_has_nothing_to_say_to_who_is_gone(server: TurnstileServer, client: RawClient) -> None:
    server.manners[1], server.slow.seconds = "slow", 0.01
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(framed(PULSE) + framed(STATUS, unit=0))
    await reader.readexactly(11)
    writer.close()
    await writer.wait_closed()
    server.slow.seconds = 0.05
    assert await client.ask(STATUS) == bytes.fromhex("04 02 0105")
