"""Simulated scanners: what goes over the wire, to whom, and what is lost."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from resort.errors import NotFound, Unavailable
from resort.site import ScannerLine
from sim.scanner_server import UNSENT_BYTES, ScannerServer
from sim.scene import Scene

WAIT_S = 30


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ScannerServer]:
    server = ScannerServer({"a": ScannerLine(), "b": ScannerLine("]Q3", "#", "CR")})
    await server.start()
    yield server
    await server.stop()


class Client:
    """Somebody connected to a scanner."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    @classmethod
    async def at(cls, server: ScannerServer, lane_id: str) -> "Client":
        port = urlsplit(server.url(lane_id)).port
        before = server.listeners(lane_id)
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        async with asyncio.timeout(WAIT_S):
            await server.until_listeners(lane_id, before + 1)
        return client

    async def read(self, count: int) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self.reader.readexactly(count)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def test_each_lane_has_a_line_of_its_own(server: ScannerServer) -> None:
    a, b = await Client.at(server, "a"), await Client.at(server, "b")
    assert server.present("a", "CODE")
    assert server.present("b", "CODE")
    assert (await a.read(6), await b.read(9)) == (b"CODE\r\n", b"]Q3CODE#\r")
    await a.close()
    await b.close()


async def test_everybody_who_is_connected_gets_the_line(server: ScannerServer) -> None:
    clients = [await Client.at(server, "a") for _ in range(3)]
    server.present("a", "X")
    assert [await client.read(3) for client in clients] == [b"X\r\n"] * 3
    for client in clients:
        await client.close()


async def test_a_line_that_nobody_hears_is_lost(server: ScannerServer) -> None:
    assert not server.present("a", "LOST")
    client = await Client.at(server, "a")
    assert server.present("a", "HEARD")
    assert await client.read(7) == b"HEARD\r\n"
    await client.close()
    async with asyncio.timeout(WAIT_S):
        await server.until_listeners("a", 0)
    assert not server.present("a", "LOST")


async def test_guests_may_hold_things_up_as_before_a_camera(server: ScannerServer) -> None:
    client = await Client.at(server, "a")
    server.show("a", Scene(None, 1))  # cannot be read: a scanner says nothing
    server.show("a", Scene("CODE", 2))
    server.show("a", None)
    assert await client.read(6) == b"CODE\r\n"
    await client.close()


async def test_who_fetches_nothing_gets_no_more_after_a_while(server: ScannerServer) -> None:
    client = await Client.at(server, "a")
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]  # a lane that hangs
    line = "X" * 1_000
    most = 50_000  # lines; what the kernel keeps for both ends is a few megabytes
    sent = next(number for number in range(most) if not server.present("a", line))
    assert sent * 1_000 > UNSENT_BYTES
    await client.close()


async def test_it_stops_and_starts_on_the_same_port(server: ScannerServer) -> None:
    url, client = server.url("a"), await Client.at(server, "a")
    await server.stop()
    await server.stop()
    async with asyncio.timeout(WAIT_S):
        assert await client.reader.read() == b""
    await client.close()
    await server.start()
    assert server.url("a") == url


async def test_a_port_that_somebody_took_is_told(server: ScannerServer) -> None:
    await server.stop()
    port = urlsplit(server.url("b")).port
    thief = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    with pytest.raises(Unavailable, match="in use"):
        await server.start()
    assert not server.present("a", "NOTHING LISTENS NOW")
    thief.close()
    await thief.wait_closed()


async def test_a_lane_without_a_scanner_is_not_found(server: ScannerServer) -> None:
    for call in (server.url, server.listeners, lambda lane_id: server.present(lane_id, "X")):
        with pytest.raises(NotFound, match="scanner"):
            call("c")
