"""How scripts reach Redis (or Valkey): scans of one event-loop tick share a pipelined round trip. Knows neither keys nor rules.

Measured here, sharing round trips is what makes many lanes in one process cheap. Every failure becomes LedgerUnavailable.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from resort.errors import LedgerUnavailable

EPOCH_LOST = "EPOCHLOST"  # what a script's error begins with when the store must be rebuilt first


class Script:
    """One Lua script, sent by its digest and loaded again when the server forgot it."""

    def __init__(self, redis: Redis, source: str) -> None:
        self.source = source
        self.sha = redis.register_script(source).sha


@dataclass(slots=True)
class _Call:
    script: Script
    keys: Sequence[str]
    args: Sequence[bytes | str | int]
    answer: asyncio.Future[object]


class ScriptPipeline:
    """Gathers the script calls of one event-loop tick into one round trip. One round trip is under way at a time, so calls
    that come meanwhile form the next batch: the more load, the larger the batches. At most `largest` calls a batch."""

    def __init__(self, redis: Redis, largest: int = 64) -> None:
        self._redis = redis
        self._largest = largest
        self._waiting: list[_Call] = []
        self._flusher: asyncio.Task[None] | None = None

    async def call(self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> object:
        """The script's answer. Raises LedgerUnavailable, also when the store must be rebuilt first."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(script, keys, args, answer))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="ledger-pipeline")
        return await answer

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._flusher is not None:
            await self._flusher

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
            try:
                answers = await self._round_trip(batch)
                if any(isinstance(answer, NoScriptError) for answer in answers):
                    answers = await self._load_and_repeat(batch, answers)
            except (RedisError, OSError, TimeoutError) as error:
                answers = [error] * len(batch)
            for call, answer in zip(batch, answers, strict=True):
                if call.answer.done():
                    continue  # the caller went away; what it asked for has happened all the same
                if isinstance(answer, Exception):
                    call.answer.set_exception(unavailable(answer))
                else:
                    call.answer.set_result(answer)

    async def _round_trip(self, batch: Sequence[_Call]) -> list[object]:
        pipeline = self._redis.pipeline(transaction=False)
        for call in batch:
            pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.args)
        return list(await pipeline.execute(raise_on_error=False))

    async def _load_and_repeat(self, batch: Sequence[_Call], answers: Sequence[object]) -> list[object]:
        for source in {call.script.source for call in batch}:
            await self._redis.script_load(source)
        missing = [index for index, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        repeated = await self._round_trip([batch[index] for index in missing])
        merged = list(answers)
        for index, answer in zip(missing, repeated, strict=True):
            merged[index] = answer
        return merged


def unavailable(error: Exception) -> LedgerUnavailable:
    """What a lane is told of that error of the client or the server."""
    if isinstance(error, ResponseError) and str(error).startswith(EPOCH_LOST):
        return LedgerUnavailable("The admission ledger", "it lost its memory and is being rebuilt")
    return LedgerUnavailable("The admission ledger", f"{type(error).__name__} {error}".strip().rstrip("."))
