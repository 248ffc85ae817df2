"""Feed sockets over real TCP: frames, slow clients, ended sessions, goodbyes."""

import asyncio
import base64
import os
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from resort.errors import DatabaseUnavailable
from tests.unit.web_console.fakes import QUICK, FakeResort, pass_one
from web_console.window import ConsoleWindow

StaffMaker = Callable[[str], Awaitable[aiohttp.ClientSession]]
LIMIT_S = 20


@pytest.fixture
async def bearer(resort: FakeResort) -> dict[str, str]:
    signed_in = await resort.accounts.sign_in("vera", "right horse")
    return {"Authorization": f"Bearer {signed_in.token}"}


async def receive_kind(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(LIMIT_S):
        while (frame := await socket.receive_json())["type"] != kind:
            pass
    found: dict[str, Any] = frame
    return found


async def receive_close(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(LIMIT_S):
        async for _ in socket:
            pass
    return socket.close_code


async def clients(session: aiohttp.ClientSession) -> int:
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return int(float(next(line for line in lines if line.startswith("snowgate_console_clients")).split()[1]))


async def test_a_console_sees_snapshot_deltas_and_heartbeats(url: str, as_staff: StaffMaker, resort: FakeResort) -> None:
    vera = await as_staff("vera")
    async with vera.ws_connect("/api/feed", headers={"Origin": url}) as socket:
        first = await socket.receive_json(timeout=LIMIT_S)
        assert (first["type"], first["version"], len(first["lanes"])) == ("snapshot", 1, 3)
        await pass_one(resort.feed)
        delta = await receive_kind(socket, "delta")
        assert (delta["since"], delta["version"], delta["lanes"][0]["passages"]) == (1, 2, 1)
        assert (await receive_kind(socket, "heartbeat"))["version"] == 2


async def test_frames_are_text_and_not_compressed(client: aiohttp.ClientSession, bearer: dict[str, str]) -> None:
    async with client.ws_connect("/api/feed", headers=bearer, compress=15) as socket:
        assert socket.compress == 0
        assert (await socket.receive(timeout=LIMIT_S)).type is aiohttp.WSMsgType.TEXT


async def test_what_clients_say_is_ignored_but_not_without_limit(
    client: aiohttp.ClientSession, bearer: dict[str, str], resort: FakeResort
) -> None:
    async with client.ws_connect("/api/feed", headers=bearer) as socket:
        await socket.send_str("hello")
        await socket.send_bytes(b"\x00\xff")
        await socket.send_str('{"type": "subscribe"}')
        await receive_kind(socket, "snapshot")
        await pass_one(resort.feed)
        await receive_kind(socket, "delta")
        await socket.send_str("x" * 5000)
        assert await receive_close(socket) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_client_that_never_reads_delays_nobody_and_is_caught_up(
    url: str, client: aiohttp.ClientSession, bearer: dict[str, str], resort: FakeResort
) -> None:
    address = URL(url)
    reader, writer = await asyncio.open_connection(address.host, address.port, limit=2**16)
    key = base64.b64encode(os.urandom(16)).decode()
    head = ["GET /api/feed HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    head += [f"Sec-WebSocket-Key: {key}", f"Authorization: {bearer['Authorization']}", "", ""]
    writer.write("\r\n".join(head).encode())
    async with asyncio.timeout(LIMIT_S):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    async with client.ws_connect("/api/feed", headers=bearer) as quick:
        version = (await receive_kind(quick, "snapshot"))["version"]
        detail = "x" * 200_000  # fills the sockets' buffers in few frames
        while await _conflations(client) < 1:
            await pass_one(resort.feed, detail)
            delta = await receive_kind(quick, "delta")
            assert delta["since"] == version, "the quick client missed a frame"
            version = delta["version"]
        await pass_one(resort.feed, "small again")
        version = (await receive_kind(quick, "delta"))["version"]
        # The slow one wakes up: it reads what was under way, then the snapshot, and is level with the rest.
        async with asyncio.timeout(LIMIT_S):
            received = b""
            while f'"type":"snapshot","version":{version},'.encode() not in received:
                chunk = await reader.read(2**16)
                assert chunk, "the slow client was cut off"
                received = received[-200:] + chunk
    writer.close()
    await writer.wait_closed()


async def _conflations(session: aiohttp.ClientSession) -> float:
    async with session.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith("snowgate_console_conflations_total")).split()[1])


async def _health(session: aiohttp.ClientSession) -> int:
    async with session.get("/api/health") as answer:
        return answer.status


async def test_signing_out_closes_the_sockets_of_that_session_only(url: str, as_staff: StaffMaker) -> None:
    vera, cora = await as_staff("vera"), await as_staff("cora")
    origin = {"Origin": url}
    async with vera.ws_connect("/api/feed", headers=origin) as ending, cora.ws_connect("/api/feed", headers=origin) as staying:
        async with vera.delete("/api/session") as answer:
            assert answer.status == 204
        assert await receive_close(ending) == 4401
        await receive_kind(staying, "heartbeat")


async def test_signing_out_does_not_wait_for_the_next_look_at_sessions(resort: FakeResort) -> None:
    window = ConsoleWindow(timing=msgspec.structs.replace(QUICK, recheck_s=3600))
    signed_in = await resort.accounts.sign_in("vera", "right horse")
    headers = {"Authorization": f"Bearer {signed_in.token}"}
    url = await window.start(resort.opened())
    async with aiohttp.ClientSession(url, headers=headers) as session, session.ws_connect("/api/feed") as socket:
        async with session.delete("/api/session") as answer:
            assert answer.status == 204
        assert await receive_close(socket) == 4401
    await window.stop()


async def test_a_session_that_ended_elsewhere_is_noticed(
    client: aiohttp.ClientSession, bearer: dict[str, str], resort: FakeResort
) -> None:
    async with client.ws_connect("/api/feed", headers=bearer) as socket:
        await receive_kind(socket, "snapshot")
        resort.accounts.sessions.clear()
        assert await receive_close(socket) == 4401


async def test_accounts_being_away_does_not_blind_the_control_room(
    client: aiohttp.ClientSession, bearer: dict[str, str], resort: FakeResort
) -> None:
    async with client.ws_connect("/api/feed", headers=bearer) as socket:
        await receive_kind(socket, "snapshot")
        resort.accounts.fails_with = DatabaseUnavailable("The database", "away")
        for _ in range(20):  # heartbeats of 50 ms, sessions looked at each 50 ms
            await receive_kind(socket, "heartbeat")
        resort.accounts.fails_with = None
        resort.accounts.sessions.clear()
        assert await receive_close(socket) == 4401


async def test_an_outage_of_the_feed_keeps_the_socket_and_ends_with_a_snapshot(
    client: aiohttp.ClientSession, bearer: dict[str, str], resort: FakeResort
) -> None:
    async with client.ws_connect("/api/feed", headers=bearer) as socket:
        await receive_kind(socket, "snapshot")
        await resort.feed.go_away()
        while await _health(client) != 503:
            pass
        await pass_one(resort.feed)
        await resort.feed.come_back()
        assert (await receive_kind(socket, "snapshot"))["version"] == 2


async def test_closed_sockets_are_forgotten(client: aiohttp.ClientSession, bearer: dict[str, str]) -> None:
    async with client.ws_connect("/api/feed", headers=bearer) as socket:
        await receive_kind(socket, "snapshot")
        assert await clients(client) == 1
    async with asyncio.timeout(LIMIT_S):
        while await clients(client) != 0:
            pass


@pytest.mark.parametrize(
    "changes",
    [
        {"Sec-WebSocket-Version": "1"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": "schlüssel"},
        {"Sec-WebSocket-Key": ""},
        {"Upgrade": "h2c"},
        {"Upgrade": ""},
    ],
)
async def test_broken_handshakes(changes: dict[str, str], client: aiohttp.ClientSession, bearer: dict[str, str]) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        **bearer,
        **changes,
    }
    async with client.get("/api/feed", headers=headers) as answer:
        assert answer.status == (426 if "Upgrade" in changes else 400)
        assert answer.content_type == "application/problem+json"
    assert await clients(client) == 0


async def test_stopping_says_goodbye_to_every_client(resort: FakeResort) -> None:
    window = ConsoleWindow(timing=QUICK)
    address = await window.start(resort.opened())
    signed_in = await resort.accounts.sign_in("vera", "right horse")
    headers = {"Authorization": f"Bearer {signed_in.token}"}
    async with aiohttp.ClientSession(address, headers=headers) as session:
        sockets = [await session.ws_connect("/api/feed") for _ in range(3)]
        goodbyes = [asyncio.create_task(receive_close(socket)) for socket in sockets]
        async with asyncio.timeout(LIMIT_S):
            await window.stop()
            assert await asyncio.gather(*goodbyes) == [1001, 1001, 1001]


async def test_stopping_does_not_wait_for_a_client_that_never_reads(resort: FakeResort) -> None:
    window = ConsoleWindow(timing=QUICK)
    address = URL(await window.start(resort.opened()))
    signed_in = await resort.accounts.sign_in("vera", "right horse")
    reader, writer = await asyncio.open_connection(address.host, address.port)
    head = ["GET /api/feed HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    head += [f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}", f"Authorization: Bearer {signed_in.token}", "", ""]
    writer.write("\r\n".join(head).encode())
    async with asyncio.timeout(LIMIT_S):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        async with aiohttp.ClientSession(str(address)) as session:
            while await _conflations(session) < 1:
                await pass_one(resort.feed, "x" * 200_000)
        await window.stop()
        # Cut off, not served to the end: the goodbye of a well-behaved close is missing.
        with suppress(ConnectionError):
            assert not (await reader.read()).endswith(struct.pack(">BBH", 0x88, 2, 1001))
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
