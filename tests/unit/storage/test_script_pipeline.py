"""Calls that share round trips on a real Valkey: whose answer is whose, forgotten scripts, the fence, and servers that go."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from resort.errors import LedgerUnavailable
from storage.redis_client import connect
from storage.script_pipeline import EPOCH_LOST, Script, ScriptPipeline

FENCE = "test:fence"
PATIENCE_S = 20.0
PAUSE_MS = 1_500
ECHO = "return {KEYS[1], ARGV[1]}"
COUNT = "return redis.call('INCR', KEYS[1])"
LOST = f"return redis.error_reply('{EPOCH_LOST} gone')"
WRONG = "return redis.call('HGET', KEYS[1], 'f')"


async def _answered(pipeline: ScriptPipeline, echo: Script) -> object:
    """The answer of a server that is away or silent for a moment."""
    while True:
        try:
            return await pipeline.call(echo, ["k"], ["b"])
        except LedgerUnavailable:
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def client(redis: Redis, valkey_url: str) -> AsyncIterator[Redis]:
    await redis.set(FENCE, "1")
    client = connect(valkey_url)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def pipeline(client: Redis) -> AsyncIterator[ScriptPipeline]:
    pipeline = ScriptPipeline(client, FENCE, largest=8)
    yield pipeline
    await pipeline.close()


async def test_each_caller_gets_his_own_answer(pipeline: ScriptPipeline, client: Redis) -> None:
    echo = Script(client, ECHO)
    answers = await asyncio.gather(*(pipeline.call(echo, [f"k{number}"], [number]) for number in range(100)))
    assert answers == [[b"k%d" % number, b"%d" % number] for number in range(100)]


async def test_reads_and_scripts_share_round_trips(pipeline: ScriptPipeline, client: Redis, redis: Redis) -> None:
    await redis.hset("h", mapping={"a": 1, "b": 2})
    count = Script(client, COUNT)
    calls = [pipeline.read("h", "a", "none", "b") if number % 2 else pipeline.call(count, ["n"], []) for number in range(20)]
    answers = await asyncio.gather(*calls)
    assert answers[1::2] == [[b"1", None, b"2"]] * 10
    assert answers[0::2] == list(range(1, 11))


async def test_a_script_is_loaded_once_it_is_missed_and_runs_once_a_call(
    pipeline: ScriptPipeline, client: Redis, redis: Redis
) -> None:
    count = Script(client, COUNT)
    for round_trips in (1, 2):
        await redis.script_flush()
        await asyncio.gather(*(pipeline.call(count, ["n"], []) for _ in range(30)))
        assert await redis.get("n") == b"%d" % (30 * round_trips)


async def test_a_script_that_fails_fails_its_caller_alone(pipeline: ScriptPipeline, client: Redis, redis: Redis) -> None:
    await redis.set("text", "x")
    echo, wrong, lost = Script(client, ECHO), Script(client, WRONG), Script(client, LOST)
    calls = (pipeline.call(wrong, ["text"], []), pipeline.call(echo, ["k"], ["a"]), pipeline.call(lost, ["k"], []))
    failed, answered, fenced = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(failed, LedgerUnavailable)
    assert "WRONGTYPE" in str(failed)
    assert answered == [b"k", b"a"]
    assert isinstance(fenced, LedgerUnavailable)
    assert "rebuilt" in str(fenced)


async def test_a_script_that_cannot_be_loaded_fails(pipeline: ScriptPipeline, client: Redis) -> None:
    broken = Script(client, "this is no Lua")
    with pytest.raises(LedgerUnavailable, match="NOSCRIPT"):
        await pipeline.call(broken, ["k"], [])


async def test_without_the_fence_no_read_is_answered_but_scripts_are(
    pipeline: ScriptPipeline, client: Redis, redis: Redis
) -> None:
    await redis.delete(FENCE)
    await redis.hset("h", "a", "1")
    echo = Script(client, ECHO)
    read, called = await asyncio.gather(pipeline.read("h", "a"), pipeline.call(echo, ["k"], ["a"]), return_exceptions=True)
    assert isinstance(read, LedgerUnavailable)
    assert "rebuilt" in str(read)
    assert called == [b"k", b"a"]


async def test_a_connection_that_is_cut_is_made_anew(pipeline: ScriptPipeline, client: Redis, redis: Redis) -> None:
    echo = Script(client, ECHO)
    await pipeline.call(echo, ["k"], ["a"])
    assert await redis.client_kill_filter(_type="normal", skipme=True) >= 1
    async with asyncio.timeout(PATIENCE_S):
        assert await _answered(pipeline, echo) == [b"k", b"b"]


async def test_a_silent_server_fails_every_caller_in_time_and_is_asked_again(redis: Redis, valkey_url: str) -> None:
    await redis.set(FENCE, "1")
    client = connect(valkey_url, timeout_s=0.1)
    pipeline, echo = ScriptPipeline(client, FENCE, largest=2), Script(client, ECHO)
    await pipeline.call(echo, ["k"], ["a"])
    assert await redis.client_pause(PAUSE_MS)
    calls = (pipeline.call(echo, ["k"], [number]) for number in range(6))
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(answer, LedgerUnavailable) for answer in answers)
        assert await _answered(pipeline, echo) == [b"k", b"b"]
    await pipeline.close()
    await client.aclose()


@pytest.mark.parametrize("reply", [b"-ERR no\r\n", b"nonsense\r\n", b":1\r\n:2\r\n:3\r\n", b""])
async def test_a_peer_that_is_no_redis_is_unavailable(short_folder: Path, reply: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096) and reply:
            writer.write(reply)
        writer.close()

    path = short_folder / "peer.sock"
    async with await asyncio.start_unix_server(answer, path):
        client = connect(f"unix://{path}", timeout_s=0.2)
        pipeline = ScriptPipeline(client, FENCE)
        with pytest.raises(LedgerUnavailable):
            await pipeline.read("h", "a")
        await pipeline.close()
        await client.aclose()


async def test_a_caller_that_goes_away_disturbs_nobody(pipeline: ScriptPipeline, client: Redis) -> None:
    echo = Script(client, ECHO)
    leaving = asyncio.create_task(pipeline.call(echo, ["k"], ["a"]))
    staying = asyncio.create_task(pipeline.call(echo, ["k"], ["b"]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == [b"k", b"b"]


async def test_closing_waits_for_what_is_under_way(client: Redis) -> None:
    pipeline, count = ScriptPipeline(client, FENCE), Script(client, COUNT)
    calls = [asyncio.ensure_future(pipeline.call(count, ["n"], [])) for _ in range(5)]
    await asyncio.sleep(0)
    await pipeline.close()
    assert set(await asyncio.gather(*calls)) == {1, 2, 3, 4, 5}


async def test_abandoned_calls_fail_at_once_and_the_next_ones_are_answered(
    pipeline: ScriptPipeline, client: Redis, redis: Redis
) -> None:
    echo = Script(client, ECHO)
    await pipeline.call(echo, ["k"], ["a"])
    assert await redis.client_pause(PAUSE_MS)
    calls = [asyncio.ensure_future(pipeline.call(echo, ["k"], [number])) for number in range(20)]
    await asyncio.sleep(0.01)  # some are sent, the others wait for the answer
    pipeline.abandon()
    await asyncio.sleep(0)
    assert all(isinstance(call.exception(), LedgerUnavailable) for call in calls)
    async with asyncio.timeout(PATIENCE_S):
        assert await _answered(pipeline, echo) == [b"k", b"b"]


async def test_abandoning_a_pipeline_that_never_connected_is_nothing(client: Redis) -> None:
    pipeline = ScriptPipeline(client, FENCE)
    pipeline.abandon()
    await pipeline.close()
