"""Whatever bytes a client sends, before or after a WebSocket handshake: the console answers the next one as ever."""

import asyncio
import contextlib
import logging
import random

import aiohttp
import pytest
from yarl import URL

from benchmarks.fuzz_streams import spoil
from tests.unit.web_console.fakes import FakeResort

ROUNDS = 120
LIMIT_S = 20
HANDSHAKE = (
    "GET /api/feed HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
REQUEST = (
    "POST /api/session HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 41\r\n\r\n"
    '{{"name":"vera","password":"wrong horse ."}}'
)
# A text, a binary, a ping, a close with and without a reason, halves of a text; masked, as clients must.
FRAMES = [
    bytes((head, 0x80 | len(body))) + b"\0\0\0\0" + body
    for head, body in (
        (0x81, b'{"type":"subscribe"}'),
        (0x82, b"\x00\xff" * 20),
        (0x89, b"ping"),
        (0x88, b"\x03\xe8bye"),
        (0x88, b"\x03"),
        (0x01, b"half \xc3"),
        (0x80, b"\x28 half"),
        (0xF1, b"reserved bits"),
    )
]


async def send(url: URL, first: bytes, then: bytes, *, wait: bool) -> None:
    """One client: speaks, waits for the answer to the first part if there will be one, speaks again and goes."""
    reader, writer = await asyncio.open_connection(url.host, url.port)
    with contextlib.suppress(ConnectionError):
        writer.write(first)
        await writer.drain()
        if wait:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
        writer.write_eof()
        await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize("kind", ["requests", "socket messages"])
async def test_no_bytes_of_a_client_hurt_the_next_one(
    url: str, client: aiohttp.ClientSession, resort: FakeResort, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    dice = random.Random(kind)
    token = (await resort.accounts.sign_in("vera", "right horse")).token
    host = URL(url)
    handshake = HANDSHAKE.format(host=host.authority, token=token).encode()
    request = REQUEST.format(host=host.authority).encode()
    async with asyncio.timeout(120):
        for _ in range(ROUNDS):
            if kind == "requests":
                await send(host, spoil(dice, request), b"", wait=False)
            else:
                frames = b"".join(dice.choices(FRAMES, k=dice.randint(1, 4)))
                await send(host, handshake, spoil(dice, frames), wait=True)
        async with client.ws_connect("/api/feed", headers={"Authorization": f"Bearer {token}"}) as socket:
            assert (await socket.receive_json(timeout=LIMIT_S))["type"] == "snapshot"
        async with client.get("/api/health") as answer:
            assert answer.status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
