"""A bad line: whole it carries, cut it drops without hanging up, mended it delivers what waited, slow it is late."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from benchmarks.drills.ledger_proxy import LedgerProxy
from storage.redis_client import connect
from storage.valkey_server import ValkeyServer


@pytest.fixture
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ValkeyServer]:
    folder = tmp_path_factory.mktemp("v")
    server = ValkeyServer(folder / "data", folder / "s")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def line(valkey: ValkeyServer) -> AsyncIterator[LedgerProxy]:
    line = LedgerProxy(valkey.url.removeprefix("unix://"))
    await line.start()
    yield line
    await line.stop()


@pytest.fixture
async def client(line: LedgerProxy) -> AsyncIterator[Redis]:
    client = connect(line.url, timeout_s=0.3)
    yield client
    await client.aclose()


async def test_what_is_sent_over_a_cut_line_is_done_when_it_is_mended(
    line: LedgerProxy, client: Redis, valkey: ValkeyServer
) -> None:
    assert await client.set("a", "1")
    line.cut()
    with pytest.raises((RedisTimeoutError, RedisConnectionError)):
        await client.set("a", "late")
    direct = connect(valkey.url)
    try:
        assert await direct.get("a") == b"1"
        line.mend()
        async with asyncio.timeout(20):
            while await direct.get("a") != b"late":  # noqa: ASYNC110 - the server is another process
                await asyncio.sleep(0.005)
    finally:
        await direct.aclose()
    assert await client.get("a") == b"late"


async def test_a_slow_line_is_late_and_no_more(line: LedgerProxy, client: Redis) -> None:
    await client.ping()
    line.delay_s = 0.5
    with pytest.raises((RedisTimeoutError, RedisConnectionError)):
        await client.ping()
    line.delay_s = 0.0
    assert await client.ping()


async def test_a_line_to_nowhere_hangs_up(tmp_path: Path) -> None:
    line = LedgerProxy(str(tmp_path / "nobody"))
    await line.start()
    client = connect(line.url)
    try:
        with pytest.raises(RedisConnectionError):
            await client.ping()
    finally:
        await client.aclose()
        await line.stop()
