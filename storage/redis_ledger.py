"""The admission ledger on Redis (or Valkey): compare-and-set and journal append in one script.

Keys, all under one hash tag so that a cluster keeps them together (`{snowgate:<site>}`):
  :t:<ticket>  hash  v version · e entitlement JSON · u usage JSON
  :l:<lane>    hash  g open grant JSON or empty · in, out  counters of the lane's last event · s number of its last event
  :journal     stream, field `e` the event JSON, and `v` the ticket's new version where the event changed a ticket
  :stored      hash  by lane, the number of its events up to which SQL has them all
  :epoch       text; absent means that the store lost its memory and must be rebuilt before anybody decides on it

How scripts reach the server is in `storage/script_pipeline.py`. Every failure becomes LedgerUnavailable.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.access.entitlement import Entitlement, TicketRecord, Usage
from resort.errors import LedgerUnavailable
from resort.ids import LaneId, TicketId
from resort.messages import (
    GrantAnnulled,
    GrantIssued,
    GrantOutcome,
    GrantOutcomeUnknown,
    JournalEvent,
    TicketEvent,
    TicketExited,
    encode_event,
)
from resort.ports import Conflict, LaneMemory, accounted
from storage.script_pipeline import EPOCH_LOST, Script, ScriptPipeline, unavailable

# KEYS: epoch, lane, journal, and the ticket if there is one. ARGV: number, event, open grant ('' none, '=' the event, '-' as it
# is), entry counter or '', expected version, usage, new version. Answers {1} when stored (now, or before: the number says so),
# else {0, v, e, u}. An event that comes after a newer one of its lane timed out long ago: it must not be stored any more.
CHANGE = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
local s = redis.call('HGET', KEYS[2], 's') or '0'
local n = ARGV[1]
if n == '0' then n = s elseif tonumber(s) >= tonumber(n) then return {{1}} end
if KEYS[4] then
  if redis.call('HGET', KEYS[4], 'v') ~= ARGV[5] then
    local t = redis.call('HMGET', KEYS[4], 'v', 'e', 'u')
    return {{0, t[1], t[2], t[3]}}
  end
  redis.call('HSET', KEYS[4], 'v', ARGV[7], 'u', ARGV[6])
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[2], 'v', ARGV[7])
else
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[2])
end
local g = ARGV[3]
if g == '=' then g = ARGV[2] end
if g == '-' then redis.call('HSET', KEYS[2], 's', n)
elseif ARGV[4] == '' then redis.call('HSET', KEYS[2], 's', n, 'g', g)
else redis.call('HSET', KEYS[2], 's', n, 'g', g, 'in', ARGV[4]) end
return {{1}}
"""

# KEYS: epoch, lane, journal. ARGV: number (0: none), event, then fields of the lane's hash and their values in turn.
APPEND = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
if ARGV[1] ~= '0' then
  if tonumber(redis.call('HGET', KEYS[2], 's') or 0) >= tonumber(ARGV[1]) then return 1 end
  redis.call('HSET', KEYS[2], 's', ARGV[1])
end
if #ARGV > 2 then redis.call('HSET', KEYS[2], unpack(ARGV, 3)) end
redis.call('XADD', KEYS[3], '*', 'e', ARGV[2])
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

    @property
    def stored(self) -> str:
        """Up to which number of each lane SQL has everything."""
        return f"{{snowgate:{self.site}}}:stored"

    def ticket(self, ticket_id: str) -> str:
        """The hash of one ticket."""
        return f"{{snowgate:{self.site}}}:t:{ticket_id}"

    def lane(self, lane_id: str) -> str:
        """The hash of one lane."""
        return f"{{snowgate:{self.site}}}:l:{lane_id}"


async def ledger_term(redis: Redis, site: str) -> int | None:
    """The term of a ledger that may be decided on; None when it has lost its memory. Raises LedgerUnavailable."""
    try:
        epoch: Any = await redis.get(LedgerKeys(site).epoch)
    except (RedisError, OSError, TimeoutError) as error:
        raise unavailable(error) from error
    if epoch is None:
        return None
    parts = epoch.decode().split(" ")
    return int(parts[2]) if len(parts) > 2 else 0


class RedisLedger:
    """`AdmissionLedger` on Redis. One per process, shared by its lanes; not to be used from two event loops."""

    def __init__(self, redis: Redis, site: str) -> None:
        self._redis = redis
        self._keys = LedgerKeys(site)
        self._pipeline = ScriptPipeline(redis, self._keys.epoch)
        self._change = Script(redis, CHANGE)
        self._append = Script(redis, APPEND)

    async def find(self, ticket_id: TicketId) -> TicketRecord | None:
        """The ticket as it stands, or None when no such ticket was sold. Raises LedgerUnavailable."""
        return _record(await self._pipeline.read(self._keys.ticket(ticket_id), "v", "e", "u"))

    async def commit_grant(self, grant: GrantIssued, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """Compare and set; see the port."""
        return await self._store(grant, expected, usage, "=", str(grant.counter_in))

    async def settle(self, outcome: GrantOutcome, expected: TicketRecord | None, usage: Usage | None) -> Conflict | None:
        """Compare and set; see the port."""
        counter = "" if isinstance(outcome, GrantOutcomeUnknown) else str(outcome.counter_in)
        return await self._store(outcome, expected, usage, "", counter)

    async def amend(self, event: GrantAnnulled | TicketExited, expected: TicketRecord, usage: Usage) -> Conflict | None:
        """Compare and set; see the port."""
        return await self._store(event, expected, usage, "-", "")

    async def append(self, events: Sequence[JournalEvent]) -> None:
        """Append events in order. Raises LedgerUnavailable when any may be missing."""
        calls = []
        for event in events:
            counters = [item for name, counter in accounted(event).items() for item in (COUNTER_FIELDS[name], counter)]
            keys = (self._keys.epoch, self._keys.lane(event.lane_id), self._keys.journal)
            calls.append(self._pipeline.call(self._append, keys, (event.lane_seq, encode_event(event), *counters)))
        await asyncio.gather(*calls)

    async def lane_memory(self, lane_id: LaneId) -> LaneMemory:
        """What a restarted lane needs to know. Raises LedgerUnavailable."""
        try:
            epoch = await self._redis.exists(self._keys.epoch)
            answer = await self._redis.hmget(self._keys.lane(lane_id), ["g", "in", "out", "s"])
        except (RedisError, OSError, TimeoutError) as error:
            raise unavailable(error) from error
        if not epoch:
            raise LedgerUnavailable("The admission ledger", "it lost its memory and is being rebuilt")
        grant, counter_in, counter_out, last_seq = answer
        return LaneMemory(
            open_grant=_grant_decoder.decode(grant) if grant else None,
            counter_in=int(counter_in) if counter_in else None,
            counter_out=int(counter_out) if counter_out else None,
            last_seq=int(last_seq) if last_seq else 0,
        )

    async def stored(self, lanes: Sequence[LaneId]) -> dict[LaneId, int]:
        """The highest number of each lane's events up to which SQL has them all. Raises LedgerUnavailable."""
        numbers = await self._pipeline.read(self._keys.stored, *lanes)
        return {lane: int(number) for lane, number in zip(lanes, numbers, strict=True) if number is not None}

    def abandon(self) -> None:
        """Fail every call under way at once: nobody will take its answer."""
        self._pipeline.abandon()

    async def close(self) -> None:
        """Finish what is under way and close the connections."""
        await self._pipeline.close()
        await self._redis.aclose()

    async def _store(
        self,
        event: TicketEvent,
        expected: TicketRecord | None,
        usage: Usage | None,
        open_grant: str,
        counter: str,
    ) -> Conflict | None:
        keys: tuple[str, ...] = (self._keys.epoch, self._keys.lane(event.lane_id), self._keys.journal)
        args: tuple[bytes | str | int, ...] = (event.lane_seq, encode_event(event), open_grant, counter)
        if event.ticket_id is not None and expected is not None:
            keys = (*keys, self._keys.ticket(event.ticket_id))
            args = (*args, expected.version, _encoder.encode(usage), expected.version + 1)
        answer = await self._pipeline.call(self._change, keys, args)
        if not isinstance(answer, list):
            raise LedgerUnavailable("The admission ledger", "it answered something unknown")
        return None if answer[0] == 1 else Conflict(_record(answer[1:]))


def _record(answer: object) -> TicketRecord | None:
    if not isinstance(answer, list) or len(answer) != 3 or answer[0] is None:
        return None
    version, entitlement, usage = answer
    return TicketRecord(int(version), _entitlement_decoder.decode(entitlement), _usage_decoder.decode(usage))
