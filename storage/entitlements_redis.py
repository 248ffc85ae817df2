"""Writing entitlements into the ledger: tickets just sold, and what became of them since (blocked, refunded, …).

Each change goes into the journal stream in the same step, so that whoever follows the stream knows every ticket.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.access.entitlement import Entitlement, TicketRecord
from resort.clock import Clock
from resort.errors import LedgerUnavailable
from resort.ids import EventId, GateId, LaneId, TicketId
from resort.messages import TicketChanged, TicketIssued, encode_event
from storage.redis_ledger import LedgerKeys
from storage.script_pipeline import EPOCH_LOST, Script

# KEYS: epoch, ticket, journal. ARGV: version, entitlement, usage, event. A ticket that is known already is left as it is.
PUBLISH = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[2], 'v', ARGV[1], 'e', ARGV[2], 'u', ARGV[3])
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[4], 'v', ARGV[1])
end
return 1
"""

# KEYS: epoch, ticket, journal. ARGV: expected version, entitlement, event. Answers 1 when stored, 0 when the ticket moved.
AMEND = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
if redis.call('HGET', KEYS[2], 'v') ~= ARGV[1] then return 0 end
local v = string.format('%.0f', ARGV[1] + 1)
redis.call('HSET', KEYS[2], 'v', v, 'e', ARGV[2])
redis.call('XADD', KEYS[3], '*', 'e', ARGV[3], 'v', v)
return 1
"""


# KEYS: epoch, journal. ARGV: event. What became of a ticket is in the journal also where the ledger has nothing to change.
TELL = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
redis.call('XADD', KEYS[2], '*', 'e', ARGV[1])
return 1
"""


class RedisEntitlements:
    """`EntitlementPublisher` on Redis."""

    def __init__(self, redis: Redis, site: str, clock: Clock) -> None:
        self._redis = redis
        self._keys = LedgerKeys(site)
        self._clock = clock
        self._script = Script(redis, PUBLISH)

    async def publish(self, tickets: Sequence[tuple[TicketId, TicketRecord]]) -> None:
        """Make tickets known to the lanes; idempotent. Raises LedgerUnavailable, then any part may be published."""
        if not tickets:
            return
        try:
            await self._redis.script_load(PUBLISH)
            pipeline = self._redis.pipeline(transaction=False)
            for ticket_id, record in tickets:
                pipeline.evalsha(
                    self._script.sha,
                    3,
                    self._keys.epoch,
                    self._keys.ticket(ticket_id),
                    self._keys.journal,
                    record.version,
                    msgspec.json.encode(record.entitlement),
                    msgspec.json.encode(record.usage),
                    encode_event(self._issued(ticket_id, record)),
                )
            await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    async def change_status(self, change: TicketChanged) -> bool:
        """Give a ticket its new status; False when the ledger does not know it. Raises LedgerUnavailable.

        The event goes into the stream in any case: a ledger that was rebuilt from SQL has the status already, the journal not.
        """
        key, body = self._keys.ticket(change.ticket_id), encode_event(change)
        try:
            while True:
                answer: Any = await self._redis.hmget(key, ["v", "e"])
                version, entitlement = answer
                before = None if version is None else msgspec.json.decode(entitlement, type=Entitlement)
                if before is None or before.status == change.status:
                    await self._redis.eval(TELL, 2, self._keys.epoch, self._keys.journal, body)
                    return before is not None
                after = msgspec.json.encode(msgspec.structs.replace(before, status=change.status))
                keys = (self._keys.epoch, key, self._keys.journal)
                stored: Any = await self._redis.eval(AMEND, 3, *keys, version, after, body)
                if stored:
                    return True
        except (RedisError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    def _issued(self, ticket_id: TicketId, record: TicketRecord) -> TicketIssued:
        return TicketIssued(
            event_id=EventId(f"{ticket_id}:issued"),
            caused_by=ticket_id,
            at=self._clock.now().at,
            gate_id=GateId(""),
            lane_id=LaneId(""),
            ticket_id=ticket_id,
            entitlement=record.entitlement,
        )


def _unavailable(error: Exception) -> LedgerUnavailable:
    return LedgerUnavailable("The admission ledger", str(error).rstrip("."))
