"""How scripts reach Redis (or Valkey): scans of one event-loop tick share a pipelined round trip. Knows neither keys nor rules.

Measured here, sharing round trips is what makes many lanes in one process cheap. Every failure becomes LedgerUnavailable.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as LinkError
from redis.exceptions import RedisError, ResponseError

from resort.errors import LedgerUnavailable
from storage.redis_wire import Failure, RedisWire

EPOCH_LOST = "EPOCHLOST"  # what a script's error begins with when the store must be rebuilt first
FORGOTTEN = "NOSCRIPT"


class Script:
    """One Lua script, sent by its digest and loaded again when the server forgot it."""

    def __init__(self, redis: Redis, source: str) -> None:
        self.source = source
        self.sha = redis.register_script(source).sha


@dataclass(slots=True)
class _Call:
    packed: bytes
    answer: asyncio.Future[object]
    script: Script | None  # None: a fenced read
    repeated: bool = False


class ScriptPipeline:
    """Gathers the calls of one event-loop tick into one round trip. One round trip is under way at a time, so calls that come
    meanwhile form the next batch: the more load, the larger the batches. At most `largest` calls a batch.

    Nothing is repeated after a failure: all calls of that round trip raise, and the next batch connects anew."""

    def __init__(self, redis: Redis, fence: str, largest: int = 64) -> None:
        """`fence` is the key without which nothing that is read may be believed."""
        self._wire = RedisWire(redis, self._answered, self._failed)
        self._fence = _pack("EXISTS", fence)
        self._largest = largest
        self._waiting: deque[_Call] = deque()
        self._under_way: list[_Call] = []
        self._forgotten: set[Script] = set()
        self._loaded = 0  # scripts that the round trip under way begins with
        self._planned = False  # the next batch is about to be sent
        self._connecting: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def call(self, script: Script, keys: Sequence[str], args: Sequence[bytes | str | int]) -> object:
        """The script's answer. Raises LedgerUnavailable, also when the store must be rebuilt first."""
        return await self._ask(_pack("EVALSHA", script.sha, len(keys), *keys, *args), script)

    async def read(self, key: str, *fields: str) -> list[bytes | None]:
        """These fields of a hash, None for each that is not there. Raises LedgerUnavailable, also behind a lost fence."""
        answer = await self._ask(_pack("HMGET", key, *fields), None)
        if not isinstance(answer, list):
            raise LedgerUnavailable("The admission ledger", "it answered something unknown")
        return answer

    def abandon(self) -> None:
        """Fail every call at once: nobody will take its answer. What is on its way to the server may be done all the same."""
        self._wire.drop()
        _refuse(self._waiting, LinkError("given up"))
        self._waiting.clear()

    async def close(self) -> None:
        """Wait for what is under way, then hang up."""
        await self._quiet.wait()
        await self._wire.close()

    def _ask(self, packed: bytes, script: Script | None) -> asyncio.Future[object]:
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(packed, answer, script))
        if not self._under_way:
            self._plan()
        return answer

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._quiet.clear()
            asyncio.get_running_loop().call_soon(self._send)

    def _send(self) -> None:
        self._planned = False
        if not self._waiting:
            self._quiet.set()
            return
        if not self._wire.ready:
            self._planned = True  # until it is connected, or has failed to
            self._connecting = asyncio.create_task(self._connect(), name="ledger-pipeline")
            return
        size = min(len(self._waiting), self._largest)
        batch = self._under_way = [self._waiting.popleft() for _ in range(size)]
        packed = [_pack("SCRIPT", "LOAD", script.source) for script in self._forgotten]
        self._loaded = len(packed)
        self._forgotten.clear()
        packed += [call.packed for call in batch]
        if any(call.script is None for call in batch):
            # Asked last: then it also covers a store that lost everything between two of these reads.
            packed.append(self._fence)
        self._wire.send(b"".join(packed), len(packed))

    async def _connect(self) -> None:
        try:
            await self._wire.connect()
        except (RedisError, OSError, TimeoutError) as error:
            batch = list(self._waiting)
            self._waiting.clear()
            _refuse(batch, error)
        self._send()

    def _answered(self, answers: list[object]) -> None:
        batch, self._under_way = self._under_way, []
        fenced = len(answers) == self._loaded + len(batch) or answers[-1] == 1
        again: list[_Call] = []
        for call, answer in zip(batch, answers[self._loaded :], strict=False):
            if call.answer.done():
                continue  # the caller went away; what it asked for has happened all the same
            if not isinstance(answer, Exception):
                if fenced or call.script is not None:
                    call.answer.set_result(answer)
                else:
                    call.answer.set_exception(unavailable(ResponseError(EPOCH_LOST)))
            elif call.script is not None and not call.repeated and str(answer).startswith(FORGOTTEN):
                call.repeated = True
                self._forgotten.add(call.script)
                again.append(call)
            else:
                call.answer.set_exception(unavailable(answer))
        self._waiting.extendleft(reversed(again))
        self._plan()

    def _failed(self, error: Failure) -> None:
        batch, self._under_way = self._under_way, []
        _refuse(batch, error)
        self._plan()


def _pack(*parts: bytes | str | int) -> bytes:
    packed: bytes = hiredis.pack_command(parts)  # type: ignore[arg-type]  # its stub says a tuple of one
    return packed


def _refuse(batch: Iterable[_Call], error: Exception) -> None:
    for call in batch:
        if not call.answer.done():
            call.answer.set_exception(unavailable(error))


def unavailable(error: Exception) -> LedgerUnavailable:
    """What a lane is told of that error of the client or the server."""
    if isinstance(error, ResponseError) and str(error).startswith(EPOCH_LOST):
        return LedgerUnavailable("The admission ledger", "it lost its memory and is being rebuilt")
    return LedgerUnavailable("The admission ledger", f"{type(error).__name__} {error}".strip().rstrip("."))
