"""A task that talks to Redis ends when it is cancelled, whenever that happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import TimeoutError as SilenceError

from storage.redis_client import connect

TURNS = 40  # of the event loop: enough to get a command of a connected client out and into its wait for the answer


@pytest.fixture
async def silent_url(short_folder: Path) -> AsyncIterator[str]:
    """A server that answers sign-ins and PING, nothing else, and stops reading at SET."""
    talks: list[asyncio.StreamWriter] = []
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(writer)
        while line := await reader.readline():
            if line.strip().upper() == b"PING":
                writer.write(b"+PONG\r\n")
            elif line.strip().upper() in (b"SETINFO", b"HELLO"):
                writer.write(b"+OK\r\n")
            elif line.strip().upper() == b"SET":
                await over.wait()
                return

    path = short_folder / "silent.sock"
    server = await asyncio.start_unix_server(talk, path)
    yield f"unix://{path}?protocol=2"
    over.set()
    server.close()
    for writer in talks:
        writer.close()
    await server.wait_closed()
    await asyncio.sleep(0)


async def _cancelled_after(client: Redis, turns: int) -> bool:
    """Whether a command that is cancelled after so many turns of the loop ends as cancelled."""
    await client.ping()
    task = asyncio.create_task(client.get("x"))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    except SilenceError:
        return False
    raise AssertionError("a silent server was understood")


async def test_a_command_is_cancelled_at_every_turn(silent_url: str) -> None:
    client = connect(silent_url, timeout_s=0.3)
    assert [turns for turns in range(TURNS) if not await _cancelled_after(client, turns)] == []
    await client.aclose()


async def test_the_library_alone_forgets_a_cancellation(silent_url: str) -> None:
    """The control: once redis-py does not, `storage/redis_client.py` can go."""
    client = Redis.from_url(silent_url, socket_timeout=0.3)
    assert [turns for turns in range(TURNS) if not await _cancelled_after(client, turns)]
    await client.aclose()


async def test_a_server_that_takes_nothing_is_given_up(silent_url: str) -> None:
    client = connect(silent_url, timeout_s=0.2)
    await client.ping()
    with pytest.raises(SilenceError, match="writing"):
        await client.set("x", bytes(64 << 20))
    await client.aclose()
