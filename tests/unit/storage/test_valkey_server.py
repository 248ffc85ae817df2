"""Our own Valkey: started, stopped, killed and found again with everything it was told."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.errors import Unavailable
from storage.redis_client import connect
from storage.valkey_server import ValkeyServer


async def test_a_killed_server_comes_back_with_its_data_but_fenced_first(short_folder: Path) -> None:
    spawned: list[int | None] = []

    async def fence(client: Redis) -> None:
        await client.delete("epoch")

    server = ValkeyServer(
        short_folder / "data", short_folder / "s.sock", on_spawn=lambda: spawned.append(server.pid), on_return=fence
    )
    await server.start()
    client = connect(server.url)
    try:
        await client.set("kept", "yes")
        await client.set("epoch", "1")
        await client.execute_command("WAITAOF", 1, 0, 5_000)
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(30):
            while True:
                await asyncio.sleep(0.02)
                found = await _values(client)
                if found is not None and server.pid != first:
                    break
    finally:
        await client.aclose()
        await server.stop()
    # Nobody ever saw the returned server with its epoch: the fence was up before the socket could be found.
    assert found == [b"yes", None]
    assert len(spawned) == 2
    assert server.pid is None
    assert not (short_folder / "s.sock").exists()


async def _values(client: Redis) -> list[bytes | None] | None:
    try:
        return await client.mget(["kept", "epoch"])  # type: ignore[no-any-return]
    except (RedisError, OSError):
        return None


async def test_a_server_that_cannot_start_says_why(short_folder: Path) -> None:
    data = short_folder / "data"
    (data / "appendonlydir").mkdir(parents=True)
    (data / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    server = ValkeyServer(data, short_folder / "s.sock")
    with pytest.raises(Unavailable, match="its log ends with"):
        await server.start()
    await server.stop()
    await server.stop()
