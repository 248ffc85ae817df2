"""Writing entitlements into the ledger: tickets just sold, and all of them again after the ledger lost its memory."""

from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from resort.access.entitlement import TicketRecord
from resort.errors import LedgerUnavailable
from resort.ids import TicketId
from storage.redis_ledger import LedgerKeys
from storage.script_pipeline import EPOCH_LOST, Script

# KEYS: epoch, ticket. ARGV: version, entitlement, usage. A ticket that is known already is left as it is.
PUBLISH = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return redis.error_reply('{EPOCH_LOST} the ledger must be rebuilt') end
if redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('HSET', KEYS[2], 'v', ARGV[1], 'e', ARGV[2], 'u', ARGV[3])
end
return 1
"""


class RedisEntitlements:
    """`EntitlementPublisher` on Redis."""

    def __init__(self, redis: Redis, site: str) -> None:
        self._redis = redis
        self._keys = LedgerKeys(site)
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
                    2,
                    self._keys.epoch,
                    self._keys.ticket(ticket_id),
                    record.version,
                    msgspec.json.encode(record.entitlement),
                    msgspec.json.encode(record.usage),
                )
            await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerUnavailable("The admission ledger", str(error).rstrip(".")) from error
