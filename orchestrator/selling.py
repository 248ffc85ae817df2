"""The ticket office and the ticket desk of an open site, built with what they need, and the keys that the office prints with.

What they do is in `sales`; when they open and close is `orchestrator/opening.py`'s business.
"""

from pathlib import Path

from actors.pricing_client import RayPricingShards
from actors.ticket_news import RayTicketNews
from resort.clock import Clock
from resort.ids import IdSource
from resort.site import Site
from sales.office import TicketOffice
from sales.staff_relay import StaffRelay
from sales.tickets import TicketDesk
from storage.database import Database
from storage.entitlements_redis import RedisEntitlements
from storage.journal_stream import JournalStream
from storage.key_holders import KeyHolder
from storage.redis_client import connect
from storage.redis_ledger import RedisLedger
from storage.rounds import Rounds

KEYS_S = 1.0  # how often the key file is looked at


class Selling:
    """`desk.tell_pending` before any lane decides, `start` once the actors run, `stop` before they end, then `close`."""

    def __init__(
        self, db: Database, redis_url: str, site_name: str, site: Site, key_file: Path, clock: Clock, ids: IdSource
    ) -> None:
        """Load the keys. Raises InvalidConfig."""
        self._redis = connect(redis_url)
        self._ledger = RedisLedger(connect(redis_url), site_name)
        publisher = RedisEntitlements(self._redis, site_name, clock)
        stream = JournalStream(self._redis, site_name)
        relay = StaffRelay(db, publisher, self._ledger, stream, RayTicketNews(site), clock)
        self._keys = KeyHolder(key_file, "ticket office")
        self._reloading = Rounds("site keys", self._reload_keys, KEYS_S)
        pricing = RayPricingShards(site.runtime.pricing_shards)
        self.office = TicketOffice(db, pricing, publisher, self._keys.keys, site, clock, ids)
        self.desk = TicketDesk(db, relay, site, clock, ids)

    async def start(self) -> None:
        """Begin what runs in the background: unpaid orders, telling lanes, reloading keys."""
        await self.office.start()
        await self.desk.start()
        self._reloading.start()

    async def stop(self) -> None:
        """End that, while the actors still run; idempotent."""
        await self._reloading.close()
        await self.desk.close()
        await self.office.close()

    async def close(self) -> None:
        """Free the connections."""
        await self.stop()
        self._keys.close()
        await self._ledger.close()
        await self._redis.aclose()

    async def _reload_keys(self) -> None:
        keys = self._keys.changed()
        if keys is not None:
            self.office.use_keys(keys)
            self._keys.tell_used()
