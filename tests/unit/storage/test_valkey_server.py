"""Our own Valkey: started, stopped, killed and found again with everything it was told."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from redis.exceptions import RedisError

from resort.errors import Unavailable
from storage.redis_ledger import connect
from storage.valkey_server import ValkeyServer


async def test_a_killed_server_comes_back_with_its_data(short_folder: Path) -> None:
    server = ValkeyServer(short_folder / "data", short_folder / "s.sock")
    await server.start()
    client = connect(server.url)
    try:
        await client.set("kept", "yes")
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(30):
            while True:
                try:
                    if server.pid not in (first, None) and await client.get("kept") == b"yes":
                        break
                except (RedisError, OSError):
                    pass
                await asyncio.sleep(0.02)
    finally:
        await client.aclose()
        await server.stop()
    assert server.pid is None
    assert not (short_folder / "s.sock").exists()


async def test_a_server_that_cannot_start_says_why(short_folder: Path) -> None:
    data = short_folder / "data"
    (data / "appendonlydir").mkdir(parents=True)
    (data / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    server = ValkeyServer(data, short_folder / "s.sock")
    with pytest.raises(Unavailable, match="its log ends with"):
        await server.start()
    await server.stop()
    await server.stop()
