"""The bare wire on a real Valkey: answers in order, one failure for each request that fails, and connecting again."""

import asyncio
from collections.abc import AsyncIterator

import hiredis
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from storage.redis_client import connect
from storage.redis_wire import Failure, RedisWire

PATIENCE_S = 20.0
PING = hiredis.pack_command(("PING",))
WRONG = hiredis.pack_command(("NONSENSE",))


class Ends:
    """What the wire told, in order."""

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.client = connect(url, timeout_s)
        self.told: asyncio.Queue[list[object] | Failure] = asyncio.Queue()
        self.wire = RedisWire(self.client, self.told.put_nowait, self.told.put_nowait)

    async def next(self) -> list[object] | Failure:
        async with asyncio.timeout(PATIENCE_S):
            return await self.told.get()

    async def close(self) -> None:
        await self.wire.close()
        await self.client.aclose()


@pytest_asyncio.fixture
async def ends(redis: Redis, valkey_url: str) -> AsyncIterator[Ends]:
    ends = Ends(valkey_url)
    await ends.wire.connect()
    yield ends
    await ends.close()


async def test_every_command_has_its_answer_and_a_refusal_is_one(ends: Ends) -> None:
    ends.wire.send(PING + WRONG + PING, 3)
    answers = await ends.next()
    assert isinstance(answers, list)
    assert [answers[0], answers[2]] == ["PONG", "PONG"] or [answers[0], answers[2]] == [b"PONG", b"PONG"]
    assert isinstance(answers[1], ResponseError)
    assert ends.wire.ready


async def test_a_large_answer_comes_whole(ends: Ends, redis: Redis) -> None:
    await redis.set("large", b"x" * 3_000_000)
    ends.wire.send(hiredis.pack_command(("GET", "large")), 1)  # type: ignore[arg-type]
    assert await ends.next() == [b"x" * 3_000_000]


async def test_a_request_whose_connection_is_cut_fails_once_and_the_wire_connects_again(ends: Ends, redis: Redis) -> None:
    assert await redis.client_pause(300)
    ends.wire.send(PING, 1)
    ends.wire.drop()
    assert isinstance(await ends.next(), RedisError)
    assert not ends.wire.ready
    await redis.client_unpause()
    await _connected(ends)
    ends.wire.send(PING, 1)
    assert isinstance(await ends.next(), list)
    assert ends.told.empty()


async def test_silence_fails_after_the_time_out(redis: Redis, valkey_url: str) -> None:
    ends = Ends(valkey_url, timeout_s=0.1)
    await ends.wire.connect()
    assert await redis.client_pause(300)
    ends.wire.send(PING, 1)
    failure = await ends.next()
    assert isinstance(failure, RedisError)
    assert "no answer" in str(failure)
    await redis.client_unpause()
    await ends.close()


async def test_more_answers_than_commands_end_the_connection(ends: Ends) -> None:
    ends.wire.send(PING * 40, 1)
    failure = await ends.next()
    # Answers may come in two pieces: then the first one has answered the request, and the rest ends the connection.
    assert isinstance(failure, RedisError | list)
    async with asyncio.timeout(PATIENCE_S):
        while ends.wire.ready:  # noqa: ASYNC110 - the end of a connection is told to nobody who asked nothing
            await asyncio.sleep(0.01)


async def test_dropping_a_wire_that_has_nothing_under_way_tells_nobody(ends: Ends) -> None:
    ends.wire.drop()
    ends.wire.drop()
    assert not ends.wire.ready
    await ends.close()
    await ends.close()
    assert ends.told.empty()


async def _connected(ends: Ends) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not ends.wire.ready:
            try:
                await ends.wire.connect()
            except (RedisError, OSError):
                await asyncio.sleep(0.01)
