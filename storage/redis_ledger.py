"""The admission ledger on Redis (or Valkey): compare-and-set and journal append in one script.

Keys, all under one hash tag so that a cluster keeps them together (`{snowgate:<site>}`):
  :t:<ticket>  hash  v version · e entitlement JSON · u usage JSON · l id of the last event that changed it
  :l:<lane>    hash  g open grant JSON or empty · in, out  counters of the lane's last event
  :journal     stream, field `e` the event JSON
  :epoch       text; absent means that the store lost its memory and must be rebuilt before anybody decides on it

Scans of one event-loop tick share one pipelined round trip (`ScriptPipeline`): measured here, that is what makes many lanes
in one process cheap. Every failure becomes LedgerUnavailable.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.errors import LedgerUnavailable
from resort.ids import LaneId, TicketId
from resort.messages import (
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    JournalEvent,
    encode_event,
)
from resort.ports import Conflict, LaneMemory, accounted

EPOCH_LOST = "EPOCHLOST"

# KEYS: epoch, ticket. Answers {v, e, u} or {} for an unknown ticket.
FIND = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
return redis.call('HMGET', KEYS[2], 'v', 'e', 'u')
"""

# KEYS: epoch, ticket, lane, journal. ARGV: expected version, usage, event id, event, open grant or '', counter in or ''.
# Answers {1} when stored (now, or before by the same event), else {0, v, e, u}.
CHANGE = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
local t = redis.call('HMGET', KEYS[2], 'v', 'e', 'u', 'l')
if t[4] == ARGV[3] then return {{1}} end
if t[1] ~= ARGV[1] then return {{0, t[1], t[2], t[3]}} end
redis.call('HSET', KEYS[2], 'v', ARGV[1] + 1, 'u', ARGV[2], 'l', ARGV[3])
redis.call('HSET', KEYS[3], 'g', ARGV[5])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], 'in', ARGV[6]) end
redis.call('XADD', KEYS[4], '*', 'e', ARGV[4])
return {{1}}
"""

# KEYS: epoch, lane, journal. ARGV: event, then fields of the lane's hash and their values in turn.
APPEND = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
if #ARGV > 1 then redis.call('HSET', KEYS[2], unpack(ARGV, 2)) end
redis.call('XADD', KEYS[3], '*', 'e', ARGV[1])
return 1
"""

COUNTER_FIELDS = {"counter_in": "in", "counter_out": "out"}
_entitlement_decoder = msgspec.json.Decoder(Entitlement)
_usage_decoder = msgspec.json.Decoder(Usage)
_grant_decoder = msgspec.json.Decoder(GrantIssued)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """Names of the site's keys."""

    site: str

    @property
    def epoch(self) -> str:
        """Present while the ledger may be decided on."""
        return f"{{snowgate:{self.site}}}:epoch"

    @property
    def journal(self) -> str:
        """The stream of events."""
        return f"{{snowgate:{self.site}}}:journal"

    def ticket(self, ticket_id: str) -> str:
        """The hash of one ticket."""
        return f"{{snowgate:{self.site}}}:t:{ticket_id}"

    def lane(self, lane_id: str) -> str:
        """The hash of one lane."""
        return f"{{snowgate:{self.site}}}:l:{lane_id}"


def connect(url: str, timeout_s: float = 1.0) -> Redis:
    """A client for `unix://…` or `redis://…`; nothing is sent before the first command."""
    return Redis.from_url(url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, decode_responses=False)


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
                    call.answer.set_exception(_unavailable(answer))
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


def _unavailable(error: Exception) -> LedgerUnavailable:
    if isinstance(error, ResponseError) and str(error).startswith(EPOCH_LOST):
        return LedgerUnavailable("The admission ledger", "it lost its memory and is being rebuilt")
    return LedgerUnavailable("The admission ledger", f"{type(error).__name__} {error}".strip().rstrip("."))


class RedisLedger:
    """`AdmissionLedger` on Redis. One per process, shared by its lanes; not to be used from two event loops."""

    def __init__(self, redis: Redis, site: str) -> None:
        self._redis = redis
        self._keys = LedgerKeys(site)
        self._pipeline = ScriptPipeline(redis)
        self._find = Script(redis, FIND)
        self._change = Script(redis, CHANGE)
        self._append = Script(redis, APPEND)

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands, or None when no such ticket was sold. Raises LedgerUnavailable."""
        answer = await self._pipeline.call(self._find, (self._keys.epoch, self._keys.ticket(ticket_id)), ())
        return _record(answer)

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set; see the port."""
        body = encode_event(grant)
        return await self._store(grant, expected, usage, body, body, str(grant.counter_in))

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set; see the port."""
        counter = "" if isinstance(outcome, GrantOutcomeUnknown) else str(outcome.counter_in)
        return await self._store(outcome, expected, usage, encode_event(outcome), b"", counter)

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Append events in order. Raises LedgerUnavailable when any may be missing."""
        calls = []
        for event in events:
            counters = [item for name, counter in accounted(event).items() for item in (COUNTER_FIELDS[name], counter)]
            keys = (self._keys.epoch, self._keys.lane(event.lane_id), self._keys.journal)
            calls.append(self._pipeline.call(self._append, keys, (encode_event(event), *counters)))
        await asyncio.gather(*calls)

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        """What a restarted lane needs to know. Raises LedgerUnavailable."""
        try:
            epoch = await self._redis.exists(self._keys.epoch)
            answer = await self._redis.hmget(self._keys.lane(lane_id), ["g", "in", "out"])
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        if not epoch:
            raise LedgerUnavailable("The admission ledger", "it lost its memory and is being rebuilt")
        grant, counter_in, counter_out = answer
        return LaneMemory(
            open_grant=_grant_decoder.decode(grant) if grant else None,
            counter_in=int(counter_in) if counter_in else None,
            counter_out=int(counter_out) if counter_out else None,
        )

    async def close(self) -> None:
        """Finish what is under way and close the connections."""
        await self._pipeline.close()
        await self._redis.aclose()

    async def _store(
        self,
        event: GrantIssued | GrantOutcome,
        expected: TicketRecord,
        usage: Usage,
        body: bytes,
        open_grant: bytes,
        counter: str,
    ) -> Conflict | None:
        keys = (
            self._keys.epoch,
            self._keys.ticket(event.ticket_id),
            self._keys.lane(event.lane_id),
            self._keys.journal,
        )
        args = (expected.version, _encoder.encode(usage), event.event_id, body, open_grant, counter)
        answer = await self._pipeline.call(self._change, keys, args)
        if not isinstance(answer, list):
            raise LedgerUnavailable("The admission ledger", "it answered something unknown")
        return None if answer[0] == 1 else Conflict(_record(answer[1:]))


def _record(answer: object) -> TicketRecord | None:
    if not isinstance(answer, list) or len(answer) != 3 or answer[0] is None:
        return None
    version, entitlement, usage = answer
    return TicketRecord(int(version), _entitlement_decoder.decode(entitlement), _usage_decoder.decode(usage))
